//! Forgoing what a server may have sent whose memory is lost: the database came back from a backup, and the queue owes again
//! what phones have shown since.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Int8, Timestamptz};
use diesel_async::AsyncPgConnection;

use crate::db::hot::{counted, hot_query};

hot_query! {
    /// What was claimed when the backup was made may have been accepted a moment later; what waited for a device may have
    /// found one; what another alert tells goes with that one. A plan that is made anew leaves them alone (`plan.rs`), or
    /// whatever of it lies in the past would be owed again; somebody who may can replay them.
    struct Forgo {
        now: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", owed AS MATERIALIZED (
        SELECT clinic_id, id, next_attempt_at FROM alerts
         WHERE due_at <= $1 AND (state IN ('scheduled', 'sending') OR state = 'no_device' AND expires_at > $1)
         ORDER BY clinic_id, id FOR UPDATE
    ), told AS MATERIALIZED (
        SELECT a.clinic_id, a.id FROM owed AS o
          JOIN alerts AS a ON a.clinic_id = o.clinic_id AND a.merged_into = o.id
         WHERE a.state = 'merged' ORDER BY a.clinic_id, a.id FOR UPDATE OF a
    ), forgone AS (
        UPDATE alerts AS a SET
            state = CASE WHEN a.superseded THEN 'cancelled' ELSE 'expired' END, reason = 'after_restore', finalized_at = $1,
            superseded = false, claimed_by = NULL, merged_into = NULL
          FROM (SELECT clinic_id, id FROM owed UNION SELECT clinic_id, id FROM told) AS o
         WHERE a.clinic_id = o.clinic_id AND a.id = o.id
        RETURNING 1
    ), unqueued AS (
        DELETE FROM alert_queue AS q USING owed AS o
         WHERE q.at = o.next_attempt_at AND q.clinic_id = o.clinic_id AND q.alert_id = o.id
    ), unclaimed AS (
        DELETE FROM claims
    )
    SELECT count(*) FROM forgone"
}

/// Ends everything that was due by `now` and is not known to have been sent, at every clinic. Nobody may be claiming.
/// Returns how many alerts that were.
pub async fn forgo(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    counted(Forgo { now }, conn).await
}
