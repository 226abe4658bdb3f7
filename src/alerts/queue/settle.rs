//! Settling: what came of claims, in batches. Every write is fenced by the claim's number, so that a worker whose claim
//! was taken over changes nothing.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, Bool, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Claim;
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

/// One try at one device.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    /// When the answer came (wall clock).
    pub at: DateTime<Utc>,
    /// The clinic.
    pub clinic_id: Uuid,
    /// The alert.
    pub alert_id: Uuid,
    /// The device.
    pub device_id: Uuid,
    /// The claim.
    pub claim_no: i32,
    /// Who carried it.
    pub provider: &'static str,
    /// What the answer means.
    pub outcome: &'static str,
    /// The provider's word.
    pub reason: Option<String>,
    /// The provider's id of the message.
    pub provider_message_id: Option<String>,
    /// From handing over to the answer.
    pub duration_ms: i32,
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
    /// them as well. Claims of which nothing is left after this are forgotten with it.
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

hot_query! {
    struct InsertAttempts {
        at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        clinics: Vec<Uuid> as Array<SqlUuid>,
        alerts: Vec<Uuid> as Array<SqlUuid>,
        devices: Vec<Uuid> as Array<SqlUuid>,
        claim_nos: Vec<i32> as Array<Int4>,
        providers: Vec<&'static str> as Array<Text>,
        outcomes: Vec<&'static str> as Array<Text>,
        reasons: Vec<Option<String>> as Array<Nullable<Text>>,
        message_ids: Vec<Option<String>> as Array<Nullable<Text>>,
        durations: Vec<i32> as Array<Int4>,
    }
    returns Int8;
    "INSERT INTO attempts (at, clinic_id, alert_id, device_id, claim_no, provider, outcome, reason,
        provider_message_id, duration_ms)
     SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
}

hot_query! {
    struct AttemptsWritten {
        at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        clinics: Vec<Uuid> as Array<SqlUuid>,
        alerts: Vec<Uuid> as Array<SqlUuid>,
        devices: Vec<Uuid> as Array<SqlUuid>,
        claim_nos: Vec<i32> as Array<Int4>,
    }
    returns Int8;
    "SELECT r.position FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY
            AS r (at, clinic_id, alert_id, device_id, claim_no, position)
       JOIN attempts AS t USING (clinic_id, alert_id, device_id, claim_no, at)"
}

/// Writes attempts. `again`: they may have been written before, by a transaction of which nobody heard whether it was
/// committed; asking that of every row would cost each of them more than writing it.
async fn insert_attempts(conn: &mut AsyncPgConnection, attempts: &[AttemptRow], again: bool) -> QueryResult<()> {
    let written: Vec<i64> = match again && !attempts.is_empty() {
        false => Vec::new(),
        true => {
            AttemptsWritten {
                at: attempts.iter().map(|a| a.at).collect(),
                clinics: attempts.iter().map(|a| a.clinic_id).collect(),
                alerts: attempts.iter().map(|a| a.alert_id).collect(),
                devices: attempts.iter().map(|a| a.device_id).collect(),
                claim_nos: attempts.iter().map(|a| a.claim_no).collect(),
            }
            .load(conn)
            .await?
        }
    };
    let attempts: Vec<&AttemptRow> =
        (1..).zip(attempts).filter(|(position, _)| !written.contains(position)).map(|(_, attempt)| attempt).collect();
    if attempts.is_empty() {
        return Ok(());
    }
    InsertAttempts {
        at: attempts.iter().map(|a| a.at).collect(),
        clinics: attempts.iter().map(|a| a.clinic_id).collect(),
        alerts: attempts.iter().map(|a| a.alert_id).collect(),
        devices: attempts.iter().map(|a| a.device_id).collect(),
        claim_nos: attempts.iter().map(|a| a.claim_no).collect(),
        providers: attempts.iter().map(|a| a.provider).collect(),
        outcomes: attempts.iter().map(|a| a.outcome).collect(),
        reasons: attempts.iter().map(|a| a.reason.clone()).collect(),
        message_ids: attempts.iter().map(|a| a.provider_message_id.clone()).collect(),
        durations: attempts.iter().map(|a| a.duration_ms).collect(),
    }
    .execute(conn)
    .await?;
    Ok(())
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
    decide(conn, &batch.settlements, false, batch.over.clone()).await
}

/// Settles claims that ended without a try: it is given back.
pub(super) async fn untried(
    conn: &mut AsyncPgConnection,
    settlements: &[Settlement],
    over: Vec<Uuid>,
) -> QueryResult<Vec<Settled>> {
    decide(conn, settlements, true, over).await
}

async fn decide(
    conn: &mut AsyncPgConnection,
    settlements: &[Settlement],
    untried: bool,
    over: Vec<Uuid>,
) -> QueryResult<Vec<Settled>> {
    let parts: Vec<_> = settlements.iter().map(|settlement| parts(settlement.decision)).collect();
    Settle {
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
    .load(conn)
    .await
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

/// Gives alerts back that were not sent, as if they had not been claimed: the try does not count. Of the claims that are
/// `over` nothing is left after this.
pub async fn release(
    conn: &mut AsyncPgConnection,
    claims: &[Claim],
    over: Vec<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let settlements: Vec<Settlement> = claims
        .iter()
        .map(|claim| Settlement {
            clinic_id: claim.clinic_id,
            alert_id: claim.id,
            claim_no: claim.claim_no,
            decision: Decision::RetryAt { at: claim.due_at, refund: true },
            at: now,
            reason: None,
        })
        .collect();
    Ok(decide(conn, &settlements, false, over).await?.len())
}
