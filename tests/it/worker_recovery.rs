//! The worker among others: fences, rescue, replans while sending, and a stop that loses nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection as _;
use futures_util::future::BoxFuture;
use mendline::alerts::queue::{self, Batch};
use mendline::domain::alert::{Decision, PushOutcome};
use mendline::domain::provider::Provider;
use mendline::push::recording::Recording;
use mendline::push::{Finding, PushMessage, PushProvider, PushTarget, fcm};
use mendline::telemetry::StateLabel;
use mendline::worker::Worker;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{TestApp, seed};

/// A worker number that no living worker has.
const GONE: i32 = 7;

async fn claim_as(app: &TestApp, worker: i32, lease_seconds: i32) -> Vec<queue::Claim> {
    let now = app.care.now();
    seed::run(app, async |conn| Ok(queue::claim_due(conn, now, 10, worker, lease_seconds).await?.claims)).await
}

async fn settle(app: &TestApp, claim: &queue::Claim, decision: Decision) -> usize {
    let settlement = claim.settled(decision, app.care.now(), None);
    seed::run(app, async |conn| {
        Ok(queue::settle(conn, &Batch { settlements: vec![settlement], ..Batch::default() }).await?.len())
    })
    .await
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

/// A provider that carries nothing until its worker has met the other one: neither can do all the work.
struct Meeting {
    recording: Recording,
    here: watch::Sender<bool>,
    there: watch::Receiver<bool>,
}

impl PushProvider for Meeting {
    fn provider(&self) -> &'static Provider {
        self.recording.provider()
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        self.here.send_replace(true);
        let mut there = self.there.clone();
        Box::pin(async move {
            there.wait_for(|there| *there).await.unwrap();
            self.recording.send(target, message).await
        })
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        self.recording.check()
    }
}

#[tokio::test]
async fn two_workers_share_the_work_and_never_send_the_same_alert() {
    let app = TestApp::start_with(&[("MENDLINE_WORKER_CONCURRENCY", "4")]).await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let keys: Vec<String> = (0..200).map(|n| format!("t:{n:03}")).collect();
    let owed: Vec<_> = keys.iter().map(|key| seed::owed(&app, key, TimeDelta::zero(), TimeDelta::hours(1))).collect();
    seed::plan(&app, person, &owed).await;

    let (one, other) = (watch::Sender::new(false), watch::Sender::new(false));
    let meeting = |here: &watch::Sender<bool>, there: &watch::Sender<bool>| {
        Arc::new(Meeting {
            recording: Recording::new(&fcm::CARRIER.provider),
            here: here.clone(),
            there: there.subscribe(),
        })
    };
    let providers = [meeting(&one, &other), meeting(&other, &one)];
    let workers = providers.clone().map(|provider| {
        let mut parts = app.worker_parts();
        parts.registry = parts.registry.with(provider);
        Worker::new(parts)
    });
    let stop = CancellationToken::new();
    let all_sent = async {
        for key in &keys {
            seed::wait_for(&app, key, "sent").await;
        }
        stop.cancel();
    };
    let (one, other, ()) = tokio::join!(workers[0].run(stop.clone()), workers[1].run(stop.clone()), all_sent);
    one.and(other).unwrap();

    let sent = providers.map(|provider| provider.recording.sent());
    assert!(sent.iter().all(|sent| !sent.is_empty()));
    let alerts: BTreeSet<_> = sent.iter().flatten().map(|push| push.message.payload.alert_id).collect();
    assert_eq!((alerts.len(), sent[0].len() + sent[1].len()), (200, 200), "each alert once");
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
    seed::run(&app, async |conn| queue::release(conn, &claims, Vec::new(), now).await).await;

    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.tries, row.claim_no), ("scheduled", 0, 1));
}

/// Claims what is due as a worker that dies over it, until no try is left.
async fn use_up_the_tries(app: &TestApp) {
    let used = seed::alerts(app).await[0].tries;
    for _ in used..8 {
        assert_eq!(claim_as(app, GONE, 3600).await.len(), 1);
        let now = app.care.now();
        seed::run(app, async |conn| queue::rescue(conn, now).await).await;
    }
}

