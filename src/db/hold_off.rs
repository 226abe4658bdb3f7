//! Holding everybody off: nobody gets a connection while a restore is followed up, neither who starts nor who comes back. Whoever
//! follows it up holds a lock; everybody who connects asks for a share of it, and has it for that moment.

use diesel::QueryResult;
use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

/// The advisory lock.
const LOCK: &str = "hashtextextended('mendline after-restore', 0)";
/// The one that nobody asks for but those who hold off.
const ONE: &str = "hashtextextended('mendline after-restore, one at a time', 0)";

/// Holds everybody off who connects from now on, until the transaction ends; who is there already stays. Waits for those who
/// connect at this moment, and for nobody else: `false` if somebody is holding off already.
pub async fn hold_off(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    let first = sql::<Bool>(&format!("pg_try_advisory_xact_lock({ONE})"));
    if !diesel::select(first).get_result::<bool>(conn).await? {
        return Ok(false);
    }
    conn.batch_execute(&format!("SELECT pg_advisory_xact_lock({LOCK})")).await?;
    Ok(true)
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
