//! Claiming what is due: one short statement, no transaction, nothing locked while sending.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, Bool, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::settle::{self, Settlement};
use crate::db::hot::hot_query;
use crate::domain::alert::{Decision, MIN_TIME_LEFT, is_expired};
use crate::domain::backoff::MAX_TRIES;

/// An alert that this worker may send.
#[derive(Debug, Clone, Queryable)]
pub struct Claim {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The alert.
    pub id: Uuid,
    /// `patient` or `member`.
    pub recipient_kind: String,
    /// The patient record or membership.
    pub recipient_id: Uuid,
    /// What the person can switch off.
    pub category: String,
    /// Sent with high urgency.
    pub urgent: bool,
    /// The treatment it is about.
    pub treatment_id: Option<Uuid>,
    /// Only this device.
    pub device_id: Option<Uuid>,
    /// Where the text comes from.
    pub protocol_version_id: Option<Uuid>,
    /// Which item it announces.
    pub item_key: Option<String>,
    /// Which of the item's alerts of that day.
    pub seq: Option<i32>,
    /// When it was owed.
    pub due_at: DateTime<Utc>,
    /// When it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// The fence.
    pub claim_no: i32,
    /// Tries, this one included.
    pub tries: i32,
    /// The row of `claims` that says what was claimed together.
    pub claim_id: Uuid,
    /// It came too late to be worth sending.
    too_late: bool,
    /// From when its plan holds no longer: it is not to be sent then, and perhaps later.
    slot_ends_at: Option<DateTime<Utc>>,
    /// Entries of the queue that the claim went by, over all that it took.
    entries: i64,
}

impl Claim {
    /// Until when it may be sent, as it is planned.
    pub fn send_until(&self) -> DateTime<Utc> {
        self.slot_ends_at.map_or(self.expires_at, |slot| slot.min(self.expires_at))
    }

    /// That this came of it at `at`, and why where something went wrong.
    pub fn settled(&self, decision: Decision, at: DateTime<Utc>, reason: Option<String>) -> Settlement {
        let Self { clinic_id, id: alert_id, claim_no, .. } = *self;
        Settlement { clinic_id, alert_id, claim_no, decision, at, reason }
    }

    /// Nothing speaks against it but that its plan holds no longer.
    fn is_unplanned(&self, now: DateTime<Utc>) -> bool {
        !self.too_late && self.tries <= MAX_TRIES && is_expired(now, self.send_until())
    }
}

/// What a claim brought.
#[derive(Debug, Default)]
pub struct Claimed {
    /// To be sent.
    pub claims: Vec<Claim>,
    /// Found too old.
    pub expired: usize,
    /// Tried too often: a worker died over each of the tries.
    pub failed: usize,
    /// Either of these, but a device had accepted it in an earlier try: for the person it was sent.
    pub sent: usize,
    /// Patients, by clinic, who are to be planned for anew: what they are owed could not be sent while its plan held.
    pub unplanned: BTreeSet<(Uuid, Uuid)>,
    taken: usize,
    entries: usize,
}

impl Claimed {
    /// Whether there was nothing due.
    pub fn is_empty(&self) -> bool {
        self.taken == 0
    }

    /// Rows that the claim took, whatever became of them.
    pub fn len(&self) -> usize {
        self.taken
    }

