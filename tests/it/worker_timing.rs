//! When the running worker claims: at the due moment and not before it, whatever it knew of it; and what that asks of the
//! database.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use chrono::TimeDelta;

use crate::support::wire::CountingProxy;
use crate::support::{TestApp, TestDatabase, seed};

/// Alerts due in so many minutes each, under keys that say so.
fn in_minutes(app: &TestApp, minutes: &[i64]) -> Vec<mendline::alerts::queue::Owed> {
    let owed = |m: &i64| seed::owed(app, &format!("m:{m:02}"), TimeDelta::minutes(*m), TimeDelta::hours(1));
    minutes.iter().map(owed).collect()
}

/// Returns once so many pushes have arrived.
async fn arrived(app: &TestApp, pushes: usize) {
    while app.fcm.sent().len() < pushes {
        tokio::task::yield_now().await;
    }
}

/// A person with a phone, and a worker that knows when their alerts are due, since it has sent the first of them.
async fn one_sent(app: &TestApp, minutes: &[i64]) -> seed::Person {
    let person = seed::person(app).await;
    seed::phone(app, person).await;
    seed::plan(app, person, &in_minutes(app, minutes)).await;
    person
}

#[tokio::test]
async fn what_the_worker_knows_to_be_due_soon_is_not_touched_before_its_moment() {
    let app = TestApp::start_stepped(&[]).await;
    one_sent(&app, &[0, 10, 20]).await;
    let story = async {
        let mut seen = Vec::new();
        for step in [TimeDelta::zero(), TimeDelta::seconds(599), TimeDelta::seconds(1)] {
            app.pass(step);
            seed::wait_for(&app, if step == TimeDelta::seconds(1) { "m:10" } else { "m:00" }, "sent").await;
            seen.push(seed::alerts(&app).await.iter().map(|row| row.claim_no).collect::<Vec<_>>());
        }
        seen
    };
    assert_eq!(app.beside(story).await, [[1, 0, 0], [1, 0, 0], [1, 1, 0]]);
}

#[tokio::test]
async fn a_change_that_is_committed_before_the_due_moment_wins_over_what_the_worker_knew() {
    let app = TestApp::start_stepped(&[]).await;
    let person = one_sent(&app, &[0, 10, 11, 12, 13]).await;
    let start = app.care.now();
    let story = async {
        seed::wait_for(&app, "m:00", "sent").await;
        // m:10 leaves the plan, m:11 is moved past m:13, m:12 is moved forward.
        let mut owed = in_minutes(&app, &[0, 11, 12, 13]);
        owed[1].due_at = start + TimeDelta::minutes(30);
        owed[2].due_at = start + TimeDelta::minutes(5);
        for alert in &mut owed {
            alert.expires_at = alert.due_at + TimeDelta::hours(1);
        }
        seed::plan(&app, person, &owed).await;
        app.pass(TimeDelta::minutes(6));
        seed::wait_for(&app, "m:12", "sent").await;
        app.pass(TimeDelta::minutes(7));
        seed::wait_for(&app, "m:13", "sent").await;
        let rows = seed::alerts(&app).await.into_iter();
        rows.map(|row| (row.dedupe_key, (row.state, row.claim_no))).collect::<BTreeMap<_, _>>()
    };
    let rows = app.beside(story).await;
    let found = |key: &str| (rows[key].0.as_str(), rows[key].1);
    assert_eq!((found("m:10"), found("m:11")), (("cancelled", 0), ("scheduled", 0)));
    assert_eq!((found("m:12"), found("m:13")), (("sent", 1), ("sent", 1)));
    assert_eq!(app.fcm.sent().len(), 3);
}

#[tokio::test]
async fn a_device_removed_and_a_person_unlinked_before_the_due_moment_get_nothing() {
    let app = TestApp::start_stepped(&[]).await;
    one_sent(&app, &[0, 10]).await;
    let story = async {
        seed::wait_for(&app, "m:00", "sent").await;
        seed::run(&app, async |conn| {
            use diesel_async::SimpleAsyncConnection as _;
            conn.batch_execute("DELETE FROM devices").await
        })
        .await;
        app.pass(TimeDelta::minutes(10));
        seed::wait_for(&app, "m:10", "no_device").await;
    };
    app.beside(story).await;
    assert_eq!(app.fcm.sent().len(), 1);
}

#[tokio::test]
async fn an_alert_costs_two_round_trips_to_claim_four_to_settle_and_no_statement_is_prepared_twice() {
    let database = TestDatabase::create().await;
    let proxy = CountingProxy::before(&database.url);
    // Looks at the queue would count as well.
    let app = TestApp::start_at(database, &proxy.url, &[("MENDLINE_POLL_SECONDS", "600")]).await;
    let minutes: Vec<i64> = (0..30).collect();
    one_sent(&app, &minutes).await;
    let story = async {
        let mut costs = Vec::new();
        for sent in 1..=30 {
            arrived(&app, sent).await;
            settled(&app, sent).await;
            costs.push((proxy.counts.round_trips(), proxy.counts.parses.load(Ordering::SeqCst)));
            proxy.counts.reset();
            app.pass(TimeDelta::minutes(1));
        }
        costs
    };
    let costs = app.beside(story).await;
    // The first one prepares; now and then something else of the server's falls between two.
    let usual = costs.iter().filter(|cost| **cost == (6, 0)).count();
    assert!(usual * 2 > costs.len(), "{costs:?}");
}

/// Returns once so many alerts have been settled as sent.
async fn settled(app: &TestApp, alerts: usize) {
    let label = mendline::telemetry::StateLabel { state: "sent" };
    while app.state.metrics.settled.get_or_create(&label).get() < alerts as u64 {
        tokio::task::yield_now().await;
    }
}
