//! SQL over `appointments`. The clinic is always the first thing asked for.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{appointments, clinics};

/// An appointment as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = appointments)]
pub struct Appointment {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// With whom.
    pub patient_id: Uuid,
    /// The course that a session belongs to.
    pub course_id: Option<Uuid>,
    /// `session` or `follow_up`.
    pub kind: String,
    /// `set` or `cancelled`.
    pub status: String,
    /// When it begins.
    pub starts_at: DateTime<Utc>,
    /// How long it takes.
    pub minutes: i32,
    /// IANA zone in which its times are told.
    pub time_zone: String,
    /// What the patient should know.
    pub note: Option<String>,
    /// Counts what the patient is to be told of it.
    pub announced_no: i32,
    /// When it was last set, moved or cancelled.
    pub announced_at: DateTime<Utc>,
    /// Counts edits.
    pub version: i32,
    /// Who set it.
    pub created_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// One appointment of the clinic.
pub async fn find_appointment(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Appointment> {
    appointments::table.find((clinic_id, id)).select(Appointment::as_select()).first(conn).await
}

/// Which appointments a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only this patient's.
    pub patient_id: Option<Uuid>,
    /// Only those that begin at this moment or later.
    pub from: Option<DateTime<Utc>>,
    /// Only those that begin before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// Where a page of appointments begins: the earliest first.
pub type Position = (DateTime<Utc>, Uuid);

/// Appointments of the clinic in order of time; `limit` rows after `after`.
pub async fn list_appointments(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    filter: Filter,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<Appointment>> {
    let mut query = appointments::table
        .filter(appointments::clinic_id.eq(clinic_id))
        .select(Appointment::as_select())
        .order((appointments::starts_at, appointments::id))
        .limit(limit)
        .into_boxed();
    if let Some(patient_id) = filter.patient_id {
        query = query.filter(appointments::patient_id.eq(patient_id));
    }
    if let Some(from) = filter.from {
        query = query.filter(appointments::starts_at.ge(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(appointments::starts_at.lt(to));
    }
    if let Some((at, id)) = after {
        let later = appointments::starts_at.gt(at).or(appointments::starts_at.eq(at).and(appointments::id.gt(id)));
        query = query.filter(later);
    }
    query.load(conn).await
}

/// Those of these appointments that are the patient's, in no particular order.
pub async fn list_named(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    ids: &[Uuid],
) -> QueryResult<Vec<Appointment>> {
    appointments::table
        .filter(appointments::clinic_id.eq(clinic_id).and(appointments::patient_id.eq(patient_id)))
        .filter(appointments::id.eq_any(ids))
        .select(Appointment::as_select())
        .load(conn)
        .await
}

/// Adds an appointment; `false` if its id is in use at this clinic.
pub async fn insert_appointment(conn: &mut AsyncPgConnection, appointment: &Appointment) -> QueryResult<bool> {
    let insert = diesel::insert_into(appointments::table).values(appointment).on_conflict_do_nothing();
    Ok(insert.execute(conn).await? == 1)
}

/// Writes what an edit or a cancellation changed.
pub async fn update_appointment(conn: &mut AsyncPgConnection, appointment: &Appointment) -> QueryResult<()> {
    diesel::update(appointments::table.find((appointment.clinic_id, appointment.id)))
        .set((
            appointments::course_id.eq(appointment.course_id),
            appointments::status.eq(&appointment.status),
            appointments::starts_at.eq(appointment.starts_at),
            appointments::minutes.eq(appointment.minutes),
            appointments::time_zone.eq(&appointment.time_zone),
            appointments::note.eq(&appointment.note),
            appointments::announced_no.eq(appointment.announced_no),
            appointments::announced_at.eq(appointment.announced_at),
            appointments::version.eq(appointment.version),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The clinic's zone.
pub async fn find_zone(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<String> {
    clinics::table.find(clinic_id).select(clinics::time_zone).first(conn).await
}

/// Calls off what is ahead of a course's sessions; returns their ids.
pub async fn cancel_sessions(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    course_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let ahead = appointments::table
        .filter(appointments::clinic_id.eq(clinic_id).and(appointments::course_id.eq(course_id)))
        .filter(appointments::status.eq("set").and(appointments::starts_at.gt(now)));
    diesel::update(ahead)
        .set((
            appointments::status.eq("cancelled"),
            appointments::announced_no.eq(appointments::announced_no + 1),
            appointments::announced_at.eq(now),
            appointments::version.eq(appointments::version + 1),
        ))
        .returning(appointments::id)
        .get_results(conn)
        .await
}