    /// Entries that the claim went by: more than it took, where several lead to one alert.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// What ended without another try, by state.
    pub fn ended(&self) -> [(&'static str, u64); 3] {
        [("expired", self.expired), ("failed", self.failed), ("sent", self.sent)]
            .map(|(state, alerts)| (state, u64::try_from(alerts).unwrap_or(0)))
    }
}

hot_query! {
    /// Each entry's alert is locked where it stands, one by one: a join would do the same, but the planner does not know how
    /// few they are and may read the whole table for it. What somebody else holds is stepped over; an entry goes only with an
    /// alert that was taken (CASE has these looked up by a hash; joined, each would be compared with all). A row that somebody changed just before it was locked lies elsewhere, is not found, and is left
    /// for the next claim. No index of `alerts` knows a column that is changed here; what was taken is noted in one row of
    /// `claims`, where rescue finds it.
    struct ClaimDue {
        now: DateTime<Utc> as Timestamptz,
        limit: i64 as Int8,
        worker: i32 as Int4,
        lease_seconds: i32 as Int4,
        too_late: DateTime<Utc> as Timestamptz,
    }
    returns (
        SqlUuid, SqlUuid, Text, SqlUuid, Text, Bool, Nullable<SqlUuid>, Nullable<SqlUuid>, Nullable<SqlUuid>,
        Nullable<Text>, Nullable<Int4>, Timestamptz, Timestamptz, Int4, Int4, SqlUuid, Bool, Nullable<Timestamptz>, Int8,
    );
    ", due AS MATERIALIZED (
        SELECT q.ctid AS entry, a.ctid AS alert, q.clinic_id, q.alert_id
          FROM alert_queue AS q CROSS JOIN LATERAL (
               SELECT ctid FROM alerts
                WHERE clinic_id = q.clinic_id AND id = q.alert_id AND state = 'scheduled' AND next_attempt_at = q.at
                FOR UPDATE SKIP LOCKED) AS a
         WHERE q.at <= $1 ORDER BY q.at, q.id LIMIT $2
    ), taken AS (
        UPDATE alerts AS a SET
            state = 'sending', reason = NULL, claim_no = a.claim_no + 1, tries = a.tries + 1, claimed_by = $3
          WHERE a.ctid = ANY (ARRAY(SELECT alert FROM due))
        RETURNING a.clinic_id, a.id, a.recipient_kind, a.recipient_id, a.category, a.urgent, a.treatment_id, a.device_id,
            a.protocol_version_id, a.item_key, a.seq, a.due_at, a.expires_at, a.claim_no, a.tries, a.slot_ends_at
    ), unqueued AS (
        DELETE FROM alert_queue WHERE ctid = ANY (ARRAY(
            SELECT entry FROM due
             WHERE CASE WHEN (clinic_id, alert_id) IN (SELECT clinic_id, id FROM taken) THEN true END))
    ), noted AS (
        INSERT INTO claims (worker, lease_until, clinic_ids, alert_ids, claim_nos)
        SELECT $3, clock_timestamp() + make_interval(secs => $4), array_agg(clinic_id), array_agg(id), array_agg(claim_no)
          FROM taken HAVING count(*) > 0
        RETURNING id
    )
    SELECT t.clinic_id, t.id, t.recipient_kind, t.recipient_id, t.category, t.urgent, t.treatment_id, t.device_id,
           t.protocol_version_id, t.item_key, t.seq, t.due_at, t.expires_at, t.claim_no, t.tries,
           n.id, t.expires_at < $5, t.slot_ends_at, (SELECT count(*) FROM due)
      FROM taken AS t CROSS JOIN noted AS n"
}

hot_query! {
    struct Accepted {
        clinics: Vec<Uuid> as Array<SqlUuid>,
        ids: Vec<Uuid> as Array<SqlUuid>,
    }
    returns SqlUuid;
    "SELECT c.id FROM unnest($1, $2) AS c (clinic_id, id)
      WHERE EXISTS (SELECT 1 FROM attempts AS t
                     WHERE t.clinic_id = c.clinic_id AND t.alert_id = c.id AND t.outcome = 'accepted')"
}

/// How soon what is to be planned anew is claimed again, if whoever was to plan it does not get to it.
const ASK_AGAIN: TimeDelta = TimeDelta::minutes(1);

