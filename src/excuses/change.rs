//! Excusing and taking it back: one transaction in which the patient's plan is locked, the excuse is kept or removed,
//! everything the person is owed is planned anew, what was done is added up anew, and the deed is recorded.

use chrono::NaiveDate;
use uuid::Uuid;

use super::store::{self, ExcuseRow};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::db::{DbError, Lock, Scope};
use crate::domain::protocol::Kind;
use crate::domain::timeline::Task;
use crate::planning::{self, PlanningError, Tools, through_planning};
use crate::protocols::CatalogueError;
use crate::recovery;
use crate::treatments::store as treatments;

/// The most excuses of one treatment.
pub const MOST: usize = 100;

/// Why nothing was excused.
#[derive(Debug, thiserror::Error)]
pub enum ExcuseError {
    /// The id is another excuse's.
    #[error("the id is taken")]
    IdTaken,
    /// The treatment was completed or cancelled.
    #[error("the treatment has ended")]
    Ended,
    /// The treatment has as many as it may have.
    #[error("there are too many")]
    TooMany,
    /// The treatment has no such task.
    #[error("there is no such task")]
    UnknownTask,
    /// The protocol has no such routine.
    #[error("there is no such routine")]
    UnknownItem,
    /// There is no such treatment or excuse, or its plan cannot be made.
    #[error(transparent)]
    Planning(#[from] PlanningError),
}

through_planning!(ExcuseError: diesel::result::Error, DbError, CatalogueError);

/// What is excused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// One task.
    Task(Uuid),
    /// Local dates, both included.
    Days {
        /// Only this item; none: all.
        item_key: Option<String>,
        /// The first.
        from: NaiveDate,
        /// The last.
        to: NaiveDate,
    },
}

/// What a clinician says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExcuse {
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// What is excused.
    pub what: What,
    /// Why.
    pub reason: String,
}

/// Keeps the excuse. The same one sent again changes nothing, and does not come back once it was withdrawn.
pub async fn excuse(
    tools: Tools<'_>,
    caller: &Caller,
    treatment_id: Uuid,
    new: NewExcuse,
) -> Result<ExcuseRow, ExcuseError> {
    let clinic = caller.clinic_id;
    let work = async |conn: &mut diesel_async::AsyncPgConnection| {
        let person = planning::locked_of(conn, clinic, treatment_id).await?;
        let mut recovery = recovery::find_recovery(conn, caller, treatment_id).await?;
        let version = recovery.version(conn, tools.catalogue, clinic).await?;
        if let Some(there) = store::find_excuse(conn, clinic, new.id).await? {
            if !is_same(&there, caller, treatment_id, &new, &recovery.timeline(&version).tasks) {
                return Err(ExcuseError::IdTaken);
            }
            // It is answered all the same: without an entry this would be a way to read it unseen.
            let entry = Entry::by(caller, "excuse.read", "treatment", treatment_id).about(recovery.row.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            return Ok(there);
        }
        if store::was_withdrawn(conn, (clinic, recovery.row.patient_id), new.id).await? {
            return Err(ExcuseError::IdTaken);
        }
        let (item_key, seq, from_on, to_on) = match &new.what {
            What::Task(id) => {
                let laid = recovery.timeline(&version);
                let task = laid.tasks.iter().find(|task| task.id == *id).ok_or(ExcuseError::UnknownTask)?;
                (Some(task.item_key().to_owned()), Some(task.seq), task.local_date, task.local_date)
            }
            What::Days { item_key, from, to } => {
                let known = |key: &String| version.item(key).is_some_and(|item| item.kind == Kind::Routine);
                if item_key.as_ref().is_some_and(|key| !known(key)) {
                    return Err(ExcuseError::UnknownItem);
                }
                (item_key.clone(), None, *from, *to)
            }
        };
        let (id, reason) = (new.id, new.reason.clone());
        let (excused_by, excused_at) = (caller.user_id, tools.clocks.care.now());
        let row = ExcuseRow {
            clinic_id: clinic,
            id,
            treatment_id,
            item_key,
            seq,
            from_on,
            to_on,
            reason,
            excused_by,
            excused_at,
        };
        if recovery.row.ended_at.is_some() {
            return Err(ExcuseError::Ended);
        }
        if store::list_excuses(conn, clinic, treatment_id).await?.len() >= MOST {
            return Err(ExcuseError::TooMany);
        }
        // The id may have been taken meanwhile for another patient, whose plan is not locked here.
        if !store::insert_excuse(conn, &row).await? {
            return Err(ExcuseError::IdTaken);
        }
        person.replan(conn, tools.catalogue, excused_at).await?;
        let entry = Entry::by(caller, "excuse.create", "treatment", treatment_id).about(recovery.row.patient_id);
        audit::record(conn, tools.clocks, entry).await?;
        Ok(row)
    };
    tools.db.scoped_under(Scope::Clinic(clinic), Lock::PatientOf(clinic, treatment_id), work).await
}

/// Whether an excuse is what a request asks for. A task that the treatment has no more, since it was moved or has ended, is
/// taken to be the one that was excused.
fn is_same(there: &ExcuseRow, caller: &Caller, treatment_id: Uuid, new: &NewExcuse, tasks: &[Task<'_>]) -> bool {
    let of_task = |task: &Task<'_>| {
        there.item_key.as_deref() == Some(task.item_key())
            && there.seq == Some(task.seq)
            && (there.from_on, there.to_on) == (task.local_date, task.local_date)
    };
    let same_thing = match &new.what {
        What::Task(id) => tasks.iter().find(|task| task.id == *id).map_or(there.seq.is_some(), of_task),
        What::Days { item_key, from, to } => {
            there.seq.is_none() && (&there.item_key, there.from_on, there.to_on) == (item_key, *from, *to)
        }
    };
    same_thing && (there.treatment_id, there.excused_by) == (treatment_id, caller.user_id) && there.reason == new.reason
}

/// Takes an excuse back: its tasks count again.
pub async fn withdraw(tools: Tools<'_>, caller: &Caller, treatment_id: Uuid, id: Uuid) -> Result<(), ExcuseError> {
    let clinic = caller.clinic_id;
    let work = async |conn: &mut diesel_async::AsyncPgConnection| {
        let person = planning::locked_of(conn, clinic, treatment_id).await?;
        let treatment = treatments::find_treatment(conn, clinic, treatment_id).await?;
        if !treatment.is_running() {
            return Err(ExcuseError::Ended);
        }
        if !store::delete_excuse(conn, clinic, treatment_id, id).await? {
            return Err(PlanningError::NotFound.into());
        }
        person.replan(conn, tools.catalogue, tools.clocks.care.now()).await?;
        let entry = Entry::by(caller, "excuse.withdraw", "treatment", treatment_id).about(treatment.patient_id);
        audit::record(conn, tools.clocks, entry).await?;
        Ok(())
    };
    tools.db.scoped_under(Scope::Clinic(clinic), Lock::PatientOf(clinic, treatment_id), work).await
}
