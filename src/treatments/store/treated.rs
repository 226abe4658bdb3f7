//! SQL that says who is treated by a protocol version.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{patients, treatments};

/// A running treatment and whose it is.
#[derive(Debug, Clone, Queryable)]
pub struct Treated {
    /// The treatment.
    pub treatment_id: Uuid,
    /// Its version.
    pub version: i32,
    /// T0.
    pub performed_at: DateTime<Utc>,
    /// `unconfirmed` or `active`.
    pub status: String,
    /// The patient.
    pub patient_id: Uuid,
    /// What the patient is called.
    pub display_name: String,
}

/// Running treatments of the clinic that follow a version, by id: at most `limit` after `after`.
pub async fn list_treated(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    version_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<Treated>> {
    use treatments::dsl;
    let same_patient = patients::clinic_id.eq(dsl::clinic_id).and(patients::id.eq(dsl::patient_id));
    let mut query = treatments::table
        .inner_join(patients::table.on(same_patient))
        .filter(dsl::clinic_id.eq(clinic_id).and(dsl::protocol_version_id.eq(version_id)))
        .filter(dsl::status.eq_any(["unconfirmed", "active"]))
        .order(dsl::id)
        .limit(limit)
        .select((dsl::id, dsl::version, dsl::performed_at, dsl::status, dsl::patient_id, patients::display_name))
        .into_boxed();
    if let Some(after) = after {
        query = query.filter(dsl::id.gt(after));
    }
    query.load(conn).await
}
