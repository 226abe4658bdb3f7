//! The queue's entries: one for each moment at which an alert is to be tried; those whose alert has moved on mean nothing,
//! and go.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mendline::alerts::queue::{self, Look};
use mendline::db::Connector;
use mendline::schema::alert_queue;

use crate::support::{TestApp, seed};

const WORKER: i32 = 11;

/// The moments of all entries, the earliest first.
async fn entries(app: &TestApp) -> Vec<DateTime<Utc>> {
    let moments = alert_queue::table.select(alert_queue::at).order((alert_queue::at, alert_queue::id));
    seed::run(app, async |conn| moments.load(conn).await).await
}

/// How many alerts a claim of at most `limit` takes.
async fn claim(app: &TestApp, limit: usize) -> usize {
    let now = app.care.now();
    seed::run(app, async |conn| queue::claim_due(conn, now, limit, WORKER, 60).await).await.len()
}

async fn look(app: &TestApp) -> Look {
    let now = app.care.now();
    seed::run(app, async |conn| queue::look(conn, now).await).await
}

/// A patient with a phone, and alerts that are due in so many minutes.
async fn app_with(keys: &[(&str, i64)]) -> (TestApp, seed::Person) {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    replan(&app, person, keys).await;
    (app, person)
}

async fn replan(app: &TestApp, person: seed::Person, keys: &[(&str, i64)]) {
    let owed: Vec<_> =
        keys.iter().map(|(key, due)| seed::owed(app, key, TimeDelta::minutes(*due), TimeDelta::hours(9))).collect();
    seed::plan(app, person, &owed).await;
}

#[tokio::test]
async fn an_alert_that_is_planned_has_an_entry_and_a_claimed_one_has_none() {
    let (app, _) = app_with(&[("m:now", 0), ("m:later", 5)]).await;
    let now = app.care.now();
    assert_eq!(entries(&app).await, [now, now + TimeDelta::minutes(5)]);
    app.drain_worker().await;
    assert_eq!(entries(&app).await, [now + TimeDelta::minutes(5)]);
}

#[tokio::test]
async fn an_entry_of_an_alert_that_moved_is_not_claimed_and_is_swept_when_its_moment_has_come() {
    let (app, person) = app_with(&[("m:moved", 1), ("m:gone", 2)]).await;
    let now = app.care.now();
    replan(&app, person, &[("m:moved", 30)]).await;
    let [first, second, third] = [1, 2, 30].map(|minutes| now + TimeDelta::minutes(minutes));
    assert_eq!(entries(&app).await, [first, second, third], "whoever replans leaves old entries alone");
    assert_eq!(look(&app).await.upcoming, [first, second, third]);
    let next = seed::run(&app, queue::next_due).await;
    assert_eq!(next, Some(third), "entries that mean nothing are not due");

    app.care.advance(TimeDelta::minutes(3));
    let due = app.care.now();
    assert_eq!(seed::run(&app, async |conn| queue::queue_depth(conn, due).await).await, (0, None));
    assert_eq!(claim(&app, 10).await, 0);
    assert_eq!(look(&app).await, Look { upcoming: vec![third], ..Look::default() });
    assert_eq!(entries(&app).await, [third]);
}

#[tokio::test]
async fn two_entries_of_one_alert_are_one_claim() {
    let (app, person) = app_with(&[("m:a", 1)]).await;
    replan(&app, person, &[]).await;
    replan(&app, person, &[("m:a", 1)]).await;
    app.care.advance(TimeDelta::minutes(1));
    let due = app.care.now();
    assert_eq!(entries(&app).await, [due, due]);
    assert_eq!(seed::run(&app, async |conn| queue::queue_depth(conn, due).await).await, (1, Some(due)));
    let round = app.drain_worker().await;
    assert_eq!((round.claimed, entries(&app).await.len()), (1, 0));
}

