//! What is asked for every alert finds its rows by an index, for the server's own roles behind their policies: a condition
//! that Postgres takes for leaky is asked after the policy's, of every row there is, and delivery comes to a standstill
//! without any error.

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::alerts::queue::{self, Batch};
use mendline::alerts::store::{self, Reader};
use mendline::db::{DbError, Scope};
use mendline::domain::alert::Decision;
use mendline::domain::role::Role;
use uuid::Uuid;

use crate::support::{TestApp, seed};

/// Read whole on purpose: a row for each claim that somebody still holds.
const SMALL: [&str; 1] = ["claims"];

#[derive(QueryableByName)]
struct Table {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Whoever has an index to ask, asks it, however small the table of a test.
async fn ask_indexes(conn: &mut AsyncPgConnection) {
    conn.batch_execute("SET LOCAL enable_seqscan = off; SET LOCAL jit = off").await.unwrap();
}

/// Tables that this transaction has read whole.
async fn read_whole(conn: &mut AsyncPgConnection) -> Vec<String> {
    let sql = "SELECT relname::text AS name FROM pg_stat_xact_user_tables WHERE seq_scan > 0 ORDER BY 1";
    let tables: Vec<Table> = diesel::sql_query(sql).load(conn).await.unwrap();
    tables.into_iter().map(|table| table.name).filter(|name| !SMALL.contains(&name.as_str())).collect()
}

/// Owes somebody all of this now.
async fn owe(app: &TestApp, person: seed::Person, keys: &[&str]) {
    let owed: Vec<_> =
        keys.iter().map(|key| seed::owed(app, key, TimeDelta::seconds(1), TimeDelta::hours(1))).collect();
    seed::plan(app, person, &owed).await;
    app.pass(TimeDelta::seconds(2));
}

#[tokio::test]
async fn a_delivery_reads_no_table_whole() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    owe(&app, person, &["m:a", "m:b", "m:c"]).await;
    let now = app.care.now();
    let deliver = async |conn: &mut AsyncPgConnection| {
        ask_indexes(conn).await;
        let claims = queue::claim_due(conn, now, 10, 7, 30).await?.claims;
        assert_eq!(claims.len(), 3);
        assert_eq!(store::list_devices(conn, &claims, now).await?.len(), 3);
        let settlements = claims.iter().map(|claim| claim.settled(Decision::Sent, now, None)).collect();
        let batch = Batch { settlements, over: vec![claims[0].claim_id], ..Batch::default() };
        assert_eq!(queue::settle(conn, &batch).await?.len(), 3);
        queue::look(conn, now).await?;
        Ok::<_, DbError>(read_whole(conn).await)
    };
    let whole = app.state.worker_db.scoped(Scope::System, deliver).await.unwrap();
    assert!(whole.is_empty(), "read whole for one delivery: {whole:?}");
}

#[tokio::test]
async fn an_inbox_reads_no_table_whole() {
    let app = TestApp::start().await;
    let clinic_id = app.stage_clinic().await;
    let caller = app.stage(clinic_id, Role::Patient).await.caller;
    let person = seed::Person { clinic_id, patient_id: caller.patient_id.unwrap(), user_id: caller.user_id };
    owe(&app, person, &["m:a"]).await;
    let now = app.care.now();
    let reader = Reader {
        clinic_id,
        user_id: caller.user_id,
        membership_id: caller.membership_id,
        patient_id: caller.patient_id,
    };
    let read = async |conn: &mut AsyncPgConnection| {
        ask_indexes(conn).await;
        let page = store::list_inbox(conn, reader, now, None, 50).await?;
        let told: Vec<Uuid> = page.iter().map(|row| row.id).collect();
        store::list_told_with(conn, reader, told).await?;
        store::list_ahead(conn, reader, now, now + TimeDelta::days(1), 50).await?;
        Ok::<_, DbError>((page.len(), read_whole(conn).await))
    };
    let (rows, whole) = app.state.db.scoped(Scope::Clinic(clinic_id), read).await.unwrap();
    assert_eq!(rows, 1);
    assert!(whole.is_empty(), "read whole for an inbox: {whole:?}");
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
