//! Settling: what came of claims, in batches. Every write is fenced by the claim's number, so that a worker whose claim
//! was taken over changes nothing.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, Bool, Int4, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Claim;
use super::attempts::{AttemptRow, insert_attempts};
use crate::db::hot::hot_query;
use crate::domain::alert::Decision;
use crate::failpoint::failpoint;

/// What came of one claim.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The alert.
    pub alert_id: Uuid,
    /// The fence.
    pub claim_no: i32,
    /// What was decided.
    pub decision: Decision,
    /// When (care clock).
    pub at: DateTime<Utc>,
    /// The provider's word, where something went wrong.
    pub reason: Option<String>,
}

/// A claim that was still ours when it was settled.
#[derive(Debug, Clone, diesel::Queryable, PartialEq, Eq)]
pub struct Settled {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The alert.
    pub alert_id: Uuid,
    /// The state it is in now.
    pub state: String,
}

/// Whether the alert `a` is owed once more after the result `r`: it is to be tried again, was moved to a later moment
/// meanwhile, found no device and one was registered meanwhile, or ran out of time and was given more meanwhile. Never if
/// it left the plan.
macro_rules! owed_again {
    () => {
        "(r.state <> 'sent' AND NOT a.superseded AND (r.state = 'scheduled' OR a.due_at > r.at
            OR r.state = 'no_device' AND a.reason IS NOT DISTINCT FROM 'device_registered'
            OR r.state = 'expired' AND a.reason IS NOT DISTINCT FROM 'expires_later'
                AND a.expires_at > r.at + interval '5 s'))"
    };
}

hot_query! {
    /// Whether a row is being sent is asked by `claimed_by`, which says the same as its state (a constraint holds them
    /// together) and which no index knows. Everything is decided by the row that the update locks, so that what was
    /// committed a moment before (a replan, a device) is seen; rows come in the order of their keys, in which replans lock
    /// them as well. They are found by their keys although their claims know where they lie: Postgres clears a page of dead
    /// versions when an index leads to it and not when its place is named, and without that the new version finds no room
    /// beside the old one and goes into every index. Claims of which nothing is left after this are forgotten with it.
    struct Settle {
        clinics: Vec<Uuid> as Array<SqlUuid>,
        ids: Vec<Uuid> as Array<SqlUuid>,
        claim_nos: Vec<i32> as Array<Int4>,
        states: Vec<&'static str> as Array<Text>,
        retry_at: Vec<Option<DateTime<Utc>>> as Array<Nullable<Timestamptz>>,
        refunds: Vec<bool> as Array<Bool>,
        at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        reasons: Vec<Option<String>> as Array<Nullable<Text>>,
        over: Vec<Uuid> as Array<SqlUuid>,
    }
    returns (SqlUuid, SqlUuid, Text);
    concat!(
        ", forgotten AS (DELETE FROM claims WHERE id = ANY ($9))
         UPDATE alerts AS a SET
            state = CASE WHEN ", owed_again!(), " THEN 'scheduled'
                         WHEN r.state <> 'sent' AND a.superseded THEN 'cancelled' ELSE r.state END,
            reason = CASE WHEN r.state = 'sent' THEN NULL WHEN a.superseded THEN a.reason ELSE r.reason END,
            next_attempt_at = CASE WHEN ", owed_again!(), "
                THEN greatest(r.retry_at, a.due_at, CASE WHEN r.state <> 'scheduled' THEN r.at END)
                ELSE a.next_attempt_at END,
            tries = CASE WHEN r.state <> 'scheduled' AND ", owed_again!(), " THEN 0
                         WHEN r.refund THEN a.tries - 1 ELSE a.tries END,
            claimed_by = NULL, superseded = false,
            sent_at = CASE r.state WHEN 'sent' THEN r.at END,
            finalized_at = CASE WHEN ", owed_again!(), " THEN NULL ELSE r.at END
          FROM (SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
                       AS r (clinic_id, id, claim_no, state, retry_at, refund, at, reason)
                 ORDER BY clinic_id, id OFFSET 0) AS r
         WHERE a.clinic_id = r.clinic_id AND a.id = r.id AND a.claim_no = r.claim_no AND a.claimed_by IS NOT NULL
        RETURNING a.clinic_id, a.id, a.state"
    )
}

