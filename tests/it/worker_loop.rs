//! The running worker: what it notices while all its slots are busy, when its session is lost, and when what is due is in
//! somebody else's hands.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::alerts::queue;
use mendline::db::Connector;
use mendline::worker::Worker;
use tokio_util::sync::CancellationToken;

use crate::support::wire::CountingProxy;
use crate::support::{Service, TestApp, TestDatabase, seed};

/// A worker number that no living worker has.
const GONE: i32 = 7;
/// Less than a provider may take to answer, by far.
const SOON: Duration = Duration::from_secs(8);

/// An app whose worker sends one alert at a time and waits a second for it at the end, and a person whose device hangs.
async fn one_slot(service: &Service) -> (TestApp, seed::Person) {
    let settings = [
        ("MENDLINE_PUSH_ALLOWED_HOSTS", service.host.as_str()),
        ("MENDLINE_WORKER_CONCURRENCY", "1"),
        ("MENDLINE_SHUTDOWN_SECONDS", "1"),
    ];
    let app = TestApp::start_with(&settings).await;
    let person = seed::person(&app).await;
    service.subscribe(&app, person).await;
    (app, person)
}

/// Ends the session that holds the worker's lock.
async fn end_the_workers_session(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    let kill = "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    conn.batch_execute(kill).await
}

/// Returns once a worker has taken alerts and waits for leave to read their devices. Postgres shows how a statement begins
/// and not how it goes on.
async fn the_claim_waits_for_devices(app: &TestApp) {
    let waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                   AND query LIKE '%SELECT c.position::int, d.id, d.provider%'";
    while seed::run(app, async |conn| diesel::sql_query(waiting).execute(conn).await).await == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_worker_whose_slots_are_all_busy_still_rescues_and_still_stops() {
    let service = Service::open().await;
    let (app, person) = one_slot(&service).await;
    let (stop, worker) = (CancellationToken::new(), Worker::new(app.worker_parts()));
    let story = async {
        seed::due_now(&app, person, "m:hangs").await;
        let held = service.next().await;
        let other = seed::person(&app).await;
        seed::due_now(&app, other, "m:orphan").await;
        let now = app.care.now();
        seed::run(&app, async |conn| queue::claim_due(conn, now, 10, GONE, 3600).await).await;
        assert_eq!(seed::state(&app, "m:orphan").await, "sending");
        seed::wait_for(&app, "m:orphan", "scheduled").await;
        stop.cancel();
        held
    };
    let both = async { tokio::join!(worker.run(stop.clone()), story) };
    let (ended, held) = tokio::time::timeout(SOON, both).await.expect("nobody waits for the provider");
    ended.unwrap();
    drop(held);
    service.well(app.drain_worker()).await;
    assert_eq!(seed::state(&app, "m:hangs").await, "sent");
}

#[tokio::test]
async fn a_worker_that_loses_its_session_with_a_send_in_flight_registers_anew_and_sends_it_again() {
    let service = Service::open().await;
    let (app, person) = one_slot(&service).await;
    let (stop, worker) = (CancellationToken::new(), Worker::new(app.worker_parts()));
    let story = async {
        seed::due_now(&app, person, "m:a").await;
        let held = service.next().await;
        seed::run(&app, end_the_workers_session).await;
        // Nobody answered the first one: the claim was dropped, and rescued under a new number.
        service.next().await.accept().await;
        seed::wait_for(&app, "m:a", "sent").await;
        stop.cancel();
        held
    };
    let both = async { tokio::join!(worker.run(stop.clone()), story) };
    let (ended, _held) = tokio::time::timeout(SOON, both).await.expect("nobody waits for the provider");
    ended.unwrap();
    let topics = service.topics();
    assert_eq!((topics.len(), &topics[0]), (2, &topics[1]), "a phone that got both shows one");
    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.claim_no, row.tries), (2, 2), "the first may have reached the phone, so it counts");
    assert_eq!(app.state.metrics.in_flight.get(), 0, "not even what was given up");
}

#[tokio::test]
async fn what_was_claimed_but_not_begun_when_the_session_was_lost_costs_no_try() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let (stop, worker) = (CancellationToken::new(), Worker::new(app.worker_parts()));
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let story = async {
        // The claim waits halfway, with the alerts taken and their devices not yet read.
        conn.batch_execute("BEGIN; LOCK TABLE devices IN ACCESS EXCLUSIVE MODE").await.unwrap();
        seed::due_now(&app, person, "m:a").await;
        the_claim_waits_for_devices(&app).await;
        seed::run(&app, end_the_workers_session).await;
        conn.batch_execute("COMMIT").await.unwrap();
        seed::wait_for(&app, "m:a", "sent").await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker.run(stop.clone()), story);
    ended.unwrap();
    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.claim_no, row.tries, app.fcm.sent().len()), (2, 1, 1));
}

#[tokio::test]
async fn what_is_due_but_in_other_hands_does_not_make_the_worker_spin() {
    let database = TestDatabase::create().await;
    let proxy = CountingProxy::before(&database.url);
    let app = TestApp::start_at(database.clone(), &proxy.url, &[]).await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::plan(&app, person, &[seed::owed(&app, "m:a", TimeDelta::zero(), TimeDelta::hours(1))]).await;
    let mut conn = Connector::new(&database.url, None).unwrap().open().await.unwrap();
    conn.batch_execute("BEGIN; SELECT 1 FROM alerts FOR UPDATE").await.unwrap();

    let (stop, worker) = (CancellationToken::new(), Worker::new(app.worker_parts()));
    let story = async {
        // A look at the queue costs six round trips. What a worker does when it starts is over soon, and then twenty looks take
        // their time; to one that spins they never do.
        loop {
            let (seen, started) = (proxy.counts.round_trips(), Instant::now());
            assert!(seen < 3_000, "it does not come to rest");
            while proxy.counts.round_trips() < seen + 120 {
                tokio::task::yield_now().await;
            }
            if started.elapsed() > Duration::from_millis(500) {
                break;
            }
        }
        conn.batch_execute("COMMIT").await.unwrap();
        seed::wait_for(&app, "m:a", "sent").await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(worker.run(stop.clone()), story);
    ended.unwrap();
}
