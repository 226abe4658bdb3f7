//! Cancelling alerts outside any plan: somebody has seen what they are about, so nobody needs to be told any more.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, Int8, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::db::hot::{counted, hot_query};

hot_query! {
    /// Recipients are spelt out, so that the unique key finds the rows. An alert that waits for a device is cancelled
    /// too: registering a phone must not revive it.
    struct CancelSeen {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
        keys: Vec<String> as Array<Text>,
        now: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", recipients AS (
        SELECT id FROM memberships WHERE clinic_id = $1 AND role <> 'patient' UNION ALL SELECT $2
    ), locked AS MATERIALIZED (
        SELECT a.id FROM recipients AS r
          JOIN alerts AS a ON a.clinic_id = $1 AND a.recipient_id = r.id
         WHERE a.dedupe_key = ANY ($3) AND a.state IN ('scheduled', 'sending', 'no_device') AND NOT a.superseded
         ORDER BY a.id FOR UPDATE OF a
    ), cancelled AS (
        UPDATE alerts AS a SET
            state = CASE a.state WHEN 'sending' THEN 'sending' ELSE 'cancelled' END,
            superseded = (a.state = 'sending'),
            finalized_at = CASE a.state WHEN 'sending' THEN NULL ELSE $4 END,
            reason = 'seen'
          FROM locked AS l
         WHERE a.clinic_id = $1 AND a.id = l.id AND a.state IN ('scheduled', 'sending', 'no_device') AND NOT a.superseded
        RETURNING 1
    )
    SELECT count(*) FROM cancelled"
}

/// What the clinic's staff and this patient are still owed under these keys is owed no more; what is being sent is not
/// tried again. Returns how many alerts that were.
pub async fn cancel_seen(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Uuid,
    keys: Vec<String>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    counted(CancelSeen { clinic: clinic_id, patient: patient_id, keys, now }, conn).await
}