impl Settle {
    /// `untried`: the tries are given back. Of the claims that are `over` nothing is left after this.
    fn of(settlements: &[Settlement], untried: bool, over: Vec<Uuid>) -> Self {
        let parts: Vec<_> = settlements.iter().map(|settlement| parts(settlement.decision)).collect();
        Self {
            clinics: settlements.iter().map(|s| s.clinic_id).collect(),
            ids: settlements.iter().map(|s| s.alert_id).collect(),
            claim_nos: settlements.iter().map(|s| s.claim_no).collect(),
            states: parts.iter().map(|part| part.0).collect(),
            retry_at: parts.iter().map(|part| part.1).collect(),
            refunds: parts.iter().map(|part| untried || part.2).collect(),
            at: settlements.iter().map(|s| s.at).collect(),
            reasons: settlements.iter().map(|s| s.reason.clone()).collect(),
            over,
        }
    }
}

/// What is settled in one transaction.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// What became of alerts.
    pub settlements: Vec<Settlement>,
    /// The tries that led there.
    pub attempts: Vec<AttemptRow>,
    /// Claims of which nothing is left after this.
    pub over: Vec<Uuid>,
    /// It may have been written already, although nobody heard so.
    pub again: bool,
}

/// Writes attempts and decisions of a batch of claims; to be called in one transaction. Returns the claims that were
/// still ours. Attempts are kept even for a claim that was lost: an accepted device must not be addressed again.
pub async fn settle(conn: &mut AsyncPgConnection, batch: &Batch) -> QueryResult<Vec<Settled>> {
    insert_attempts(conn, &batch.attempts, batch.again).await?;
    failpoint!("settle:attempts");
    Settle::of(&batch.settlements, false, batch.over.clone()).load(conn).await
}

/// Settles claims that ended without a try: it is given back.
pub(super) async fn untried(
    conn: &mut AsyncPgConnection,
    settlements: &[Settlement],
    over: Vec<Uuid>,
) -> QueryResult<Vec<Settled>> {
    Settle::of(settlements, true, over).load(conn).await
}

/// State, moment of the next try, whether this try is given back.
fn parts(decision: Decision) -> (&'static str, Option<DateTime<Utc>>, bool) {
    match decision {
        Decision::RetryAt { at, refund } => ("scheduled", Some(at), refund),
        Decision::Sent => ("sent", None, false),
        Decision::NoDevice => ("no_device", None, false),
        Decision::Failed => ("failed", None, false),
        Decision::Expired => ("expired", None, false),
    }
}

/// How many alerts one statement gives back: Postgres takes what is in flight for a single row wherever nothing was when it
/// last counted, and compares each row of a long list with every row of the table then.
const GIVEN_BACK: usize = 500;

/// Gives alerts back that were not sent, as if they had not been claimed: the try does not count. Of the claims that are
/// `over` nothing is left after this.
pub async fn release(
    conn: &mut AsyncPgConnection,
    claims: &[Claim],
    over: Vec<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let given_back = |claim: &Claim| claim.settled(Decision::RetryAt { at: claim.due_at, refund: true }, now, None);
    let (mut over, mut released) = (Some(over), 0);
    let mut pages = claims.chunks(GIVEN_BACK).peekable();
    while let Some(page) = pages.next() {
        let settlements: Vec<Settlement> = page.iter().map(given_back).collect();
        let over = over.take_if(|_| pages.peek().is_none()).unwrap_or_default();
        released += Settle::of(&settlements, false, over).load::<Settled>(conn).await?.len();
    }
    Ok(released)
}
