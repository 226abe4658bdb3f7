//! SQL over `treatment_changes`, and who is treated by a version.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{patients, treatment_changes, treatments};

/// That a treatment was put under another protocol version.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = treatment_changes, check_for_backend(diesel::pg::Pg))]
pub struct Transfer {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The treatment.
    pub treatment_id: Uuid,
    /// Of two at one moment the later is larger.
    pub id: Uuid,
    /// What it pinned before.
    pub from_version_id: Uuid,
    /// What it pinned from then on.
    pub to_version_id: Uuid,
    /// When.
    pub changed_at: DateTime<Utc>,
    /// Tasks that stay although their window was open.
    pub kept: Vec<Uuid>,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub changed_by: Uuid,
}

/// Writes that a treatment follows another version from now on, and what it followed before.
pub async fn insert_transfer(conn: &mut AsyncPgConnection, transfer: &Transfer) -> QueryResult<()> {
    diesel::insert_into(treatment_changes::table).values(transfer).execute(conn).await?;
    diesel::update(treatments::table.find((transfer.clinic_id, transfer.treatment_id)))
        .set((
            treatments::protocol_version_id.eq(transfer.to_version_id),
            treatments::changes.eq(treatments::changes + 1),
            treatments::version.eq(treatments::version + 1),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// What a treatment followed before, the latest first.
pub async fn list_transfers(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
) -> QueryResult<Vec<Transfer>> {
    use treatment_changes::dsl;
    treatment_changes::table
        .filter(dsl::clinic_id.eq(clinic_id).and(dsl::treatment_id.eq(treatment_id)))
        .order((dsl::changed_at.desc(), dsl::id.desc()))
        .select(Transfer::as_select())
        .load(conn)
        .await
}

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
