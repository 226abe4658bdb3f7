//! SQL over `treatments`. The clinic is always the first thing asked for.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{memberships, treatments};

/// A treatment as stored.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = treatments)]
pub struct Treatment {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// Who was treated.
    pub patient_id: Uuid,
    /// Membership of the treating clinician.
    pub clinician_id: Option<Uuid>,
    /// `unconfirmed`, `active`, `completed` or `cancelled`.
    pub status: String,
    /// T0.
    pub performed_at: DateTime<Utc>,
    /// The patient's local date at T0.
    pub anchor_on: NaiveDate,
    /// Tasks that close before this instant leave the denominator.
    pub counts_from: DateTime<Utc>,
    /// The pinned protocol version.
    pub protocol_version_id: Uuid,
    /// Treated area.
    pub area: String,
    /// Plain microneedling or a combination.
    pub modality: String,
    /// Device used.
    pub device: Option<String>,
    /// Needle depth in micrometres.
    pub needle_depth_um: Option<i32>,
    /// Products used in the session.
    pub products: Vec<String>,
    /// Which session of the course it was.
    pub session_number: Option<i32>,
    /// The clinic's notes.
    pub notes: Option<String>,
    /// Counts edits.
    pub version: i32,
    /// Counts replans.
    pub plan_revision: i32,
    /// Counts outcomes and check-ins.
    pub activity: i32,
    /// Weight of closed tasks done at all.
    pub done_w: i64,
    /// Weight of closed tasks done on time.
    pub on_time_w: i64,
    /// Who registered it.
    pub created_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When the clinic confirmed it.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// When it was completed or cancelled.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Treatment {
    /// Whether its plan is being followed.
    pub fn is_running(&self) -> bool {
        matches!(self.status.as_str(), "unconfirmed" | "active")
    }
}

/// One treatment of the clinic.
pub async fn find_treatment(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Treatment> {
    treatments::table.find((clinic_id, id)).select(Treatment::as_select()).first(conn).await
}

/// Where a page of treatments begins: newest first.
pub type Position = (DateTime<Utc>, Uuid);

/// Treatments of the clinic, newest first, of one patient where one is named; `limit` rows after `after`.
pub async fn list_treatments(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Option<Uuid>,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<Treatment>> {
    let mut query = treatments::table
        .filter(treatments::clinic_id.eq(clinic_id))
        .select(Treatment::as_select())
        .order((treatments::performed_at.desc(), treatments::id.desc()))
        .limit(limit)
        .into_boxed();
    if let Some(patient_id) = patient_id {
        query = query.filter(treatments::patient_id.eq(patient_id));
    }
    if let Some((performed_at, id)) = after {
        query = query.filter(
            treatments::performed_at
                .lt(performed_at)
                .or(treatments::performed_at.eq(performed_at).and(treatments::id.lt(id))),
        );
    }
    query.load(conn).await
}

/// Writes what an edit, a confirmation, a completion or a cancellation changed.
pub async fn update_treatment(conn: &mut AsyncPgConnection, treatment: &Treatment) -> QueryResult<()> {
    let row = treatments::table.find((treatment.clinic_id, treatment.id));
    diesel::update(row)
        .set((
            treatments::clinician_id.eq(treatment.clinician_id),
            treatments::status.eq(&treatment.status),
            treatments::performed_at.eq(treatment.performed_at),
            treatments::anchor_on.eq(treatment.anchor_on),
            treatments::area.eq(&treatment.area),
            treatments::modality.eq(&treatment.modality),
            treatments::device.eq(&treatment.device),
            treatments::needle_depth_um.eq(treatment.needle_depth_um),
            treatments::products.eq(&treatment.products),
            treatments::session_number.eq(treatment.session_number),
            treatments::notes.eq(&treatment.notes),
            treatments::version.eq(treatment.version),
            treatments::confirmed_at.eq(treatment.confirmed_at),
            treatments::ended_at.eq(treatment.ended_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Counts one more outcome or check-in, so that whoever holds something computed from them knows.
pub async fn update_activity(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<()> {
    diesel::update(treatments::table.find((clinic_id, id)))
        .set(treatments::activity.eq(treatments::activity + 1))
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether this is a membership of somebody who works at the clinic.
pub async fn is_staff(conn: &mut AsyncPgConnection, clinic_id: Uuid, membership_id: Uuid) -> QueryResult<bool> {
    let staff = memberships::table
        .find((clinic_id, membership_id))
        .filter(memberships::role.ne("patient").and(memberships::removed_at.is_null()));
    diesel::select(diesel::dsl::exists(staff)).get_result(conn).await
}

/// What came of an insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// It is there now.
    New,
    /// The patient has one of this area within a day.
    Neighbour,
    /// Another treatment of the clinic has the id.
    IdTaken,
}

/// Adds a treatment, unless its id is in use or (with `alone`) the patient has one of the same area within a day that
/// was not cancelled. The patient's plan must be locked, so that two requests cannot both find nothing.
pub async fn insert_unless_there(
    conn: &mut AsyncPgConnection,
    treatment: &Treatment,
    alone: bool,
) -> QueryResult<Inserted> {
    let day = TimeDelta::days(1);
    let neighbour = treatments::patient_id
        .eq(treatment.patient_id)
        .and(treatments::area.eq(&treatment.area))
        .and(treatments::status.ne("cancelled"))
        .and(treatments::performed_at.gt(treatment.performed_at - day))
        .and(treatments::performed_at.lt(treatment.performed_at + day));
    let others: Vec<Uuid> = treatments::table
        .filter(treatments::clinic_id.eq(treatment.clinic_id))
        .filter(treatments::id.eq(treatment.id).or(neighbour))
        .select(treatments::id)
        .load(conn)
        .await?;
    if others.contains(&treatment.id) {
        return Ok(Inserted::IdTaken);
    }
    if alone && !others.is_empty() {
        return Ok(Inserted::Neighbour);
    }
    diesel::insert_into(treatments::table).values(treatment).execute(conn).await?;
    Ok(Inserted::New)
}
