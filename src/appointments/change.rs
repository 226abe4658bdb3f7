//! Setting, moving and calling off an appointment, in one transaction each: the patient's plan is locked, the appointment
//! is written, everything the person is owed is planned anew, the deed is recorded.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};
use chrono_tz::Tz;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, Appointment};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::courses;
use crate::db::{DbError, Lock, Scope};
use crate::domain::appointment::AppointmentKind;
use crate::domain::local_time::{ZoneHistory, local};
use crate::domain::protocol::DayTime;
use crate::patients;
use crate::planning::{self, PlanningError, Tools, through_planning};
use crate::protocols::CatalogueError;

/// How far ahead an appointment may be set.
const FURTHEST: TimeDelta = TimeDelta::days(2 * 366);

/// How many appointments a patient has at most, over the years and cancelled ones included.
pub const MOST: usize = 500;

/// Why an appointment was not written.
#[derive(Debug, thiserror::Error)]
pub enum AppointmentError {
    /// The id is another appointment's.
    #[error("the id is taken")]
    IdTaken,
    /// It was called off.
    #[error("the appointment was cancelled")]
    Cancelled,
    /// The patient has as many as anybody may have.
    #[error("too many appointments")]
    TooMany,
    /// The caller saw another version.
    #[error("the appointment has changed")]
    Changed,
    /// A value does not fit what is there.
    #[error("{pointer}: {detail}")]
    Invalid {
        /// JSON pointer.
        pointer: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// There is no such appointment or patient, or it cannot be planned.
    #[error(transparent)]
    Planning(#[from] PlanningError),
}

through_planning!(AppointmentError: diesel::result::Error, DbError, CatalogueError, anyhow::Error);

fn invalid(pointer: &'static str, detail: impl Into<String>) -> AppointmentError {
    AppointmentError::Invalid { pointer, detail: detail.into() }
}

/// An appointment to be set, in the clinic's local time.
#[derive(Debug, Clone)]
pub struct NewAppointment {
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// With whom.
    pub patient_id: Uuid,
    /// What for.
    pub kind: AppointmentKind,
    /// The course that a session belongs to.
    pub course_id: Option<Uuid>,
    /// The day.
    pub date: NaiveDate,
    /// The time of day.
    pub time: DayTime,
    /// How long it takes.
    pub minutes: i32,
    /// What the patient should know.
    pub note: Option<String>,
}

/// What is to be different; what is absent stays.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    /// Another day.
    pub date: Option<NaiveDate>,
    /// Another time of day.
    pub time: Option<DayTime>,
    /// Another length.
    pub minutes: Option<i32>,
    /// Another note, or none.
    pub note: Option<Option<String>>,
}

/// What becomes of an appointment.
#[derive(Debug, Clone)]
pub enum Change {
    /// Other details; another time moves it.
    Edit(Edits),
    /// It is called off.
    Cancel,
}

/// Sets an appointment. The same one sent again is the answer to itself.
pub async fn create(tools: Tools<'_>, caller: &Caller, new: NewAppointment) -> Result<Appointment, AppointmentError> {
    let (clinic, now) = (caller.clinic_id, tools.clocks.care.now());
    let work = async |conn: &mut AsyncPgConnection| {
        let zone = zone(conn, clinic).await?;
        let appointment = Appointment {
            clinic_id: clinic,
            id: new.id,
            patient_id: new.patient_id,
            course_id: new.course_id,
            kind: new.kind.as_str().to_owned(),
            status: SET.to_owned(),
            starts_at: instant(zone, new.date, new.time)?,
            minutes: new.minutes,
            time_zone: zone.name().to_owned(),
            note: new.note.clone(),
            announced_no: 1,
            announced_at: now,
            version: 1,
            created_by: caller.user_id,
            created_at: now,
        };
        if let Some(there) = there(conn, &appointment).await? {
            // It is answered all the same: without an entry this would be a way to read it unseen.
            let entry = Entry::by(caller, "appointment.read", "appointment", there.id).about(there.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            return Ok(there);
        }
        check_time(appointment.starts_at, now)?;
        check_course(conn, &appointment).await?;
        patients::store::find_patient(conn, clinic, new.patient_id).await?;
        // The id may have been taken meanwhile for another patient, whose plan is not locked here.
        if !store::insert_appointment(conn, &appointment).await? {
            return Err(AppointmentError::IdTaken);
        }
        // The person is read only now, under the lock that was taken first, so that the plan knows of the appointment.
        let person = planning::locked(conn, clinic, new.patient_id).await?;
        if person.appointments.len() > MOST {
            return Err(AppointmentError::TooMany);
        }
        person.replan(conn, tools.catalogue, now).await?;
        let entry = Entry::by(caller, "appointment.create", "appointment", appointment.id).about(new.patient_id);
        audit::record(conn, tools.clocks, entry).await?;
        Ok(appointment)
    };
    tools.db.scoped_under(Scope::Clinic(clinic), Lock::Patient(clinic, new.patient_id), work).await
}

/// The appointment that the same request made before. Once it was changed, nobody can tell what that asked for.
async fn there(conn: &mut AsyncPgConnection, wanted: &Appointment) -> Result<Option<Appointment>, AppointmentError> {
    use diesel::OptionalExtension;
    let found = store::find_appointment(conn, wanted.clinic_id, wanted.id).await.optional()?;
    let whose = |one: &Appointment| (one.patient_id, one.kind.clone(), one.created_by);
    let what = |one: &Appointment| (one.course_id, one.starts_at, one.minutes, one.note.clone());
    let same = |there: &Appointment| {
        whose(there) == whose(wanted) && (there.version > wanted.version || what(there) == what(wanted))
    };
    match found {
        Some(there) if !same(&there) => Err(AppointmentError::IdTaken),
        found => Ok(found),
    }
}

/// Changes an appointment of which the caller saw a version that `seen` accepts.
pub async fn change(
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    seen: impl Fn(i32) -> bool,
    change: Change,
) -> Result<Appointment, AppointmentError> {
    let (clinic, now) = (caller.clinic_id, tools.clocks.care.now());
    let work = async |conn: &mut AsyncPgConnection| {
        let patient_id = store::find_appointment(conn, clinic, id).await?.patient_id;
        planning::lock(conn, clinic, patient_id).await?;
        let before = store::find_appointment(conn, clinic, id).await?;
        if !seen(before.version) {
            return Err(AppointmentError::Changed);
        }
        let zone = zone(conn, clinic).await?;
        let mut after = apply(before.clone(), &change, zone, now)?;
        if after == before {
            // It is answered all the same: without an entry this would be a way to read it unseen.
            let entry = Entry::by(caller, "appointment.read", "appointment", id).about(patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            return Ok(before);
        }
        after.version += 1;
        store::update_appointment(conn, &after).await?;
        // Read again, so that the plan knows of the change.
        planning::locked(conn, clinic, patient_id).await?.replan(conn, tools.catalogue, now).await?;
        let action = match change {
            Change::Edit(_) => "appointment.update",
            Change::Cancel => "appointment.cancel",
        };
        audit::record(conn, tools.clocks, Entry::by(caller, action, "appointment", id).about(patient_id)).await?;
        Ok(after)
    };
    tools.db.scoped(Scope::Clinic(clinic), work).await
}

const SET: &str = "set";
const CANCELLED: &str = "cancelled";

fn apply(
    mut appointment: Appointment,
    change: &Change,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<Appointment, AppointmentError> {
    let cancelled = appointment.status == CANCELLED;
    match change {
        Change::Cancel if cancelled => return Ok(appointment),
        Change::Cancel => {
            CANCELLED.clone_into(&mut appointment.status);
            announce(&mut appointment, now);
        }
        Change::Edit(_) if cancelled => return Err(AppointmentError::Cancelled),
        Change::Edit(edits) => {
            appointment.minutes = edits.minutes.unwrap_or(appointment.minutes);
            appointment.note = edits.note.clone().unwrap_or(appointment.note);
            if edits.date.is_some() || edits.time.is_some() {
                // What is absent stays as it was shown, by the clock that the clinic had then.
                let then: Tz = appointment.time_zone.parse().unwrap_or(zone);
                let shown = appointment.starts_at.with_timezone(&then).naive_local();
                let minutes = u16::try_from(shown.num_seconds_from_midnight() / 60).unwrap_or_default();
                let time = edits.time.or_else(|| DayTime::from_minutes(minutes)).unwrap_or_default();
                move_to(&mut appointment, zone, instant(zone, edits.date.unwrap_or(shown.date()), time)?, now)?;
            }
        }
    }
    Ok(appointment)
}

fn move_to(
    appointment: &mut Appointment,
    zone: Tz,
    starts_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), AppointmentError> {
    if appointment.starts_at == starts_at {
        return Ok(());
    }
    check_time(starts_at, now)?;
    appointment.starts_at = starts_at;
    zone.name().clone_into(&mut appointment.time_zone);
    announce(appointment, now);
    Ok(())
}

fn announce(appointment: &mut Appointment, now: DateTime<Utc>) {
    appointment.announced_no += 1;
    appointment.announced_at = now;
}

async fn zone(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> Result<Tz, AppointmentError> {
    let name = store::find_zone(conn, clinic_id).await?;
    Ok(name.parse::<Tz>().context("the clinic's time zone is unknown")?)
}

/// The instant of a local time at the clinic. One that no clock shows there is nobody's appointment.
fn instant(zone: Tz, date: NaiveDate, time: DayTime) -> Result<DateTime<Utc>, AppointmentError> {
    let at = ZoneHistory::fixed(zone).instant_on(date, time);
    if at.with_timezone(&zone).naive_local() == local(date, time) {
        Ok(at)
    } else {
        Err(invalid("/time", format!("does not exist on that day in {zone}: clocks are put forward over it")))
    }
}

fn check_time(starts_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), AppointmentError> {
    if starts_at <= now {
        Err(invalid("/date", "lies in the past"))
    } else if starts_at > now + FURTHEST {
        Err(invalid("/date", "lies more than two years ahead"))
    } else {
        Ok(())
    }
}

async fn check_course(conn: &mut AsyncPgConnection, appointment: &Appointment) -> Result<(), AppointmentError> {
    let Some(id) = appointment.course_id else { return Ok(()) };
    let found = courses::store::find_with_sessions(conn, appointment.clinic_id, id).await?;
    match found.filter(|(course, _)| course.patient_id == appointment.patient_id) {
        None => Err(invalid("/course_id", "is no course of this patient")),
        Some((course, _)) if course.ended_at.is_some() => {
            Err(invalid("/course_id", "names a course that was completed or cancelled"))
        }
        Some(_) => Ok(()),
    }
}