#[tokio::test]
async fn a_claim_steps_over_what_is_locked_and_over_what_means_nothing() {
    let (app, person) = app_with(&[("m:gone", 0), ("m:locked", 1), ("m:free", 2)]).await;
    replan(&app, person, &[("m:locked", 1), ("m:free", 2)]).await;
    app.care.advance(TimeDelta::minutes(2));

    let mut other = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let lock = "BEGIN; SELECT FROM alerts WHERE dedupe_key = 'm:locked' FOR UPDATE";
    other.batch_execute(lock).await.unwrap();
    assert_eq!(claim(&app, 1).await, 1);
    assert_eq!(seed::state(&app, "m:free").await, "sending");
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(claim(&app, 1).await, 1, "its entry is still there");
    // Nobody holds this worker's place: a look puts both back.
    app.drain_worker().await;
    assert!(entries(&app).await.is_empty());
}

#[tokio::test]
async fn a_look_says_when_there_may_be_more_to_sweep() {
    let app = TestApp::start().await;
    let litter = "INSERT INTO alert_queue (at, clinic_id, alert_id)
                  SELECT '2020-01-01', gen_random_uuid(), gen_random_uuid() FROM generate_series(1, 2400)";
    seed::run(&app, async |conn| conn.batch_execute(litter).await).await;
    assert!(look(&app).await.is_littered);
    assert!(look(&app).await.is_littered);
    let last = look(&app).await;
    assert_eq!((last.is_littered, last.upcoming, entries(&app).await.len()), (false, vec![], 0));
}

#[tokio::test]
async fn what_the_queue_lost_is_put_back_once_it_is_overdue() {
    let (app, _) = app_with(&[("m:lost", 0), ("m:kept", 0), ("m:later", 60)]).await;
    let later = app.care.now() + TimeDelta::minutes(60);
    let lose = "DELETE FROM alert_queue WHERE alert_id IN (SELECT id FROM alerts WHERE dedupe_key = 'm:lost')";
    seed::run(&app, async |conn| conn.batch_execute(lose).await).await;
    app.drain_worker().await;
    assert_eq!((seed::state(&app, "m:lost").await, entries(&app).await), ("scheduled".to_owned(), vec![later]));

    app.care.advance(TimeDelta::minutes(6));
    let now = app.care.now();
    assert_eq!(seed::run(&app, async |conn| queue::count_lost(conn, now).await).await, 1);
    assert_eq!(seed::run(&app, async |conn| queue::restore_lost(conn, now).await).await, 1);
    assert_eq!(seed::run(&app, async |conn| queue::count_lost(conn, now).await).await, 0);
    app.drain_worker().await;
    assert_eq!((seed::state(&app, "m:lost").await, entries(&app).await), ("sent".to_owned(), vec![later]));
}

#[tokio::test]
async fn a_sweep_finds_what_means_nothing_and_copies_whenever_they_are_due() {
    let (app, person) = app_with(&[("m:a", 60), ("m:b", 60), ("m:gone", 90)]).await;
    // There and back again.
    replan(&app, person, &[("m:a", 70), ("m:b", 60)]).await;
    replan(&app, person, &[("m:a", 60), ("m:b", 60)]).await;
    let at = app.care.now() + TimeDelta::minutes(60);
    assert_eq!(entries(&app).await.len(), 5);
    let swept = seed::run(&app, async |conn| queue::sweep_page(conn, None).await).await;
    assert_eq!((swept, entries(&app).await), ((3, None), vec![at, at]));
    app.care.advance(TimeDelta::minutes(60));
    assert_eq!(app.drain_worker().await.claimed, 2);
}

#[tokio::test]
async fn a_claim_counts_the_entries_that_it_went_by() {
    let (app, person) = app_with(&[("m:a", 1)]).await;
    replan(&app, person, &[]).await;
    replan(&app, person, &[("m:a", 1)]).await;
    app.care.advance(TimeDelta::minutes(1));
    let now = app.care.now();
    let claimed = seed::run(&app, async |conn| queue::claim_due(conn, now, 10, WORKER, 60).await).await;
    assert_eq!((claimed.len(), claimed.entries()), (1, 2));
    app.drain_worker().await;
}
