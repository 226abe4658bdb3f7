//! A clinician's decision that a condition has ended, or goes on: one transaction in which the patient's plan is locked, the
//! decision is kept, everything the person is owed is planned anew and the deed is recorded.

use uuid::Uuid;

use super::store::{self, ConditionDecision};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::db::{DbError, Lock, Scope};
use crate::planning::{self, PlanningError, Tools, through_planning};
use crate::protocols::CatalogueError;
use crate::treatments::store as treatments;

/// How many decisions a treatment has at most.
pub const MOST: i64 = 100;

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The id is another decision's.
    #[error("the id is taken")]
    IdTaken,
    /// The treatment was completed or cancelled.
    #[error("the treatment has ended")]
    Ended,
    /// It was decided on too often.
    #[error("too many decisions")]
    TooMany,
    /// There is no such treatment, its protocol has no such condition, or its plan cannot be made.
    #[error(transparent)]
    Planning(#[from] PlanningError),
}

through_planning!(DecideError: diesel::result::Error, DbError, CatalogueError);

/// What a clinician says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDecision {
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// It has ended, or it goes on.
    pub ended: bool,
    /// Why.
    pub reason: String,
}

/// Keeps the decision. The same one sent again changes nothing.
pub async fn decide(
    tools: Tools<'_>,
    caller: &Caller,
    treatment_id: Uuid,
    key: &str,
    new: NewDecision,
) -> Result<(), DecideError> {
    let clinic = caller.clinic_id;
    let work = async |conn: &mut diesel_async::AsyncPgConnection| {
        let person = planning::locked_of(conn, clinic, treatment_id).await?;
        let treatment = treatments::find_treatment(conn, clinic, treatment_id).await?;
        let version = tools.catalogue.version(conn, treatment.protocol_version_id).await?;
        if !version.structure.conditions.iter().any(|condition| condition.key == key) {
            return Err(PlanningError::NotFound.into());
        }
        let decision = ConditionDecision {
            clinic_id: clinic,
            id: new.id,
            treatment_id,
            condition_key: key.to_owned(),
            ended: new.ended,
            reason: new.reason.clone(),
            decided_by: caller.user_id,
            decided_at: tools.clocks.care.now(),
        };
        if let Some(there) = store::find_decision(conn, clinic, new.id).await? {
            let same = ConditionDecision { decided_at: there.decided_at, ..decision } == there;
            return if same { Ok(()) } else { Err(DecideError::IdTaken) };
        }
        if !treatment.is_running() {
            return Err(DecideError::Ended);
        }
        if store::count_decisions(conn, clinic, treatment_id).await? >= MOST {
            return Err(DecideError::TooMany);
        }
        // The id may have been taken meanwhile for another patient, whose plan is not locked here.
        if !store::insert_decision(conn, &decision).await? {
            return Err(DecideError::IdTaken);
        }
        person.replan(conn, tools.catalogue, decision.decided_at).await?;
        let entry = Entry::by(caller, "condition.decide", "treatment", treatment_id).about(treatment.patient_id);
        audit::record(conn, tools.clocks, entry).await?;
        Ok(())
    };
    tools.db.scoped_under(Scope::Clinic(clinic), Lock::PatientOf(clinic, treatment_id), work).await
}
