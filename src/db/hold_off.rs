//! Holding everybody off: nobody gets a connection while a restore is followed up, neither who starts nor who comes back. Whoever
//! follows it up holds a lock; everybody who connects asks for a share of it, and has it for that moment.

use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

/// The advisory lock.
const LOCK: &str = "hashtextextended('mendline after-restore', 0)";

/// Holds everybody off who connects from now on, until the transaction ends; who is there already stays. Waits for whoever does
/// the same.
pub async fn hold_off(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    conn.batch_execute(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await
}

/// What every connection runs first: it fails while everybody is held off.
pub(super) fn ask() -> String {
    format!(
        "DO $$ BEGIN
             IF NOT pg_try_advisory_xact_lock_shared({LOCK}) THEN
                 RAISE EXCEPTION 'a restore is being followed up (mendline admin after-restore): start again once that has ended'
                     USING ERRCODE = 'cannot_connect_now';
             END IF;
         END $$"
    )
}
