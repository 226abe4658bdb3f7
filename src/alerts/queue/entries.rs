//! Upkeep of the queue's entries: what was lost is written anew, what means nothing is removed before its moment. Alerts are
//! the truth, entries only lead to them.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Int8, Nullable, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::hot::hot_query;

/// How far back alerts without an entry are looked for: what was due before has expired by now.
const LOST_FOR: TimeDelta = TimeDelta::days(3);
/// An alert that is due for so long and not claimed may have lost its entry; a fresher one is only waiting.
const LATE: TimeDelta = TimeDelta::minutes(5);
/// How many entries one sweep looks at.
pub const PAGE: i64 = 5_000;

/// Alerts that ought to have been claimed by now and that no entry leads to: clinic by clinic, as the index goes.
macro_rules! lost_sql {
    ($then:literal) => {
        concat!(
            ", lost AS MATERIALIZED (
                SELECT a.next_attempt_at, a.clinic_id, a.id FROM clinics AS c
                 CROSS JOIN LATERAL (
                       SELECT clinic_id, id, next_attempt_at FROM alerts
                        WHERE clinic_id = c.id AND due_at >= $1 AND due_at < $2
                          AND state = 'scheduled' AND next_attempt_at < $2
                       OFFSET 0) AS a
                 WHERE NOT EXISTS (
                       SELECT FROM alert_queue AS q
                        WHERE q.at = a.next_attempt_at AND q.clinic_id = a.clinic_id AND q.alert_id = a.id)
            ) ",
            $then
        )
    };
}

hot_query! {
    struct CountLost {
        from: DateTime<Utc> as Timestamptz,
        to: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    lost_sql!("SELECT count(*) FROM lost")
}

hot_query! {
    /// One entry too many does no harm.
    struct RestoreLost {
        from: DateTime<Utc> as Timestamptz,
        to: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    lost_sql!(", restored AS (
        INSERT INTO alert_queue (at, clinic_id, alert_id) SELECT next_attempt_at, clinic_id, id FROM lost RETURNING 1
    )
    SELECT count(*) FROM restored")
}

/// How many alerts of the last days are overdue at `now` because the queue has lost them.
pub async fn count_lost(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<i64> {
    CountLost { from: now - LOST_FOR, to: now - LATE }.get_result(conn).await
}

/// Puts into the queue what it has lost: a trigger that was disabled while alerts were loaded, rows that somebody removed.
/// Returns how many alerts that were.
pub async fn restore_lost(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<i64> {
    RestoreLost { from: now - LOST_FOR, to: now - LATE }.get_result(conn).await
}

/// Where a sweep has come to: the last entry that it looked at.
pub type Swept = (DateTime<Utc>, i64);

hot_query! {
    /// Entries whose alert has moved on, and all but the latest of those that say the same. Whoever moves an alert back
    /// meanwhile writes an entry that this cannot see.
    struct SweepPage {
        at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        id: Option<i64> as Nullable<Int8>,
        limit: i64 as Int8,
    }
    returns (Int8, Int8, Nullable<Timestamptz>, Nullable<Int8>);
    ", page AS MATERIALIZED (
        SELECT ctid AS entry, at, id, clinic_id, alert_id FROM alert_queue
         WHERE (at, id) > (coalesce($1, '-infinity'), coalesce($2, 0)) ORDER BY at, id LIMIT $3
    ), judged AS (
        SELECT p.entry, a.counts, row_number() OVER (PARTITION BY p.at, p.clinic_id, p.alert_id ORDER BY p.id DESC) AS copy
          FROM page AS p
          LEFT JOIN LATERAL (
               SELECT true AS counts FROM alerts
                WHERE clinic_id = p.clinic_id AND id = p.alert_id AND state = 'scheduled' AND next_attempt_at = p.at
               OFFSET 0) AS a ON true
    ), swept AS (
        DELETE FROM alert_queue WHERE ctid = ANY (ARRAY(SELECT entry FROM judged WHERE counts IS NULL OR copy > 1))
        RETURNING 1
    ), last AS (
        SELECT at, id FROM page ORDER BY at DESC, id DESC LIMIT 1
    )
    SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM swept), (SELECT at FROM last), (SELECT id FROM last)"
}

/// Removes what means nothing from the entries after `from`, the earliest of all if that is `None`; returns how many went,
/// and where to go on, or `None` at the end of the queue.
pub async fn sweep_page(conn: &mut AsyncPgConnection, from: Option<Swept>) -> QueryResult<(i64, Option<Swept>)> {
    let (at, id) = from.unzip();
    let (seen, swept, at, id): (i64, i64, Option<DateTime<Utc>>, Option<i64>) =
        SweepPage { at, id, limit: PAGE }.get_result(conn).await?;
    Ok((swept, at.zip(id).filter(|_| seen >= PAGE)))
}
