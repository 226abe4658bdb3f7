//! Reading everything that somebody was owed in a stretch of time, whatever became of it.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Int4, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;

/// An alert with all that is written of it.
#[derive(Debug, Clone, Queryable)]
pub struct DayRow {
    /// The alert.
    pub id: Uuid,
    /// Under which key it is owed.
    pub dedupe_key: String,
    /// What it is about.
    pub category: String,
    /// The treatment.
    pub treatment_id: Option<Uuid>,
    /// Which item it announces.
    pub item_key: Option<String>,
    /// Zero-based local day of the occurrence.
    pub day_index: Option<i32>,
    /// Where its text comes from.
    pub protocol_version_id: Option<Uuid>,
    /// The replan that last changed it.
    pub plan_revision: i32,
    /// Where it stands.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// From when it is owed.
    pub due_at: DateTime<Utc>,
    /// From when it may be tried.
    pub next_attempt_at: DateTime<Utc>,
    /// From when it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// Tries that count.
    pub tries: i32,
    /// Claims so far.
    pub claim_no: i32,
    /// When a provider took it.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the person opened it.
    pub opened_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finalized_at: Option<DateTime<Utc>>,
}

hot_query! {
    struct ListDue {
        clinic: Uuid as SqlUuid,
        recipients: Vec<Uuid> as Array<SqlUuid>,
        from: DateTime<Utc> as Timestamptz,
        to: DateTime<Utc> as Timestamptz,
    }
    returns (
        SqlUuid, Text, Text, Nullable<SqlUuid>, Nullable<Text>, Nullable<Int4>, Nullable<SqlUuid>, Int4, Text, Nullable<Text>,
        Timestamptz, Timestamptz, Timestamptz, Int4, Int4, Nullable<Timestamptz>, Nullable<Timestamptz>,
        Nullable<Timestamptz>,
    );
    "SELECT id, dedupe_key, category, treatment_id, item_key, day_index, protocol_version_id, plan_revision, state, reason,
            due_at, next_attempt_at, expires_at, tries, claim_no, sent_at, opened_at, finalized_at
       FROM alerts
      WHERE clinic_id = $1 AND recipient_id = ANY ($2) AND due_at >= $3 AND due_at < $4
      ORDER BY due_at, dedupe_key"
}

/// What these recipients of a clinic were owed from `from` until before `to`.
pub async fn list_due(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    recipients: Vec<Uuid>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> QueryResult<Vec<DayRow>> {
    ListDue { clinic, recipients, from, to }.load(conn).await
}
