//! The worker among others: fences, rescue, replans while sending, and a stop that loses nothing.

use chrono::TimeDelta;
use mendline::alerts::queue::{self, Settlement};
use mendline::domain::alert::Decision;
use mendline::worker::Worker;
use tokio_util::sync::CancellationToken;

use crate::support::{TestApp, seed};

/// A worker number that no living worker has.
const GONE: i32 = 7;

async fn claim_as(app: &TestApp, worker: i32, lease_seconds: i32) -> Vec<queue::Claim> {
    let now = app.care.now();
    seed::run(app, async |conn| Ok(queue::claim_due(conn, now, 10, worker, lease_seconds).await?.claims)).await
}

async fn settle(app: &TestApp, claim: &queue::Claim, decision: Decision) -> usize {
    let settlement = Settlement {
        clinic_id: claim.clinic_id,
        alert_id: claim.id,
        claim_no: claim.claim_no,
        decision,
        at: app.care.now(),
        reason: None,
    };
    seed::run(app, async |conn| Ok(queue::settle(conn, &[settlement], &[]).await?.len())).await
}

#[tokio::test]
async fn a_dead_workers_claims_are_rescued_although_their_lease_still_runs() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    assert_eq!(claim_as(&app, GONE, 3600).await.len(), 1);

    app.drain_worker().await;
    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.claim_no, row.tries), ("sent", 2, 2));
}

#[tokio::test]
async fn a_late_settle_changes_nothing_once_the_claim_was_taken_over() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    let late = claim_as(&app, GONE, 3600).await.remove(0);
    app.drain_worker().await;

    assert_eq!(settle(&app, &late, Decision::Failed).await, 0);
    assert_eq!(seed::state(&app, "m:a").await, "sent");
}

#[tokio::test]
async fn two_workers_never_claim_the_same_alert() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let owed: Vec<_> =
        (0..40).map(|n| seed::owed(&app, &format!("t:{n:02}"), TimeDelta::zero(), TimeDelta::hours(1))).collect();
    seed::plan(&app, person, &owed).await;

    let (one, other) = (Worker::new(app.worker_parts()), Worker::new(app.worker_parts()));
    let (one, other) = tokio::join!(one.drain(), other.drain());
    assert_eq!(one.unwrap().settled + other.unwrap().settled, 40);
    assert_eq!(app.fcm.sent().len(), 40);
}

#[tokio::test]
async fn an_alert_that_leaves_the_plan_while_it_is_sent_is_not_tried_again() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::due_now(&app, person, "m:a").await;
    let claim = claim_as(&app, GONE, 3600).await.remove(0);
    seed::plan(&app, person, &[]).await;
    assert_eq!(seed::state(&app, "m:a").await, "sending");

    let retry = Decision::RetryAt { at: app.care.now(), refund: false };
    assert_eq!(settle(&app, &claim, retry).await, 1);
    assert_eq!(seed::state(&app, "m:a").await, "cancelled");
}

#[tokio::test]
async fn an_alert_moved_while_it_is_sent_waits_for_its_new_time() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::due_now(&app, person, "m:a").await;
    let claim = claim_as(&app, GONE, 3600).await.remove(0);
    seed::plan(&app, person, &[seed::owed(&app, "m:a", TimeDelta::hours(5), TimeDelta::hours(1))]).await;

    let retry = Decision::RetryAt { at: app.care.now() + TimeDelta::seconds(10), refund: false };
    settle(&app, &claim, retry).await;
    let row = &seed::alerts(&app).await[0];
    assert_eq!(row.state, "scheduled");
    assert_eq!(row.next_attempt_at, app.care.now() + TimeDelta::hours(5));
}

#[tokio::test]
async fn a_change_that_commits_before_the_claim_wins() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    seed::plan(&app, person, &[]).await;

    assert_eq!(app.drain_worker().await.claimed, 0);
    assert_eq!(seed::state(&app, "m:a").await, "cancelled");
}

#[tokio::test]
async fn what_was_claimed_and_not_sent_goes_back_as_if_it_had_not_been() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::due_now(&app, person, "m:a").await;
    let claims = claim_as(&app, GONE, 3600).await;
    let now = app.care.now();
    seed::run(&app, async |conn| queue::release(conn, &claims, now).await).await;

    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.tries, row.claim_no), ("scheduled", 0, 1));
}

#[tokio::test]
async fn an_alert_that_killed_its_workers_eight_times_is_given_up() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    for _ in 0..8 {
        assert_eq!(claim_as(&app, GONE, 3600).await.len(), 1);
        let now = app.care.now();
        seed::run(&app, async |conn| queue::rescue(conn, now).await).await;
    }
    app.drain_worker().await;
    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("failed", Some("tries_used_up")));
    assert!(app.fcm.sent().is_empty());
}

#[tokio::test]
async fn the_running_worker_hears_of_new_alerts_and_stops_with_nothing_in_flight() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let stop = CancellationToken::new();
    let worker = Worker::new(app.worker_parts());
    let run = worker.run(stop.clone());
    let story = async {
        seed::due_now(&app, person, "m:a").await;
        let sent = async {
            while seed::state(&app, "m:a").await != "sent" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), sent).await.expect("it is sent without a poll");
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(run, story);
    ended.unwrap();
}

#[tokio::test]
async fn a_worker_that_loses_its_session_registers_anew_and_goes_on() {
    use diesel_async::SimpleAsyncConnection;
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let stop = CancellationToken::new();
    let worker = Worker::new(app.worker_parts());
    let run = worker.run(stop.clone());
    let story = async {
        seed::due_now(&app, person, "m:a").await;
        wait_for(&app, "m:a").await;
        let kill = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
                    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        seed::run(&app, async |conn| conn.batch_execute(kill).await).await;
        seed::plan(&app, person, &[seed::owed(&app, "m:b", TimeDelta::zero(), TimeDelta::hours(1))]).await;
        wait_for(&app, "m:b").await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(run, story);
    ended.unwrap();
}

async fn wait_for(app: &TestApp, key: &str) {
    let sent = async {
        while seed::state(app, key).await != "sent" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), sent).await.expect("sent in time");
}
