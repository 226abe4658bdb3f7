//! Owing again what could not be sent, because somebody who may says so.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;

/// One alert that is to be owed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replay {
    /// The alert.
    pub alert_id: Uuid,
    /// From when it may be sent.
    pub from: DateTime<Utc>,
    /// From when it is worth nothing.
    pub expires_at: DateTime<Utc>,
}

hot_query! {
    /// What is not unsent any more stays as it is: somebody else was faster. No claim holds such an alert, so that a settle
    /// that comes late finds another state, and later another claim's number. The number never falls: devices that accepted
    /// the alert under an earlier claim are left out of every later one.
    struct ReplayUnsent {
        clinic: Uuid as SqlUuid,
        ids: Vec<Uuid> as Array<SqlUuid>,
        from: Vec<DateTime<Utc>> as Array<Timestamptz>,
        expires: Vec<DateTime<Utc>> as Array<Timestamptz>,
        wake_before: DateTime<Utc> as Timestamptz,
    }
    returns SqlUuid;
    ", wanted AS (
        SELECT * FROM unnest($2, $3, $4) AS w (id, starts, expires_at)
    ), locked AS MATERIALIZED (
        SELECT a.id, w.starts, w.expires_at FROM wanted AS w
          JOIN alerts AS a ON a.clinic_id = $1 AND a.id = w.id
         WHERE a.state IN ('failed', 'expired', 'no_device')
         ORDER BY a.id FOR UPDATE OF a
    ), replayed AS (
        UPDATE alerts AS a SET
            state = 'scheduled', reason = NULL, tries = 0, finalized_at = NULL,
            next_attempt_at = greatest(a.due_at, l.starts), expires_at = l.expires_at, slot_ends_at = NULL
          FROM locked AS l
         WHERE a.clinic_id = $1 AND a.id = l.id
        RETURNING a.id, a.next_attempt_at
    ), woken AS (
        SELECT pg_notify('mendline_alerts', '') FROM (SELECT 1 FROM replayed WHERE next_attempt_at <= $5 LIMIT 1) AS soon
    )
    SELECT id FROM replayed WHERE (SELECT count(*) FROM woken) >= 0"
}

/// Owes unsent alerts of one clinic again; workers are woken if one is due before `wake_before`. Returns which.
pub async fn replay(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    replays: &[Replay],
    wake_before: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    ReplayUnsent {
        clinic: clinic_id,
        ids: replays.iter().map(|replay| replay.alert_id).collect(),
        from: replays.iter().map(|replay| replay.from).collect(),
        expires: replays.iter().map(|replay| replay.expires_at).collect(),
        wake_before,
    }
    .load(conn)
    .await
}
