//! Changing a treatment, in one transaction: the patient's plan is locked, the treatment is written, everything the person
//! is owed is planned anew, the deed is recorded.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::course::{check_course, sessions};
use super::details::Details;
use super::plan::{anchor, check_clinician, check_fit, looked_at};
use super::refusal::TreatmentError;
use super::store::{self, Treatment};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::db::{Lock, Scope};
use crate::domain::role::Role;
use crate::planning::{self, Person, PlanningError, Tools};

/// What becomes of a treatment.
#[derive(Debug, Clone)]
pub enum Change {
    /// Other details; another `performed_at` moves the whole plan.
    Edit {
        /// What is recorded from now on.
        details: Box<Details>,
        /// A second one of the same area within a day is meant.
        allow_duplicate: bool,
    },
    /// The clinic says that it was so.
    Confirm,
    /// The plan is over.
    Complete,
    /// It never was, or is not to be followed.
    Cancel,
}

impl Change {
    fn action(&self) -> &'static str {
        match self {
            Self::Edit { .. } => "treatment.update",
            Self::Confirm => "treatment.confirm",
            Self::Complete => "treatment.complete",
            Self::Cancel => "treatment.cancel",
        }
    }
}

/// Changes a treatment of which the caller saw `seen` (any version, where absent).
pub async fn change(
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    seen: Option<i32>,
    change: Change,
) -> Result<Treatment, TreatmentError> {
    let now = tools.clocks.care.now();
    tools
        .db
        .scoped_under(Scope::Clinic(caller.clinic_id), Lock::PatientOf(caller.clinic_id, id), async |conn| {
            let person = planning::locked_of(conn, caller.clinic_id, id).await?;
            let before = store::find_treatment(conn, caller.clinic_id, id).await?;
            permit(caller, &before)?;
            if seen.is_some_and(|seen| seen != before.version) {
                return Err(TreatmentError::Changed);
            }
            let Some(after) = apply(before.clone(), &person, &change, now)? else {
                return looked_at(conn, tools, caller, before).await;
            };
            if let Change::Edit { details, allow_duplicate } = &change {
                let version = tools.catalogue.version(conn, before.protocol_version_id).await?;
                check_fit(&version, details)?;
                check_clinician(conn, caller, details.clinician_id).await?;
                let elsewhere = (after.performed_at, &after.area) != (before.performed_at, &before.area);
                check_course(conn, &after, before.course_id).await?;
                if elsewhere && !allow_duplicate && store::has_neighbour(conn, caller.clinic_id, &after).await? {
                    return Err(TreatmentError::Duplicate);
                }
            }
            store::update_treatment(conn, &after).await?;
            for course in [before.course_id, after.course_id.filter(|course| before.course_id != Some(*course))] {
                sessions::count(conn, caller.clinic_id, course).await?;
            }
            person.replan(conn, tools.catalogue, now).await?;
            let entry = Entry::by(caller, change.action(), "treatment", id).about(after.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            Ok(store::find_treatment(conn, caller.clinic_id, id).await?)
        })
        .await
}

/// Staff may change any treatment of the clinic; a patient's app only its own that the clinic has not confirmed.
fn permit(caller: &Caller, treatment: &Treatment) -> Result<(), TreatmentError> {
    match caller.role {
        Role::Clinician | Role::Administrator => Ok(()),
        Role::Patient if caller.patient_id != Some(treatment.patient_id) => Err(PlanningError::NotFound.into()),
        Role::Patient if treatment.status == "unconfirmed" => Ok(()),
        Role::Patient => Err(TreatmentError::Confirmed),
    }
}

/// The treatment after the change; `None` where nothing changes.
fn apply(
    mut treatment: Treatment,
    person: &Person,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<Option<Treatment>, TreatmentError> {
    let done = match change {
        Change::Complete => treatment.status == "completed",
        Change::Cancel => treatment.status == "cancelled",
        Change::Confirm => treatment.status == "active",
        Change::Edit { details, .. } => **details == Details::of(&treatment),
    };
    if done {
        return Ok(None);
    }
    if !treatment.is_running() {
        return Err(TreatmentError::Ended);
    }
    match change {
        Change::Edit { details, .. } => {
            if treatment.performed_at != details.performed_at {
                treatment.performed_at = details.performed_at;
                let anchor_on = anchor(person, details.performed_at);
                if treatment.anchor_on != anchor_on {
                    // Every task is another day's now: what was said of it no longer fits, and counting begins anew.
                    (treatment.anchor_on, treatment.counts_from, treatment.moved_at) = (anchor_on, now, Some(now));
                }
            }
            treatment.protocol_reason.clone_from(&details.protocol_reason);
            treatment.area.clone_from(&details.area);
            treatment.modality.clone_from(&details.modality);
            treatment.device.clone_from(&details.device);
            treatment.needle_depth_um = details.needle_depth_um;
            treatment.products.clone_from(&details.products);
            treatment.course_id = details.course_id;
            treatment.session_number = details.session_number;
            treatment.clinician_id = details.clinician_id;
            treatment.notes.clone_from(&details.notes);
        }
        Change::Confirm => {
            "active".clone_into(&mut treatment.status);
            treatment.confirmed_at = Some(now);
        }
        Change::Complete => end(&mut treatment, "completed", now),
        Change::Cancel => end(&mut treatment, "cancelled", now),
    }
    treatment.version += 1;
    Ok(Some(treatment))
}

fn end(treatment: &mut Treatment, status: &str, now: DateTime<Utc>) {
    status.clone_into(&mut treatment.status);
    treatment.ended_at = Some(now);
}
