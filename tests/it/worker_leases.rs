//! What a claim leaves behind: one row that says what it took, until it can hold nothing any more; and no trace in any
//! index.

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types::{Int8, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::alerts::queue::{self, Look};
use mendline::db::Connector;

use mendline::worker::Worker;
use tokio_util::sync::CancellationToken;

use crate::support::{TestApp, seed};

/// A worker that lives as long as the connection of [`place`] does.
const LIVING: i32 = 11;

/// The place of [`LIVING`] among the workers.
async fn place(app: &TestApp) -> AsyncPgConnection {
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    assert!(queue::register_worker(&mut conn, LIVING).await.unwrap());
    conn
}

async fn claim(app: &TestApp, lease_seconds: i32) -> Vec<queue::Claim> {
    let now = app.care.now();
    seed::run(app, async |conn| Ok(queue::claim_due(conn, now, 10, LIVING, lease_seconds).await?.claims)).await
}

async fn look(app: &TestApp) -> Look {
    let now = app.care.now();
    seed::run(app, async |conn| queue::look(conn, now).await).await
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = Int8)]
    count: i64,
}

/// How many claims are written down.
async fn noted(app: &TestApp) -> i64 {
    let count = "SELECT count(*) FROM claims";
    let row: Count = seed::run(app, async |conn| diesel::sql_query(count).get_result(conn).await).await;
    row.count
}

async fn end_leases(app: &TestApp) {
    let over = "UPDATE claims SET lease_until = clock_timestamp() - interval '1 second'";
    seed::run(app, async |conn| conn.batch_execute(over).await).await;
}

/// One alert that is due, to one phone.
async fn app_with_a_due_alert() -> TestApp {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    app
}

#[tokio::test]
async fn a_living_workers_claim_is_put_back_when_its_lease_is_over_and_not_before() {
    let app = app_with_a_due_alert().await;
    let _place = place(&app).await;
    assert_eq!(claim(&app, 3600).await.len(), 1);
    assert_eq!((look(&app).await.rescued, noted(&app).await), (0, 1));
    assert_eq!(seed::state(&app, "m:a").await, "sending");

    end_leases(&app).await;
    assert_eq!((look(&app).await.rescued, noted(&app).await), (1, 0));
    assert_eq!(seed::state(&app, "m:a").await, "scheduled");
}

#[tokio::test]
async fn an_old_claim_that_ends_leaves_the_same_workers_newer_claim_of_the_same_alert_alone() {
    let app = app_with_a_due_alert().await;
    let _place = place(&app).await;
    let first = claim(&app, 3600).await;
    let now = app.care.now();
    seed::run(&app, async |conn| queue::release(conn, &first, Vec::new(), now).await).await;
    end_leases(&app).await;
    assert_eq!(claim(&app, 3600).await.len(), 1);

    assert_eq!((look(&app).await.rescued, noted(&app).await), (0, 1));
    assert_eq!(seed::state(&app, "m:a").await, "sending");
    end_leases(&app).await;
    assert_eq!((look(&app).await.rescued, noted(&app).await), (1, 0));
}

#[tokio::test]
async fn a_claim_is_forgotten_with_the_last_of_its_alerts() {
    let app = app_with_a_due_alert().await;
    app.drain_worker().await;
    assert_eq!((seed::state(&app, "m:a").await.as_str(), noted(&app).await), ("sent", 0));
}

#[tokio::test]
async fn a_claim_of_which_nothing_can_be_sent_is_forgotten_at_once() {
    let app = app_with_a_due_alert().await;
    app.care.advance(TimeDelta::days(2));
    assert_eq!((claim(&app, 3600).await.len(), noted(&app).await), (0, 0));
    assert_eq!(seed::state(&app, "m:a").await, "expired");
}

#[tokio::test]
async fn a_running_worker_leaves_no_claim_behind() {
    let app = app_with_a_due_alert().await;
    let worker = Worker::new(app.worker_parts());
    let stop = CancellationToken::new();
    let ended = stop.clone();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let running = tokio::spawn(async move { worker.run(ended).await });
    seed::wait_for(&app, "m:a", "sent").await;
    assert_eq!(noted(&app).await, 0, "it is forgotten by the transaction that settles");
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_locked_is_rescued_by_a_later_look_and_holds_nobody_up() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let owed = ["m:a", "m:b"].map(|key| seed::owed(&app, key, TimeDelta::zero(), TimeDelta::hours(1)));
    seed::plan(&app, person, &owed).await;
    // Nobody holds this worker's place.
    assert_eq!(claim(&app, 3600).await.len(), 2);

    let mut other = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let lock = "BEGIN; SELECT 1 FROM alerts WHERE dedupe_key = 'm:a' FOR UPDATE";
    other.batch_execute(lock).await.unwrap();
    assert_eq!((look(&app).await.rescued, noted(&app).await), (1, 1));
    assert_eq!(seed::state(&app, "m:b").await, "scheduled");
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!((look(&app).await.rescued, noted(&app).await), (1, 0));
    assert_eq!(seed::state(&app, "m:a").await, "scheduled");
}

#[tokio::test]
async fn a_claim_that_takes_nothing_notes_nothing() {
    let app = app_with_a_due_alert().await;
    app.care.advance(TimeDelta::minutes(-1));
    assert_eq!((claim(&app, 3600).await.len(), noted(&app).await), (0, 0));
}

#[derive(QueryableByName)]
struct Known {
    #[diesel(sql_type = Text)]
    line: String,
}

#[tokio::test]
async fn no_index_knows_a_column_that_a_claim_or_a_delivery_changes() {
    let app = TestApp::start().await;
    // As a key, in an expression or in a condition.
    let known = "SELECT format('%s: %s', i.indexrelid::regclass, a.attname) AS line
                   FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid
                  WHERE i.indrelid = 'alerts'::regclass
                    AND a.attname IN ('state', 'reason', 'next_attempt_at', 'superseded', 'claim_no', 'tries', 'claimed_by',
                        'sent_at', 'finalized_at')
                    AND (a.attnum = ANY (i.indkey) OR EXISTS (
                        SELECT FROM pg_depend AS d WHERE d.objid = i.indexrelid AND d.refobjid = i.indrelid
                           AND d.refobjsubid = a.attnum))";
    let known: Vec<Known> = seed::run(&app, async |conn| diesel::sql_query(known).load(conn).await).await;
    let known: Vec<String> = known.into_iter().map(|known| known.line).collect();
    assert!(known.is_empty(), "claims and settles would have to write into these indexes: {known:?}");
}
