//! Calling off what patients are still owed by a protocol version that their clinic has recalled.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Int8, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::db::hot::{counted, hot_query};

hot_query! {
    /// Patients are found by their treatments, so that the unique key finds the rows. Rows are locked in the order in which
    /// settling locks them. What waits for a device or for quiet hours is called off too: neither may bring it back.
    struct Recall {
        clinic: Uuid as SqlUuid,
        version: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", treated AS (
        SELECT DISTINCT patient_id FROM treatments
         WHERE clinic_id = $1 AND protocol_version_id = $2 AND status <> 'cancelled'
    ), locked AS MATERIALIZED (
        SELECT a.id FROM treated AS t JOIN alerts AS a ON a.clinic_id = $1 AND a.recipient_id = t.patient_id
         WHERE a.protocol_version_id = $2 AND a.state IN ('scheduled', 'sending', 'suppressed', 'no_device')
           AND NOT a.superseded
         ORDER BY a.id FOR UPDATE OF a
    ), cancelled AS (
        UPDATE alerts AS a SET
            state = CASE a.state WHEN 'sending' THEN 'sending' ELSE 'cancelled' END,
            superseded = (a.state = 'sending'),
            finalized_at = CASE a.state WHEN 'sending' THEN NULL ELSE $3 END,
            reason = 'recalled'
          FROM locked AS l
         WHERE a.clinic_id = $1 AND a.id = l.id AND a.state IN ('scheduled', 'sending', 'suppressed', 'no_device')
           AND NOT a.superseded
        RETURNING 1
    )
    SELECT count(*) FROM cancelled"
}

/// Cancels every alert that treatments of the clinic still owe by this version, completed ones of an open course included; what is being sent is not tried
/// again. Returns how many alerts that were.
pub async fn recall(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    version_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    counted(Recall { clinic: clinic_id, version: version_id, now }, conn).await
}
