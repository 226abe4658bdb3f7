//! Rescue: claims of workers that are gone go back into the queue. A worker holds a session advisory lock under its
//! number; Postgres releases it the moment the worker's process or connection dies. The lease is the backstop. What was
//! claimed stands in `claims`, a row for each claim, which goes with the last of what it took or is found here.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Int4, Int8, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::db::hot::hot_query;
use crate::failpoint::failpoint;

/// Class of the workers' advisory locks ("work" as ASCII).
const LOCK_CLASS: i32 = 0x776f_726b;

#[derive(QueryableByName)]
struct Locked {
    #[diesel(sql_type = Bool)]
    locked: bool,
}

/// Takes the session lock of worker number `worker` on this connection; false if somebody else has the number.
pub async fn register_worker(conn: &mut AsyncPgConnection, worker: i32) -> QueryResult<bool> {
    let sql = "SELECT pg_try_advisory_lock($1, $2) AS locked";
    let row: Locked =
        diesel::sql_query(sql).bind::<Int4, _>(LOCK_CLASS).bind::<Int4, _>(worker).get_result(conn).await?;
    Ok(row.locked)
}

/// What a look at the queue found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Claims of dead workers that were put back: they are due.
    pub rescued: usize,
    /// Most of the queue's first entries meant nothing: there may be more of them.
    pub is_littered: bool,
    /// Somebody was sending something.
    pub in_flight: bool,
    /// When the next alerts are due, of those that nobody holds: at most [`AHEAD`], the earliest first. Some may have been
    /// cancelled meanwhile.
    pub upcoming: Vec<DateTime<Utc>>,
}

/// How many due moments a look brings: enough for a second in which two hundred alerts are due.
pub const AHEAD: usize = 256;
/// How many of the first entries a look examines. Claims step over those that mean nothing, so these gather in front.
const SWEEP: usize = 1000;

hot_query! {
    /// No alert is waited for: what somebody else has locked, be it to settle or to replan it, is noted anew and looked at
    /// next time.
    struct Rescue {
        class: i32 as Int4,
        now: DateTime<Utc> as Timestamptz,
        ahead: i64 as Int8,
        sweep: i64 as Int8,
    }
    returns (Int8, Int8, Bool, Array<Timestamptz>);
    ", alive AS MATERIALIZED (
        SELECT objid::bigint::int AS worker FROM pg_locks
         WHERE locktype = 'advisory' AND granted AND classid = $1::bigint::oid AND objsubid = 2
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ), over AS (
        DELETE FROM claims WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM claims
             WHERE lease_until < clock_timestamp() OR worker NOT IN (SELECT worker FROM alive)
             FOR UPDATE SKIP LOCKED))
        RETURNING worker, lease_until, clinic_ids, alert_ids, claim_nos
    ), held AS MATERIALIZED (
        SELECT c.worker, c.lease_until, u.clinic_id, u.id, u.claim_no FROM over AS c
         CROSS JOIN LATERAL unnest(c.clinic_ids, c.alert_ids, c.claim_nos) AS u (clinic_id, id, claim_no)
          JOIN alerts AS a ON a.clinic_id = u.clinic_id AND a.id = u.id AND a.claim_no = u.claim_no
                          AND a.claimed_by = c.worker
    ), orphaned AS MATERIALIZED (
        SELECT a.clinic_id, a.id FROM held AS h
          JOIN alerts AS a ON a.clinic_id = h.clinic_id AND a.id = h.id AND a.claim_no = h.claim_no
                          AND a.claimed_by = h.worker
         ORDER BY a.clinic_id, a.id
         FOR UPDATE OF a SKIP LOCKED
    ), kept AS (
        INSERT INTO claims (worker, lease_until, clinic_ids, alert_ids, claim_nos)
        SELECT worker, min(lease_until), array_agg(clinic_id), array_agg(id), array_agg(claim_no) FROM held
         WHERE (clinic_id, id) NOT IN (SELECT clinic_id, id FROM orphaned)
         GROUP BY worker
    ), rescued AS (
        UPDATE alerts AS a SET
            state = CASE WHEN a.superseded THEN 'cancelled' ELSE 'scheduled' END,
            finalized_at = CASE WHEN a.superseded THEN $2 END,
            next_attempt_at = greatest(a.due_at, a.next_attempt_at),
            superseded = false, claimed_by = NULL
          FROM orphaned AS o
         WHERE a.clinic_id = o.clinic_id AND a.id = o.id
        RETURNING 1
    ), swept AS (
        DELETE FROM alert_queue WHERE ctid = ANY (ARRAY(
            SELECT q.entry
              FROM (SELECT ctid AS entry, at, clinic_id, alert_id FROM alert_queue
                     WHERE at <= $2 ORDER BY at, id LIMIT $4) AS q
              LEFT JOIN LATERAL (
                   SELECT true AS counts FROM alerts
                    WHERE clinic_id = q.clinic_id AND id = q.alert_id AND state = 'scheduled' AND next_attempt_at = q.at
                   OFFSET 0) AS a ON true
             WHERE a.counts IS NULL))
        RETURNING ctid AS entry
    )
    SELECT (SELECT count(*) FROM rescued), (SELECT count(*) FROM swept), EXISTS (SELECT FROM claims),
           ARRAY(SELECT at FROM alert_queue WHERE ctid NOT IN (SELECT entry FROM swept) ORDER BY at, id LIMIT $3)"
}

/// Puts back what dead workers had claimed, sweeps away entries of the queue that mean nothing any more, and says what is
/// due next: all that an idle worker asks. The tries count: they may have reached a phone.
pub async fn look(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Look> {
    let (ahead, sweep) = (i64::try_from(AHEAD).unwrap_or(0), i64::try_from(SWEEP).unwrap_or(0));
    let (rescued, swept, in_flight, upcoming): (i64, i64, bool, _) =
        Rescue { class: LOCK_CLASS, now, ahead, sweep }.get_result(conn).await?;
    if rescued > 0 {
        failpoint!("rescue:uncommitted");
    }
    let (rescued, swept) = (usize::try_from(rescued).unwrap_or(0), usize::try_from(swept).unwrap_or(0));
    Ok(Look { rescued, is_littered: 2 * swept > SWEEP, in_flight, upcoming })
}

/// Puts back what dead workers had claimed. Returns how many.
pub async fn rescue(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    Ok(look(conn, now).await?.rescued)
}
