//! Calling off everything that one recipient is still owed: the person is about to leave.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Int8, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::db::hot::{counted, hot_query};

hot_query! {
    /// Rows are locked in the order in which settling locks them. What waits for a device, for quiet hours or for another
    /// alert to tell it is called off too: none of these may bring it back. A plan may.
    struct CallOff {
        clinic: Uuid as SqlUuid,
        recipient: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", locked AS MATERIALIZED (
        SELECT id FROM alerts
         WHERE clinic_id = $1 AND recipient_id = $2
           AND state IN ('scheduled', 'sending', 'suppressed', 'merged', 'no_device') AND NOT superseded
         ORDER BY id FOR UPDATE
    ), cancelled AS (
        UPDATE alerts AS a SET
            state = CASE a.state WHEN 'sending' THEN 'sending' ELSE 'cancelled' END,
            superseded = (a.state = 'sending'),
            finalized_at = CASE a.state WHEN 'sending' THEN NULL ELSE $3 END,
            merged_into = NULL,
            reason = 'left'
          FROM locked AS l
         WHERE a.clinic_id = $1 AND a.id = l.id AND NOT a.superseded
           AND a.state IN ('scheduled', 'sending', 'suppressed', 'merged', 'no_device')
        RETURNING 1
    )
    SELECT count(*) FROM cancelled"
}

/// Cancels every live alert of a patient record or a membership; what is being sent is not tried again. Returns how many
/// alerts that were.
pub async fn call_off(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    recipient_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    counted(CallOff { clinic: clinic_id, recipient: recipient_id, now }, conn).await
}
