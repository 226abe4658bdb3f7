//! SQL over `treatments`. The clinic is always the first thing asked for.

mod changes;
mod treated;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Date, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

pub use changes::{TreatmentChange, insert_changes, list_transfers};
pub use treated::{Treated, list_treated};

use crate::db::hot::hot_query;
use crate::schema::{memberships, treatments};

/// A treatment as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
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
    /// When it was last moved to another day.
    pub moved_at: Option<DateTime<Utc>>,
    /// The pinned protocol version.
    pub protocol_version_id: Uuid,
    /// Why the protocol is used outside what it was written for.
    pub protocol_reason: Option<String>,
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
    /// The course it is a session of.
    pub course_id: Option<Uuid>,
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

/// Those of these treatments that are the patient's, in no particular order.
pub async fn list_named(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    ids: &[Uuid],
) -> QueryResult<Vec<Treatment>> {
    treatments::table
        .filter(treatments::clinic_id.eq(clinic_id).and(treatments::patient_id.eq(patient_id)))
        .filter(treatments::id.eq_any(ids))
        .select(Treatment::as_select())
        .load(conn)
        .await
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
            treatments::counts_from.eq(treatment.counts_from),
            treatments::moved_at.eq(treatment.moved_at),
            treatments::protocol_reason.eq(&treatment.protocol_reason),
            treatments::modality.eq(&treatment.modality),
            treatments::device.eq(&treatment.device),
            treatments::needle_depth_um.eq(treatment.needle_depth_um),
            treatments::products.eq(&treatment.products),
            treatments::session_number.eq(treatment.session_number),
            treatments::notes.eq(&treatment.notes),
            treatments::version.eq(treatment.version),
            treatments::confirmed_at.eq(treatment.confirmed_at),
            treatments::ended_at.eq(treatment.ended_at),
            treatments::course_id.eq(treatment.course_id),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether the patient has another treatment of the same area within a day that was not cancelled.
pub async fn has_neighbour(conn: &mut AsyncPgConnection, clinic_id: Uuid, treatment: &Treatment) -> QueryResult<bool> {
    let day = TimeDelta::days(1);
    let neighbours = treatments::table
        .filter(treatments::clinic_id.eq(clinic_id).and(treatments::patient_id.eq(treatment.patient_id)))
        .filter(treatments::id.ne(treatment.id).and(treatments::area.eq(&treatment.area)))
        .filter(treatments::status.ne("cancelled"))
        .filter(treatments::performed_at.gt(treatment.performed_at - day))
        .filter(treatments::performed_at.lt(treatment.performed_at + day));
    diesel::select(diesel::dsl::exists(neighbours)).get_result(conn).await
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
    /// The patient has [`MOST_TREATMENTS`].
    TooMany,
}

/// How many treatments a patient has at most at one clinic, cancelled ones included.
pub const MOST_TREATMENTS: i64 = 500;

hot_query! {
    struct InsertTreatment {
        clinic_id: Uuid as SqlUuid,
        id: Uuid as SqlUuid,
        patient_id: Uuid as SqlUuid,
        clinician_id: Option<Uuid> as Nullable<SqlUuid>,
        status: String as Text,
        performed_at: DateTime<Utc> as Timestamptz,
        anchor_on: NaiveDate as Date,
        counts_from: DateTime<Utc> as Timestamptz,
        protocol_version_id: Uuid as SqlUuid,
        area: String as Text,
        modality: String as Text,
        device: Option<String> as Nullable<Text>,
        needle_depth_um: Option<i32> as Nullable<Int4>,
        products: Vec<String> as Array<Text>,
        session_number: Option<i32> as Nullable<Int4>,
        notes: Option<String> as Nullable<Text>,
        created_by: Uuid as SqlUuid,
        created_at: DateTime<Utc> as Timestamptz,
        confirmed_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        alone: bool as Bool,
        protocol_reason: Option<String> as Nullable<Text>,
        course_id: Option<Uuid> as Nullable<SqlUuid>,
        most: i64 as Int8,
    }
    returns (Bool, Bool, Bool);
    ", others AS (
        SELECT id FROM treatments
         WHERE clinic_id = $1 AND (id = $2 OR ($20 AND patient_id = $3 AND area = $10 AND status <> 'cancelled'
               AND performed_at > $6 - interval '1 day' AND performed_at < $6 + interval '1 day'))
    ), room AS (
        SELECT count(*) < $23 AS is_left FROM treatments WHERE clinic_id = $1 AND patient_id = $3
    ), inserted AS (
        INSERT INTO treatments (clinic_id, id, patient_id, clinician_id, status, performed_at, anchor_on, counts_from,
            protocol_version_id, area, modality, device, needle_depth_um, products, session_number, notes, created_by,
            created_at, confirmed_at, protocol_reason, course_id, version, plan_revision, activity, done_w, on_time_w)
        SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $21, $22, 1, 0, 0, 0, 0
         WHERE NOT EXISTS (SELECT 1 FROM others) AND (SELECT is_left FROM room)
        RETURNING 1
    )
    SELECT EXISTS (SELECT 1 FROM inserted), EXISTS (SELECT 1 FROM others WHERE id = $2), EXISTS (SELECT 1 FROM others)"
}

/// Adds a treatment, unless its id is in use or (with `alone`) the patient has one of the same area within a day that
/// was not cancelled. The patient's plan must be locked, so that two requests cannot both find nothing.
pub async fn insert_unless_there(
    conn: &mut AsyncPgConnection,
    treatment: &Treatment,
    alone: bool,
) -> QueryResult<Inserted> {
    let new = treatment.clone();
    let query = InsertTreatment {
        clinic_id: new.clinic_id,
        id: new.id,
        patient_id: new.patient_id,
        clinician_id: new.clinician_id,
        status: new.status,
        performed_at: new.performed_at,
        anchor_on: new.anchor_on,
        counts_from: new.counts_from,
        protocol_version_id: new.protocol_version_id,
        area: new.area,
        modality: new.modality,
        device: new.device,
        needle_depth_um: new.needle_depth_um,
        products: new.products,
        session_number: new.session_number,
        notes: new.notes,
        created_by: new.created_by,
        created_at: new.created_at,
        confirmed_at: new.confirmed_at,
        alone,
        protocol_reason: new.protocol_reason,
        course_id: new.course_id,
        most: MOST_TREATMENTS,
    };
    let (inserted, taken, in_the_way): (bool, bool, bool) = query.get_result(conn).await?;
    Ok(match (inserted, taken, in_the_way) {
        (true, ..) => Inserted::New,
        (false, true, _) => Inserted::IdTaken,
        (false, false, true) => Inserted::Neighbour,
        (false, false, false) => Inserted::TooMany,
    })
}
