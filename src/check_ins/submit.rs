//! Submitting a check-in: one transaction in which the person's plan is locked, the report is judged and kept, flags are
//! raised, staff are told, the plan is made anew and the deed is recorded.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::raise;
use super::read::{self, Answer};
use super::store::{self, CheckIn, Manner};
use super::words::TRIAGE_OFF;
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::db::{DbError, Lock, Scope};
use crate::domain::protocol::{Level, ProtocolVersion};
use crate::domain::symptoms::Symptoms;
use crate::domain::triage::{Context, triage};
use crate::flags;
use crate::planning::{self, PlanningError, Tools, through_planning};
use crate::protocols::CatalogueError;
use crate::treatments::store::{self as treatments, Treatment};

/// How far a phone's clock may be off.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);

/// How many check-ins a treatment takes: ten a day for longer than any protocol lasts.
pub const MOST: i64 = 1_000;

/// Why a check-in was not taken or cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The id is another check-in's.
    #[error("the id is taken")]
    IdTaken,
    /// The treatment was cancelled.
    #[error("the treatment was cancelled")]
    Cancelled,
    /// The treatment has as many check-ins as it may have.
    #[error("too many check-ins")]
    TooMany,
    /// It was recorded before the treatment took place.
    #[error("recorded before the treatment")]
    TooEarly,
    /// There is no such treatment, it is not the caller's, or its plan cannot be made.
    #[error(transparent)]
    Planning(#[from] PlanningError),
}

through_planning!(SubmitError: diesel::result::Error, DbError, CatalogueError, anyhow::Error);

/// A check-in to be taken.
#[derive(Debug, Clone)]
pub struct NewCheckIn {
    /// Chosen by the app or the server.
    pub id: Uuid,
    /// By the phone's clock.
    pub recorded_at: DateTime<Utc>,
    /// The answers.
    pub symptoms: Symptoms,
    /// In the person's own words.
    pub note: Option<String>,
}

/// Takes a check-in. The same one sent again changes nothing and gets the answer anew.
pub async fn submit(
    tools: Tools<'_>,
    caller: &Caller,
    treatment_id: Uuid,
    new: NewCheckIn,
) -> Result<Answer, SubmitError> {
    tools
        .db
        .scoped_under(Scope::Clinic(caller.clinic_id), Lock::PatientOf(caller.clinic_id, treatment_id), async |conn| {
            let person = planning::locked_of(conn, caller.clinic_id, treatment_id).await?;
            let treatment = read::visible(conn, caller, treatment_id).await?;
            let manner = store::find_manner(conn, caller.clinic_id, caller.user_id).await?;
            if let Some(there) = store::find_check_in(conn, caller.clinic_id, new.id).await? {
                if !is_same(&there, caller, treatment_id, &new) {
                    return Err(SubmitError::IdTaken);
                }
                // It is answered all the same: without an entry this would be a way to read it unseen.
                let entry = Entry::by(caller, "check_in.read", "check_in", there.id).about(there.patient_id);
                audit::record(conn, tools.clocks, entry).await?;
                return read::answer(conn, tools, caller, &treatment, manner, there).await;
            }
            if treatment.status == "cancelled" {
                return Err(SubmitError::Cancelled);
            }
            if store::count_check_ins(conn, caller.clinic_id, treatment_id).await? >= MOST {
                return Err(SubmitError::TooMany);
            }
            if new.recorded_at < treatment.performed_at - SKEW {
                return Err(SubmitError::TooEarly);
            }
            let version = tools.catalogue.version(conn, treatment.protocol_version_id).await?;
            let check_in = take(conn, tools, caller, &treatment, &version, &manner, &new).await?;
            treatments::update_activity(conn, caller.clinic_id, treatment_id).await?;
            person.replan(conn, tools.catalogue, check_in.received_at).await?;
            let entry = Entry::by(caller, "check_in.create", "check_in", check_in.id).about(check_in.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            read::answer(conn, tools, caller, &treatment, manner, check_in).await
        })
        .await
}

/// Whether this is the same check-in, sent again.
fn is_same(there: &CheckIn, caller: &Caller, treatment_id: Uuid, new: &NewCheckIn) -> bool {
    let symptoms = serde_json::from_value::<Symptoms>(there.symptoms.clone());
    there.treatment_id == treatment_id
        && there.entered_by == caller.user_id
        && there.recorded_at == new.recorded_at
        && there.note == new.note
        && symptoms.is_ok_and(|symptoms| symptoms == new.symptoms)
}

/// Judges the report and keeps it with all that follows from it.
async fn take(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    caller: &Caller,
    treatment: &Treatment,
    version: &ProtocolVersion,
    manner: &Manner,
    new: &NewCheckIn,
) -> Result<CheckIn, SubmitError> {
    let there = flags::store::list_of_treatment(conn, caller.clinic_id, treatment.id).await?;
    let before = store::find_symptoms_before(conn, caller.clinic_id, treatment.id, new.recorded_at).await?;
    let previous: Option<Symptoms> = before.and_then(|before| serde_json::from_value(before).ok());
    let resolved = raise::resolved(&there);
    let context = Context {
        performed_at: treatment.performed_at,
        recorded_at: new.recorded_at,
        previous: previous.as_ref(),
        resolved: &resolved,
    };
    let found = manner.triage_enabled.then(|| triage(version, &new.symptoms, &context));
    let check_in = CheckIn {
        clinic_id: caller.clinic_id,
        id: new.id,
        treatment_id: treatment.id,
        patient_id: treatment.patient_id,
        recorded_at: new.recorded_at,
        received_at: tools.clocks.care.now(),
        symptoms: serde_json::to_value(&new.symptoms).map_err(anyhow::Error::from)?,
        note: new.note.clone(),
        level: found.as_ref().map_or(Level::None, |found| found.level).as_str().to_owned(),
        advice: found.as_ref().map_or_else(|| vec![TRIAGE_OFF.to_owned()], |found| found.advice.clone()),
        entered_by: caller.user_id,
    };
    // The id may have been taken meanwhile for another patient, whose plan is not locked here.
    if !store::insert_check_in(conn, &check_in).await? {
        return Err(SubmitError::IdTaken);
    }
    let raised = found.map(|found| found.flags).unwrap_or_default();
    let news = raise::raise(conn, tools, &check_in, &there, &raised).await?;
    raise::tell(conn, tools, &check_in, &news).await?;
    Ok(check_in)
}
