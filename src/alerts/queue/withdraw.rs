//! Withdrawing everything that one clinic's people are still owed.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Int8, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::db::hot::{counted, hot_query};

hot_query! {
    /// An alert that waits for a device is withdrawn too: registering a phone must not revive it.
    struct Withdraw {
        clinic: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", withdrawn AS (
        UPDATE alerts SET
            state = CASE state WHEN 'sending' THEN 'sending' ELSE 'cancelled' END,
            superseded = (state = 'sending'),
            finalized_at = CASE state WHEN 'sending' THEN NULL ELSE $2 END,
            reason = 'withdrawn'
         WHERE clinic_id = $1 AND state IN ('scheduled', 'sending', 'no_device') AND NOT superseded
        RETURNING 1
    )
    SELECT count(*) FROM withdrawn"
}

/// Cancels every live alert of a clinic; what is being sent is not tried again. Returns how many alerts that were.
pub async fn withdraw(conn: &mut AsyncPgConnection, clinic_id: Uuid, now: DateTime<Utc>) -> QueryResult<usize> {
    counted(Withdraw { clinic: clinic_id, now }, conn).await
}
