//! Everything that a treatment's bundle is made of, read in one transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::alerts::routes::reminders_of;
use crate::alerts::routes::view::AlertView;
use crate::app::State;
use crate::appointments::store::{self as appointments, Appointment, Filter};
use crate::auth::extract::Caller;
use crate::check_ins::store::{self as check_ins, Manner};
use crate::courses::store::{self as courses, CourseRow};
use crate::db::Scope;
use crate::domain::protocol::ProtocolVersion;
use crate::domain::role::Role;
use crate::error::ApiError;
use crate::excuses::store::{self as excuses, ExcuseRow};
use crate::language::Wanted;
use crate::protocols::Accepted;
use crate::recovery::{Recovery, find_recovery};
use crate::treatments::store::{self as treatments, Treatment};

/// The most appointments of a bundle, the next ones first.
const MOST_APPOINTMENTS: i64 = 100;

/// What a bundle is made of.
#[derive(Debug)]
pub struct Gathered {
    /// Where the recovery stands.
    pub recovery: Recovery,
    /// What it follows.
    pub version: Arc<ProtocolVersion>,
    /// The languages that the clinic accepted.
    pub accepted: Accepted,
    /// The treatment.
    pub treatment: Treatment,
    /// How the clinic handles check-ins.
    pub manner: Manner,
    /// Every check-in and when it was recorded.
    pub reports: Vec<(Uuid, DateTime<Utc>)>,
    /// What the clinic excused.
    pub excuses: Vec<ExcuseRow>,
    /// The patient's appointments since the treatment.
    pub appointments: Vec<Appointment>,
    /// The course that it is a session of.
    pub course: Option<CourseRow>,
    /// What the patient is still to be told of it; for the patient alone.
    pub reminders: Option<Vec<AlertView>>,
    /// The moment.
    pub now: DateTime<Utc>,
    /// Who reads it.
    pub for_staff: bool,
}

/// Reads it for somebody who may see the treatment; any other is not found.
pub async fn gather(state: &State, caller: &Caller, id: Uuid, wanted: &Wanted) -> Result<Gathered, ApiError> {
    let clinic = caller.clinic_id;
    let now = state.clocks.care.now();
    let read = async |conn: &mut AsyncPgConnection| {
        let mut recovery = find_recovery(conn, caller, id).await?;
        let version = recovery.version(conn, &state.protocols, clinic).await?;
        let treatment = treatments::find_treatment(conn, clinic, id).await?;
        let since = Filter { patient_id: Some(treatment.patient_id), from: Some(treatment.performed_at), to: None };
        let course = match treatment.course_id {
            Some(course) => Some(courses::find_row(conn, clinic, course, now).await?),
            None => None,
        };
        let reminders = match caller.role {
            Role::Patient => Some(reminders_of(state, conn, caller, wanted, id).await?),
            Role::Clinician | Role::Administrator => None,
        };
        Ok::<_, ApiError>(Gathered {
            accepted: Accepted::by(conn, clinic).await?,
            manner: check_ins::find_manner(conn, clinic, caller.user_id).await?,
            reports: check_ins::list_recorded(conn, clinic, id).await?,
            excuses: excuses::list_excuses(conn, clinic, id).await?,
            appointments: appointments::list_appointments(conn, clinic, since, None, MOST_APPOINTMENTS).await?,
            recovery,
            version,
            treatment,
            course,
            reminders,
            now,
            for_staff: caller.role.is_staff(),
        })
    };
    state.db.scoped(Scope::Clinic(clinic), read).await
}
