//! Receipts that a provider still owes us: rows of a day at most. No lock is held while a provider is asked: whoever asks
//! first moves the next question ahead, and acts only on rows that are still there with the answer.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Int4, Int8, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::schema::receipts;

/// When to ask first: earlier, providers may not know yet.
pub const FIRST_QUESTION: TimeDelta = TimeDelta::minutes(15);
/// When to ask for the last time.
const LAST_QUESTION: TimeDelta = TimeDelta::minutes(24 * 60 - 15);
/// After this long, providers have forgotten.
pub const FORGOTTEN: TimeDelta = TimeDelta::hours(24);

/// An accepted message whose fate is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Queryable)]
pub struct ReceiptRow {
    /// The clinic.
    pub clinic_id: Uuid,
    /// What to ask for.
    pub receipt_id: String,
    /// The alert.
    pub alert_id: Uuid,
    /// The device.
    pub device_id: Uuid,
    /// The claim under which it was sent.
    pub claim_no: i32,
    /// When it was accepted (wall clock).
    pub accepted_at: DateTime<Utc>,
}

hot_query! {
    struct InsertReceipts {
        clinics: Vec<Uuid> as Array<SqlUuid>,
        providers: Vec<&'static str> as Array<Text>,
        ids: Vec<String> as Array<Text>,
        alerts: Vec<Uuid> as Array<SqlUuid>,
        devices: Vec<Uuid> as Array<SqlUuid>,
        claim_nos: Vec<i32> as Array<Int4>,
        accepted_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
        ask_at: Vec<DateTime<Utc>> as Array<Timestamptz>,
    }
    returns Int8;
    ", written AS (
        INSERT INTO receipts (clinic_id, provider, receipt_id, alert_id, device_id, claim_no, accepted_at, ask_at)
        SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)
        ON CONFLICT DO NOTHING
        RETURNING 1
    )
    SELECT count(*) FROM written"
}

/// Notes what is to be asked for, with the provider of each.
pub async fn insert_receipts(conn: &mut AsyncPgConnection, receipts: &[(&'static str, ReceiptRow)]) -> QueryResult<()> {
    if receipts.is_empty() {
        return Ok(());
    }
    let query = InsertReceipts {
        clinics: receipts.iter().map(|(_, row)| row.clinic_id).collect(),
        providers: receipts.iter().map(|(provider, _)| *provider).collect(),
        ids: receipts.iter().map(|(_, row)| row.receipt_id.clone()).collect(),
        alerts: receipts.iter().map(|(_, row)| row.alert_id).collect(),
        devices: receipts.iter().map(|(_, row)| row.device_id).collect(),
        claim_nos: receipts.iter().map(|(_, row)| row.claim_no).collect(),
        accepted_at: receipts.iter().map(|(_, row)| row.accepted_at).collect(),
        ask_at: receipts.iter().map(|(_, row)| row.accepted_at + FIRST_QUESTION).collect(),
    };
    query.get_result::<i64>(conn).await.map(drop)
}

hot_query! {
    /// A question without an answer is repeated after as long as it took so far, and once more before the end.
    struct ClaimReceipts {
        provider: &'static str as Text,
        now: DateTime<Utc> as Timestamptz,
        limit: i64 as Int8,
        first_seconds: i32 as Int4,
        last_seconds: i32 as Int4,
    }
    returns (SqlUuid, Text, SqlUuid, SqlUuid, Int4, Timestamptz);
    "UPDATE receipts AS r SET
        ask_at = greatest($2 + make_interval(secs => $4),
                          least($2 + ($2 - r.accepted_at), r.accepted_at + make_interval(secs => $5)))
      WHERE r.ctid = ANY (ARRAY(
            SELECT ctid FROM receipts WHERE provider = $1 AND ask_at <= $2
             ORDER BY ask_at LIMIT $3
             FOR UPDATE SKIP LOCKED))
    RETURNING r.clinic_id, r.receipt_id, r.alert_id, r.device_id, r.claim_no, r.accepted_at"
}

/// At most `limit` receipts that are to be asked for at `now`. Nobody else asks for them within a quarter of an hour.
pub async fn claim_receipts(
    conn: &mut AsyncPgConnection,
    provider: &'static str,
    now: DateTime<Utc>,
    limit: usize,
) -> QueryResult<Vec<ReceiptRow>> {
    let seconds = |delta: TimeDelta| i32::try_from(delta.num_seconds()).unwrap_or(i32::MAX);
    let (first_seconds, last_seconds) = (seconds(FIRST_QUESTION), seconds(LAST_QUESTION));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    ClaimReceipts { provider, now, limit, first_seconds, last_seconds }.load(conn).await
}

hot_query! {
    struct DeleteAnswered {
        provider: &'static str as Text,
        clinics: Vec<Uuid> as Array<SqlUuid>,
        ids: Vec<String> as Array<Text>,
    }
    returns Text;
    "DELETE FROM receipts AS r USING unnest($2, $3) AS answered (clinic_id, receipt_id)
      WHERE r.clinic_id = answered.clinic_id AND r.provider = $1 AND r.receipt_id = answered.receipt_id
    RETURNING r.receipt_id"
}

/// Forgets receipts that were answered; returns those that were still there, which are ours to act on.
pub async fn delete_answered(
    conn: &mut AsyncPgConnection,
    provider: &'static str,
    answered: &[&ReceiptRow],
) -> QueryResult<Vec<String>> {
    let clinics = answered.iter().map(|row| row.clinic_id).collect();
    let ids = answered.iter().map(|row| row.receipt_id.clone()).collect();
    DeleteAnswered { provider, clinics, ids }.load(conn).await
}

hot_query! {
    /// Whoever is that old is to be asked for by now, so that the index finds them.
    struct DeleteForgotten {
        provider: &'static str as Text,
        now: DateTime<Utc> as Timestamptz,
        before: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", gone AS (DELETE FROM receipts WHERE provider = $1 AND ask_at <= $2 AND accepted_at <= $3 RETURNING 1)
    SELECT count(*) FROM gone"
}

/// Gives up what no provider remembers any more; returns how many.
pub async fn delete_forgotten(
    conn: &mut AsyncPgConnection,
    provider: &'static str,
    now: DateTime<Utc>,
) -> QueryResult<i64> {
    DeleteForgotten { provider, now, before: now - FORGOTTEN }.get_result(conn).await
}

/// Removes what was never asked for: nobody carries for that provider any more. Providers have forgotten it long since.
pub async fn prune_receipts(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(receipts::table.filter(receipts::accepted_at.lt(now - FORGOTTEN * 2))).execute(conn).await
}
