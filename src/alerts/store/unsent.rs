//! Reading what could not be sent, and every try at an alert: for administrators, who see ids and the providers' words.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Position;
use crate::db::hot::hot_query;

/// An alert as its sender sees it.
#[derive(Debug, Clone, Queryable)]
pub struct UnsentRow {
    /// The alert.
    pub id: Uuid,
    /// `patient` or `member`.
    pub recipient_kind: String,
    /// The patient record or membership.
    pub recipient_id: Uuid,
    /// Under which key it is owed.
    pub dedupe_key: String,
    /// What the person can switch off.
    pub category: String,
    /// Ignores quiet hours.
    pub urgent: bool,
    /// The treatment it is about.
    pub treatment_id: Option<Uuid>,
    /// The flag it is about.
    pub flag_id: Option<Uuid>,
    /// Where it stands.
    pub state: String,
    /// Why it ended as it did.
    pub reason: Option<String>,
    /// From when it was owed.
    pub due_at: DateTime<Utc>,
    /// From when it may be tried.
    pub next_attempt_at: DateTime<Utc>,
    /// From when it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// When it ended.
    pub finalized_at: Option<DateTime<Utc>>,
    /// Tries that count.
    pub tries: i32,
    /// Handed to a device's provider so often.
    pub attempts: i64,
    /// By whom.
    pub providers: Vec<String>,
}

/// Which unsent alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnsentFilter {
    /// How they ended.
    pub state: Option<&'static str>,
    /// What they are about.
    pub category: Option<String>,
    /// Who was to carry them, as far as anybody was asked to.
    pub provider: Option<&'static str>,
    /// The word for what went wrong.
    pub reason: Option<String>,
    /// Due from then on.
    pub from: Option<DateTime<Utc>>,
    /// Due before then.
    pub to: Option<DateTime<Utc>>,
}

macro_rules! unsent_sql {
    ($picked:literal) => {
        concat!(
            "SELECT a.id, a.recipient_kind, a.recipient_id, a.dedupe_key, a.category, a.urgent, a.treatment_id, a.flag_id,
                    a.state, a.reason, a.due_at, a.next_attempt_at, a.expires_at, a.finalized_at, a.tries, t.attempts,
                    t.providers
               FROM alerts AS a
              CROSS JOIN LATERAL (
                    SELECT count(*) AS attempts, coalesce(array_agg(DISTINCT provider ORDER BY provider), '{}') AS providers
                      FROM attempts WHERE clinic_id = a.clinic_id AND alert_id = a.id) AS t
              WHERE a.clinic_id = $1 AND ",
            $picked
        )
    };
}

hot_query! {
    struct ListUnsent {
        clinic: Uuid as SqlUuid,
        state: Option<&'static str> as Nullable<Text>,
        category: Option<String> as Nullable<Text>,
        provider: Option<&'static str> as Nullable<Text>,
        reason: Option<String> as Nullable<Text>,
        from: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        to: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        after_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        after_id: Option<Uuid> as Nullable<SqlUuid>,
        limit: i64 as Int8,
    }
    returns (
        SqlUuid, Text, SqlUuid, Text, Text, Bool, Nullable<SqlUuid>, Nullable<SqlUuid>, Text, Nullable<Text>, Timestamptz,
        Timestamptz, Timestamptz, Nullable<Timestamptz>, Int4, Int8, Array<Text>,
    );
    unsent_sql!("a.unsent
        AND ($2 IS NULL OR a.state = $2) AND ($3 IS NULL OR a.category = $3) AND ($5 IS NULL OR a.reason = $5)
        AND ($4 IS NULL OR EXISTS (SELECT 1 FROM attempts AS by
                                    WHERE by.clinic_id = a.clinic_id AND by.alert_id = a.id AND by.provider = $4))
        AND a.due_at >= coalesce($6, '-infinity') AND a.due_at < coalesce($7, 'infinity')
        AND (a.due_at, a.id) < (coalesce($8, 'infinity'), coalesce($9, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
      ORDER BY a.due_at DESC, a.id DESC LIMIT $10")
}

/// What could not be sent, the latest first; `limit` rows after `after`.
pub async fn list_unsent(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    filter: UnsentFilter,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<UnsentRow>> {
    let UnsentFilter { state, category, provider, reason, from, to } = filter;
    let (after_at, after_id) = after.unzip();
    ListUnsent { clinic, state, category, provider, reason, from, to, after_at, after_id, limit }.load(conn).await
}

hot_query! {
    struct FindAlerts {
        clinic: Uuid as SqlUuid,
        ids: Vec<Uuid> as Array<SqlUuid>,
    }
    returns (
        SqlUuid, Text, SqlUuid, Text, Text, Bool, Nullable<SqlUuid>, Nullable<SqlUuid>, Text, Nullable<Text>, Timestamptz,
        Timestamptz, Timestamptz, Nullable<Timestamptz>, Int4, Int8, Array<Text>,
    );
    unsent_sql!("a.id = ANY ($2) ORDER BY a.due_at, a.id")
}

/// These alerts of a clinic, whatever became of them, by the time they are due.
pub async fn list_by_id(conn: &mut AsyncPgConnection, clinic: Uuid, ids: Vec<Uuid>) -> QueryResult<Vec<UnsentRow>> {
    FindAlerts { clinic, ids }.load(conn).await
}

/// One try at one device.
#[derive(Debug, Clone, Queryable)]
pub struct TryRow {
    /// The alert.
    pub alert_id: Uuid,
    /// When the answer came (wall clock).
    pub at: DateTime<Utc>,
    /// The device; it may be gone by now.
    pub device_id: Uuid,
    /// The claim under which it was made.
    pub claim_no: i32,
    /// Who carried it.
    pub provider: String,
    /// What the answer means.
    pub outcome: String,
    /// The provider's own word for it.
    pub reason: Option<String>,
    /// The provider's id of the message.
    pub provider_message_id: Option<String>,
    /// From handing over to the answer.
    pub duration_ms: i32,
}

hot_query! {
    struct ListTries {
        clinic: Uuid as SqlUuid,
        alerts: Vec<Uuid> as Array<SqlUuid>,
        after_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        after_device: Option<Uuid> as Nullable<SqlUuid>,
        limit: i64 as Int8,
    }
    returns (SqlUuid, Timestamptz, SqlUuid, Int4, Text, Text, Nullable<Text>, Nullable<Text>, Int4);
    "SELECT alert_id, at, device_id, claim_no, provider, outcome, reason, provider_message_id, duration_ms
       FROM attempts
      WHERE clinic_id = $1 AND alert_id = ANY ($2) AND ($3 IS NULL OR (at, device_id) > ($3, $4))
      ORDER BY at, device_id LIMIT $5"
}

/// Tries at these alerts, the first ones first; `limit` of them after `after`.
pub async fn list_tries(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    alerts: Vec<Uuid>,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<TryRow>> {
    let (after_at, after_device) = after.unzip();
    ListTries { clinic, alerts, after_at, after_device, limit }.load(conn).await
}
