//! What is asked for every alert finds its rows by an index, for the server's own roles behind their policies: a condition
//! that Postgres takes for leaky is asked after the policy's, of every row there is, and delivery comes to a standstill
//! without any error.

use std::collections::{BTreeSet, HashMap};

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types::{Int8, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::alerts::queue::{self, Batch};
use mendline::alerts::store::{self, Reader};
use mendline::db::{DbError, Scope};
use mendline::domain::alert::Decision;
use mendline::domain::role::Role;
use uuid::Uuid;

use crate::support::{TestApp, seed};

/// How many others there are, each with a phone and an alert of tomorrow.
const OTHERS: usize = 40;
/// More rows of one table are not read for three alerts.
const FEW: i64 = 20;
/// Read on purpose: what is due next, of everybody.
const AHEAD: [&str; 1] = ["alert_queue"];

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Int8)]
    rows: i64,
}

async fn others(app: &TestApp) {
    for _ in 0..OTHERS {
        let person = seed::person(app).await;
        seed::phone(app, person).await;
        seed::plan(app, person, &[seed::owed(app, "m:a", TimeDelta::days(1), TimeDelta::hours(1))]).await;
    }
}

/// How many rows of each table this connection has read.
async fn rows_read(conn: &mut AsyncPgConnection) -> HashMap<String, i64> {
    let sql =
        "SELECT relname::text AS name, seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_xact_user_tables";
    let tables: Vec<Table> = diesel::sql_query(sql).load(conn).await.unwrap();
    tables.into_iter().map(|table| (table.name, table.rows)).collect()
}

/// Tables of which `work` reads more than a few rows. Whoever has an index to ask, asks it, however small a test's tables.
async fn read_through(
    conn: &mut AsyncPgConnection,
    work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<(), DbError>,
) -> Result<BTreeSet<String>, DbError> {
    conn.batch_execute("SET LOCAL enable_seqscan = off; SET LOCAL jit = off").await?;
    let before = rows_read(conn).await;
    work(conn).await?;
    let more = |(name, rows): &(String, i64)| rows - before.get(name).unwrap_or(&0) > FEW && !AHEAD.contains(&&**name);
    Ok(rows_read(conn).await.into_iter().filter(more).map(|(name, _)| name).collect())
}

/// Owes somebody all of this now.
async fn owe(app: &TestApp, person: seed::Person, keys: &[&str]) {
    let owed: Vec<_> =
        keys.iter().map(|key| seed::owed(app, key, TimeDelta::seconds(1), TimeDelta::hours(1))).collect();
    seed::plan(app, person, &owed).await;
    app.pass(TimeDelta::seconds(2));
}

#[tokio::test]
async fn a_delivery_reads_no_table_through() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    others(&app).await;
    owe(&app, person, &["m:a", "m:b", "m:c"]).await;
    let now = app.care.now();
    let deliver = async |conn: &mut AsyncPgConnection| {
        let claims = queue::claim_due(conn, now, 10, 7, 30).await?.claims;
        assert_eq!(claims.len(), 3);
        assert_eq!(store::list_devices(conn, &claims, now).await?.len(), 3);
        let settlements = claims.iter().map(|claim| claim.settled(Decision::Sent, now, None)).collect();
        let batch = Batch { settlements, over: vec![claims[0].claim_id], ..Batch::default() };
        assert_eq!(queue::settle(conn, &batch).await?.len(), 3);
        queue::look(conn, now).await?;
        Ok(())
    };
    let read = async |conn: &mut AsyncPgConnection| read_through(conn, deliver).await;
    let through = app.state.worker_db.scoped(Scope::System, read).await.unwrap();
    assert!(through.is_empty(), "read through for three alerts: {through:?}");
}

#[tokio::test]
async fn an_inbox_reads_no_table_through() {
    let app = TestApp::start().await;
    let clinic_id = app.stage_clinic().await;
    let caller = app.stage(clinic_id, Role::Patient).await.caller;
    let person = seed::Person { clinic_id, patient_id: caller.patient_id.unwrap(), user_id: caller.user_id };
    others(&app).await;
    owe(&app, person, &["m:a"]).await;
    let now = app.care.now();
    let reader = Reader {
        clinic_id,
        user_id: caller.user_id,
        membership_id: caller.membership_id,
        patient_id: caller.patient_id,
    };
    let pages = async |conn: &mut AsyncPgConnection| {
        let page = store::list_inbox(conn, reader, now, None, 50).await?;
        let told: Vec<Uuid> = page.iter().map(|row| row.id).collect();
        store::list_told_with(conn, reader, told).await?;
        store::list_ahead(conn, reader, now, now + TimeDelta::days(1), 50).await?;
        assert_eq!(page.len(), 1);
        Ok(())
    };
    let read = async |conn: &mut AsyncPgConnection| read_through(conn, pages).await;
    let through = app.state.db.scoped(Scope::Clinic(clinic_id), read).await.unwrap();
    assert!(through.is_empty(), "read through for an inbox: {through:?}");
}

#[tokio::test]
async fn what_was_changed_while_it_was_sent_is_settled_all_the_same() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    owe(&app, person, &["m:a", "m:b"]).await;
    let now = app.care.now();
    let claims = seed::run(&app, async |conn| Ok(queue::claim_due(conn, now, 10, 7, 30).await?.claims)).await;
    // One row moves to another place, as a replan would have it.
    let touch = format!("UPDATE alerts SET reason = 'expires_later' WHERE id = '{}'", claims[0].id);
    seed::run(&app, async |conn| conn.batch_execute(&touch).await).await;
    let settlements = claims.iter().map(|claim| claim.settled(Decision::Sent, now, None)).collect();
    let batch = Batch { settlements, over: vec![claims[0].claim_id], ..Batch::default() };
    let settled = seed::run(&app, async |conn| queue::settle(conn, &batch).await).await;
    assert_eq!(settled.len(), 2);
    let states: Vec<String> = seed::alerts(&app).await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["sent", "sent"]);
    // Said again, after nobody heard whether it was written, it changes nothing.
    let again = Batch { again: true, ..batch };
    assert_eq!(seed::run(&app, async |conn| queue::settle(conn, &again).await).await.len(), 0);
}