/// How many alerts the metrics say ended up in a state.
fn counted(app: &TestApp, state: &'static str) -> u64 {
    app.state.metrics.settled.get_or_create(&StateLabel { state }).get()
}

#[tokio::test]
async fn an_alert_that_killed_its_workers_eight_times_is_given_up() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    use_up_the_tries(&app).await;
    app.drain_worker().await;
    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("failed", Some("tries_used_up")));
    assert!(app.fcm.sent().is_empty());
    assert_eq!(counted(&app, "failed"), 1, "operators see it although nothing was settled");
}

#[tokio::test]
async fn what_one_phone_accepted_was_sent_although_the_other_used_up_all_tries_or_all_time() {
    for out_of_time in [false, true] {
        let app = TestApp::start().await;
        let person = seed::person(&app).await;
        seed::phone(&app, person).await;
        let down = seed::phone(&app, person).await;
        app.fcm.answer_next_of(down, PushOutcome::Unavailable { retry_after: None, reason: "http_503".into() });
        seed::due_now(&app, person, "m:a").await;
        app.drain_worker().await;
        assert_eq!(seed::state(&app, "m:a").await, "scheduled");

        app.care.advance(if out_of_time { TimeDelta::hours(25) } else { TimeDelta::minutes(1) });
        if !out_of_time {
            use_up_the_tries(&app).await;
        }
        let round = app.drain_worker().await;
        assert_eq!((round.claimed, round.ended, app.fcm.sent().len()), (1, 1, 2));
        let row = &seed::alerts(&app).await[0];
        assert_eq!((row.state.as_str(), row.reason.as_deref()), ("sent", None));
        assert_eq!(counted(&app, "sent"), 1);
    }
}

#[tokio::test]
async fn the_running_worker_hears_of_new_alerts_and_stops_with_nothing_in_flight() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let stop = CancellationToken::new();
    let worker = Worker::new(app.worker_parts());
    let story = async {
        seed::due_now(&app, person, "m:a").await;
        seed::wait_for(&app, "m:a", "sent").await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker.run(stop.clone()), story);
    ended.unwrap();
}

#[tokio::test]
async fn a_settle_that_waited_for_a_replan_sees_what_the_replan_did() {
    let app = TestApp::start().await;
    let (now, person) = (app.care.now(), seed::person(&app).await);
    seed::due_now(&app, person, "m:a").await;
    let claim = claim_as(&app, GONE, 3600).await.remove(0);
    let mut planner = mendline::db::Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    planner.batch_execute("BEGIN").await.unwrap();
    queue::replace_plan(&mut planner, person.recipient(), &[], now, now, 2).await.unwrap();
    let retry = Decision::RetryAt { at: now + TimeDelta::minutes(1), refund: false };
    let commit = async {
        app.database.someone_waits_for_a_lock().await;
        planner.batch_execute("COMMIT").await.unwrap();
    };
    let (settled, ()) = tokio::join!(settle(&app, &claim, retry), commit);
    assert_eq!((settled, seed::state(&app, "m:a").await.as_str()), (1, "cancelled"));
}

#[tokio::test]
async fn a_batch_of_which_nobody_heard_whether_it_was_written_is_written_once() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::due_now(&app, person, "m:a").await;
    let claim = claim_as(&app, GONE, 3600).await.remove(0);
    let attempt = |device: u128| queue::AttemptRow {
        at: app.care.now(),
        clinic_id: claim.clinic_id,
        alert_id: claim.id,
        device_id: uuid::Uuid::from_u128(device),
        claim_no: claim.claim_no,
        provider: "fcm",
        outcome: "accepted",
        reason: None,
        provider_message_id: None,
        duration_ms: 1,
    };
    let once = Batch { attempts: vec![attempt(1)], ..Batch::default() };
    let again = Batch { attempts: vec![attempt(1), attempt(2)], again: true, ..Batch::default() };
    seed::run(&app, async |conn| queue::settle(conn, &once).await).await;
    for _ in 0..2 {
        seed::run(&app, async |conn| queue::settle(conn, &again).await).await;
    }
    assert_eq!(seed::outcomes(&app).await, ["accepted", "accepted"]);
    settle(&app, &claim, Decision::Sent).await;
}