/// Settles what is not to be tried now: as sent, where a device had accepted it in an earlier try. Whoever dies between
/// the claim and this leaves a claim like any other, which is rescued.
async fn end(
    conn: &mut AsyncPgConnection,
    ended: &[Claim],
    now: DateTime<Utc>,
    claimed: &mut Claimed,
) -> QueryResult<()> {
    let Some(first) = ended.first() else { return Ok(()) };
    let over = if claimed.claims.is_empty() { vec![first.claim_id] } else { Vec::new() };
    let clinics = ended.iter().map(|claim| claim.clinic_id).collect();
    let ids = ended.iter().map(|claim| claim.id).collect();
    let accepted: Vec<Uuid> = Accepted { clinics, ids }.load(conn).await?;
    let settlements: Vec<Settlement> = ended
        .iter()
        .map(|claim| {
            let (decision, reason) = match claim {
                _ if accepted.contains(&claim.id) => (Decision::Sent, None),
                Claim { too_late: true, .. } => (Decision::Expired, Some("too_late")),
                Claim { tries, .. } if *tries > MAX_TRIES => (Decision::Failed, Some("tries_used_up")),
                _ => {
                    claimed.unplanned.insert((claim.clinic_id, claim.recipient_id));
                    (Decision::RetryAt { at: now + ASK_AGAIN, refund: true }, Some("slot_over"))
                }
            };
            claim.settled(decision, now, reason.map(str::to_owned))
        })
        .collect();
    let settled = settle::untried(conn, &settlements, over).await?;
    let count = |state: &str| settled.iter().filter(|row| row.state == state).count();
    (claimed.expired, claimed.failed, claimed.sent) = (count("expired"), count("failed"), count("sent"));
    Ok(())
}

/// Claims at most `limit` alerts that are due at `now` for `worker`, whose claim holds for `lease_seconds` of the
/// database's time. What is found too old or tried too often ends here instead of being sent. No transaction is needed:
/// a claim is whole after its first statement.
pub async fn claim_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    limit: usize,
    worker: i32,
    lease_seconds: i32,
) -> QueryResult<Claimed> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let too_late = now + MIN_TIME_LEFT;
    let rows: Vec<Claim> = ClaimDue { now, limit, worker, lease_seconds, too_late }.load(conn).await?;
    let taken = rows.len();
    let entries = rows.iter().map(|row| usize::try_from(row.entries).unwrap_or(0)).max().unwrap_or(0);
    // Who is planned for anew is so with everything that is due and was never tried: what an outage left comes as one.
    let unplanned: BTreeSet<(Uuid, Uuid)> =
        rows.iter().filter(|row| row.is_unplanned(now)).map(|row| (row.clinic_id, row.recipient_id)).collect();
    let waits = |row: &Claim| {
        row.slot_ends_at.is_some() && row.tries == 1 && unplanned.contains(&(row.clinic_id, row.recipient_id))
    };
    let ended = |row: &Claim| row.too_late || row.tries > MAX_TRIES || is_expired(now, row.send_until()) || waits(row);
    let (ended, claims): (Vec<_>, Vec<_>) = rows.into_iter().partition(ended);
    let mut claimed = Claimed { claims, taken, entries, ..Claimed::default() };
    end(conn, &ended, now, &mut claimed).await?;
    Ok(claimed)
}

hot_query! {
    struct NextDue { none: bool as Bool }
    returns Timestamptz;
    "SELECT q.at FROM alert_queue AS q CROSS JOIN LATERAL (
            SELECT FROM alerts
             WHERE clinic_id = q.clinic_id AND id = q.alert_id AND state = 'scheduled' AND next_attempt_at = q.at
            OFFSET 0) AS a
      ORDER BY q.at LIMIT 1"
}

/// When the next alert is due, if there is one.
pub async fn next_due(conn: &mut AsyncPgConnection) -> QueryResult<Option<DateTime<Utc>>> {
    NextDue { none: true }.get_result(conn).await.optional()
}

hot_query! {
    struct InFlight { none: bool as Bool }
    returns Bool;
    "SELECT EXISTS (SELECT FROM claims)"
}

/// Whether any worker is sending anything.
pub async fn in_flight(conn: &mut AsyncPgConnection) -> QueryResult<bool> {
    InFlight { none: true }.get_result(conn).await
}

hot_query! {
    struct Depth { now: DateTime<Utc> as Timestamptz }
    returns (Int8, Nullable<Timestamptz>);
    "SELECT count(DISTINCT (q.clinic_id, q.alert_id)), min(q.at) FROM alert_queue AS q CROSS JOIN LATERAL (
            SELECT FROM alerts
             WHERE clinic_id = q.clinic_id AND id = q.alert_id AND state = 'scheduled' AND next_attempt_at = q.at
            OFFSET 0) AS a
      WHERE q.at <= $1"
}

/// How many alerts are due at `now` and unsent, and since when the oldest of them is.
pub async fn queue_depth(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
) -> QueryResult<(i64, Option<DateTime<Utc>>)> {
    Depth { now }.get_result(conn).await
}
