//! Owing again what found no device, once there is one.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Int8, Timestamptz, Uuid as SqlUuid};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::db::hot::{counted, hot_query};

hot_query! {
    /// What is due may be under a claim that has not been committed: it is locked as well, and what the lock waited for says
    /// whether it is being sent by now.
    struct Revive {
        user: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", recipients AS (
        SELECT clinic_id, id FROM patients WHERE user_id = $1
        UNION ALL SELECT clinic_id, id FROM memberships WHERE user_id = $1 AND removed_at IS NULL
    ), locked AS MATERIALIZED (
        SELECT a.clinic_id, a.id, a.state FROM recipients AS r
          JOIN alerts AS a ON a.clinic_id = r.clinic_id AND a.recipient_id = r.id
         WHERE (a.state IN ('no_device', 'sending') OR a.state = 'scheduled' AND a.next_attempt_at < $2 + interval '1 minute')
           AND NOT a.superseded AND a.expires_at > $2
         ORDER BY a.clinic_id, a.id FOR UPDATE OF a
    ), revived AS (
        UPDATE alerts AS a SET
            state = CASE a.state WHEN 'no_device' THEN 'scheduled' ELSE a.state END,
            reason = CASE a.state WHEN 'sending' THEN 'device_registered' END,
            finalized_at = NULL,
            tries = CASE a.state WHEN 'no_device' THEN 0 ELSE a.tries END,
            next_attempt_at = CASE a.state WHEN 'no_device' THEN greatest(a.due_at, $2) ELSE a.next_attempt_at END
          FROM locked AS l
         WHERE a.clinic_id = l.clinic_id AND a.id = l.id AND l.state <> 'scheduled'
        RETURNING a.state
    )
    SELECT count(*) + count(pg_notify('mendline_alerts', '')) * 0 FROM revived WHERE state = 'scheduled'"
}

/// A device was registered in time: alerts that found none are owed again, and those whose sending is under way will be if
/// it finds none. Returns how many are owed again.
///
/// In a transaction after the one that registered the device: whoever claims later sees the device, whoever claimed before
/// is told here, and whoever is just claiming is waited for.
pub async fn revive_for_user(conn: &mut AsyncPgConnection, user: Uuid, now: DateTime<Utc>) -> QueryResult<usize> {
    counted(Revive { user, now }, conn).await
}
