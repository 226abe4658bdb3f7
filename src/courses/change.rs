//! Planning, editing and ending a course, in one transaction each: the patient's plan is locked, the course is written, its
//! sessions are numbered, everything the person is owed is planned anew, the deed is recorded.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, Course};
use crate::appointments;
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::db::{DbError, Lock, Scope};
use crate::domain::course::{CourseStatus, Spacing};
use crate::domain::protocol::ProtocolVersion;
use crate::planning::{self, Person, PlanningError, Tools, through_planning};
use crate::protocols::{CatalogueError, Published};

/// How many courses a patient has at most at one clinic, ended ones included.
pub const MOST: i64 = 100;

/// Why a course was not written.
#[derive(Debug, thiserror::Error)]
pub enum CourseError {
    /// The id is another course's.
    #[error("the id is taken")]
    IdTaken,
    /// The patient has an open course of this area.
    #[error("there is an open course of this area")]
    OpenThere,
    /// The patient has [`MOST`].
    #[error("the patient has had {MOST} courses")]
    TooMany,
    /// It was completed or cancelled.
    #[error("the course has ended")]
    Ended,
    /// The caller saw another version.
    #[error("the course has changed")]
    Changed,
    /// A value does not fit what is there.
    #[error("{pointer}: {detail}")]
    Invalid {
        /// JSON pointer.
        pointer: &'static str,
        /// What is wrong.
        detail: &'static str,
    },
    /// There is no such course or patient, or it cannot be planned.
    #[error(transparent)]
    Planning(#[from] PlanningError),
}

through_planning!(CourseError: diesel::result::Error, DbError, CatalogueError);

/// A course to be planned. What is absent is as the protocol says.
#[derive(Debug, Clone)]
pub struct NewCourse {
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// Whose it is.
    pub patient_id: Uuid,
    /// Treated area.
    pub area: String,
    /// What may be edited later.
    pub plan: Edits,
}

/// What staff decide about a course; what is absent stays, or is as the protocol says.
#[derive(Debug, Clone, Default)]
pub struct Edits {
    /// The protocol of its sessions.
    pub protocol: Option<String>,
    /// How many sessions it is to have.
    pub planned_sessions: Option<i32>,
    /// How many of them took place before.
    pub earlier_sessions: Option<i32>,
    /// Days until the next is due.
    pub interval_min_days: Option<i32>,
    /// Days until it is overdue.
    pub interval_max_days: Option<i32>,
    /// Notes; an empty text takes them away.
    pub notes: Option<Option<String>>,
}

/// What becomes of a course.
#[derive(Debug, Clone)]
pub enum Change {
    /// Other figures.
    Edit(Edits),
    /// The clinic has ended it.
    Complete,
    /// It is not to be followed.
    Cancel,
}

impl Change {
    const fn action(&self) -> &'static str {
        match self {
            Self::Edit(_) => "course.update",
            Self::Complete => "course.complete",
            Self::Cancel => "course.cancel",
        }
    }
}

/// Plans a course. The same one sent again is the answer to itself.
pub async fn create(tools: Tools<'_>, caller: &Caller, new: NewCourse) -> Result<Uuid, CourseError> {
    let (clinic, now) = (caller.clinic_id, tools.clocks.care.now());
    let work = async |conn: &mut AsyncPgConnection| {
        let person = planning::locked(conn, clinic, new.patient_id).await?;
        let key = new.plan.protocol.as_deref().unwrap_or(&person.default_protocol);
        let published = newest(conn, tools, &person, key).await?;
        let course = draft(caller, &published.version, &new, now)?;
        if !store::insert_course(conn, &course).await? {
            let there = replayed(conn, clinic, &new).await?;
            return looked_at(conn, tools, caller, there, new.patient_id).await;
        }
        if store::count_courses(conn, clinic, new.patient_id).await? > MOST {
            return Err(CourseError::TooMany);
        }
        store::count(conn, clinic, Some(course.id)).await?;
        // A plan does not depend on a course without sessions.
        let entry = Entry::by(caller, "course.create", "course", course.id).about(course.patient_id);
        audit::record(conn, tools.clocks, entry).await?;
        Ok(course.id)
    };
    tools.db.scoped_under(Scope::Clinic(clinic), Lock::Patient(clinic, new.patient_id), work).await
}

/// One that is only answered: without an entry this would be a way to read it unseen.
async fn looked_at(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    patient_id: Uuid,
) -> Result<Uuid, CourseError> {
    audit::record(conn, tools.clocks, Entry::by(caller, "course.read", "course", id).about(patient_id)).await?;
    Ok(id)
}

/// What the clinic's treatments get under that name.
async fn newest(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    person: &Person,
    key: &str,
) -> Result<Published, CourseError> {
    tools.catalogue.newest(conn, person.clinic_id, key, &person.withdrawn).await?.ok_or(NO_PROTOCOL)
}

/// The id is in use by the same request sent again or by something else, or another course is open.
async fn replayed(conn: &mut AsyncPgConnection, clinic_id: Uuid, new: &NewCourse) -> Result<Uuid, CourseError> {
    match store::find_with_sessions(conn, clinic_id, new.id).await? {
        None => Err(CourseError::OpenThere),
        Some((there, _)) if is_same(&there, new) => Ok(there.id),
        Some(_) => Err(CourseError::IdTaken),
    }
}

