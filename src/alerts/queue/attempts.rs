//! Attempts: each try at one device, written with what came of its alert.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;

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
pub(super) async fn insert_attempts(
    conn: &mut AsyncPgConnection,
    attempts: &[AttemptRow],
    again: bool,
) -> QueryResult<()> {
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
