//! Erasing what is past its retention: whole months where that is possible, a batch at a time otherwise, so that nobody
//! waits long for a row or a lock. Erasing is no change of state.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Date, Int4, Int8, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::db::hot::{counted, hot_query};

/// The most rows that one transaction erases.
pub const BATCH: i64 = 5_000;

hot_query! {
    struct DropMonths { before: NaiveDate as Date }
    returns Int4;
    "SELECT drop_month_partitions('attempts', $1)"
}

/// Drops the months of attempts that were over before a date, without touching a row; returns how many. Whoever drops a
/// month waits for nobody longer than half a second, and nobody waits longer for them.
pub async fn drop_attempts(conn: &mut AsyncPgConnection, before: NaiveDate) -> QueryResult<usize> {
    conn.batch_execute("SET LOCAL lock_timeout = 500").await?;
    let dropped: i32 = DropMonths { before }.get_result(conn).await?;
    Ok(usize::try_from(dropped).unwrap_or(0))
}

hot_query! {
    struct PruneAttempts {
        before: DateTime<Utc> as Timestamptz,
        limit: i64 as Int8,
    }
    returns Int8;
    ", doomed AS MATERIALIZED (
        SELECT clinic_id, alert_id, device_id, claim_no, at FROM attempts WHERE at < $1 LIMIT $2
    ), gone AS (
        DELETE FROM attempts AS t USING doomed AS d
         WHERE t.clinic_id = d.clinic_id AND t.alert_id = d.alert_id AND t.device_id = d.device_id
           AND t.claim_no = d.claim_no AND t.at = d.at AND t.at < $1
        RETURNING 1
    )
    SELECT count(*) FROM gone"
}

/// Forgets a batch of attempts older than `before`; returns how many.
pub async fn prune_attempts(conn: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    counted(PruneAttempts { before, limit: BATCH }, conn).await
}

hot_query! {
    /// Clinic by clinic, as the index goes. Rows that somebody holds are left for later.
    struct PruneAlerts {
        before: DateTime<Utc> as Timestamptz,
        limit: i64 as Int8,
    }
    returns Int8;
    ", doomed AS MATERIALIZED (
        SELECT old.clinic_id, old.id FROM clinics AS c
         CROSS JOIN LATERAL (
               SELECT clinic_id, id FROM alerts
                WHERE clinic_id = c.id AND finalized_at IS NOT NULL AND due_at < $1 AND finalized_at < $1
                ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS old
         LIMIT $2
    ), gone AS (
        DELETE FROM alerts AS a USING doomed AS d
         WHERE a.clinic_id = d.clinic_id AND a.id = d.id AND a.finalized_at IS NOT NULL
        RETURNING 1
    )
    SELECT count(*) FROM gone"
}

/// Forgets a batch of alerts that were due and had ended before `before`; returns how many.
pub async fn prune_alerts(conn: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    counted(PruneAlerts { before, limit: BATCH }, conn).await
}

hot_query! {
    /// What was tried goes too, and what push services still owe us an answer about.
    struct DeleteAlerts {
        clinic: Uuid as SqlUuid,
        recipient: Uuid as SqlUuid,
    }
    returns Int8;
    ", doomed AS MATERIALIZED (
        SELECT id FROM alerts WHERE clinic_id = $1 AND recipient_id = $2
    ), tried AS (
        DELETE FROM attempts WHERE clinic_id = $1 AND alert_id IN (SELECT id FROM doomed)
    ), asked AS (
        DELETE FROM receipts WHERE clinic_id = $1 AND alert_id IN (SELECT id FROM doomed)
    ), gone AS (
        DELETE FROM alerts WHERE clinic_id = $1 AND id IN (SELECT id FROM doomed) RETURNING 1
    )
    SELECT count(*) FROM gone"
}

/// Forgets everything that a recipient was ever owed or sent; returns how many alerts that were.
pub async fn delete_alerts_of(conn: &mut AsyncPgConnection, clinic: Uuid, recipient: Uuid) -> QueryResult<usize> {
    counted(DeleteAlerts { clinic, recipient }, conn).await
}

/// Forgets everything that anybody at a clinic was ever owed or sent, and where it stands in the queue.
pub async fn delete_alerts_of_clinic(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<()> {
    for table in ["receipts", "attempts", "alert_queue", "alerts"] {
        conn.batch_execute(&format!("DELETE FROM {table} WHERE clinic_id = '{clinic}'")).await?;
    }
    conn.batch_execute(&format!("DELETE FROM claims WHERE '{clinic}' = ALL (clinic_ids)")).await
}