/// Whether the course is what the request asked for. Once it was changed, nobody can tell what that was.
fn is_same(there: &Course, new: &NewCourse) -> bool {
    let asked = || edited(there.clone(), &new.plan).is_ok_and(|asked| asked == *there);
    (there.patient_id, &there.area) == (new.patient_id, &new.area) && (there.version > 1 || asked())
}

fn draft(
    caller: &Caller,
    protocol: &ProtocolVersion,
    new: &NewCourse,
    now: DateTime<Utc>,
) -> Result<Course, CourseError> {
    let series = protocol.structure.series.as_ref();
    let usual = series.map_or(Spacing { min_days: 28, max_days: 42 }, Spacing::usual);
    let course = Course {
        clinic_id: caller.clinic_id,
        id: new.id,
        patient_id: new.patient_id,
        status: CourseStatus::Planned.as_str().to_owned(),
        area: new.area.clone(),
        protocol_key: protocol.key().to_owned(),
        planned_sessions: series.map_or(3, |series| i32::from(series.sessions)),
        earlier_sessions: 0,
        interval_min_days: usual.min_days,
        interval_max_days: usual.max_days,
        notes: None,
        version: 1,
        created_by: caller.user_id,
        created_at: now,
        ended_at: None,
    };
    edited(course, &new.plan)
}

const NO_PROTOCOL: CourseError =
    CourseError::Invalid { pointer: "/protocol", detail: "is not a protocol of this clinic" };

/// The course with other figures, if they fit each other.
fn edited(mut course: Course, edits: &Edits) -> Result<Course, CourseError> {
    let Edits { protocol, planned_sessions, earlier_sessions, interval_min_days, interval_max_days, notes } =
        edits.clone();
    course.protocol_key = protocol.unwrap_or(course.protocol_key);
    course.planned_sessions = planned_sessions.unwrap_or(course.planned_sessions);
    course.earlier_sessions = earlier_sessions.unwrap_or(course.earlier_sessions);
    course.interval_min_days = interval_min_days.unwrap_or(course.interval_min_days);
    course.interval_max_days = interval_max_days.unwrap_or(course.interval_max_days);
    course.notes = notes.unwrap_or(course.notes);
    let unfit = |pointer, detail| Err(CourseError::Invalid { pointer, detail });
    if course.earlier_sessions >= course.planned_sessions {
        return unfit("/earlier_sessions", "must be less than the planned sessions");
    }
    if course.interval_max_days <= course.interval_min_days {
        return unfit("/interval_max_days", "must be more than interval_min_days");
    }
    Ok(course)
}

/// Changes a course of which the caller saw a version that `seen` accepts.
pub async fn change(
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    seen: impl Fn(i32) -> bool,
    change: Change,
) -> Result<(), CourseError> {
    let (clinic, now) = (caller.clinic_id, tools.clocks.care.now());
    let work = async |conn: &mut AsyncPgConnection| {
        let patient_id = store::find_course(conn, clinic, id).await?.patient_id;
        let person = planning::lock(conn, clinic, patient_id).await?;
        let before = store::find_course(conn, clinic, id).await?;
        if !seen(before.version) {
            return Err(CourseError::Changed);
        }
        if let Change::Edit(Edits { protocol: Some(key), .. }) = &change {
            newest(conn, tools, &person, key).await?;
        }
        let Some(after) = apply(before, &change, now)? else {
            return looked_at(conn, tools, caller, id, patient_id).await.map(drop);
        };
        store::update_course(conn, &after).await?;
        store::count(conn, clinic, Some(id)).await?;
        let entry = Entry::by(caller, change.action(), "course", id).about(patient_id);
        audit::record(conn, tools.clocks, entry).await?;
        let mut person = person;
        if after.ended_at.is_some() {
            for appointment in appointments::store::cancel_sessions(conn, clinic, id, now).await? {
                let entry = Entry::by(caller, "appointment.cancel", "appointment", appointment).about(patient_id);
                audit::record(conn, tools.clocks, entry).await?;
            }
            // Read again, so that the plan knows that they were called off.
            person = planning::locked(conn, clinic, patient_id).await?;
        }
        person.replan(conn, tools.catalogue, now).await?;
        Ok(())
    };
    tools.db.scoped(Scope::Clinic(clinic), work).await
}

/// The course after the change; `None` where nothing changes.
fn apply(before: Course, change: &Change, now: DateTime<Utc>) -> Result<Option<Course>, CourseError> {
    let mut after = match change {
        Change::Edit(edits) => edited(before.clone(), edits)?,
        Change::Complete => ended(before.clone(), CourseStatus::Completed, now),
        Change::Cancel => ended(before.clone(), CourseStatus::Cancelled, now),
    };
    let again = !matches!(change, Change::Edit(_)) && before.ended_at.is_some() && after.status == before.status;
    if again || after == before {
        return Ok(None);
    }
    if before.ended_at.is_some() {
        return Err(CourseError::Ended);
    }
    after.version += 1;
    Ok(Some(after))
}

fn ended(course: Course, status: CourseStatus, now: DateTime<Utc>) -> Course {
    Course { status: status.as_str().to_owned(), ended_at: Some(now), ..course }
}
