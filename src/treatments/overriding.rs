//! Changing an item of a plan for one treatment, and taking that back, in one transaction: the patient's plan is locked,
//! what was closed is kept, everything the person is owed is planned anew, the deed is recorded.

use diesel_async::AsyncPgConnection;
use serde_json::Value;
use uuid::Uuid;

use super::plan::looked_at;
use super::refusal::TreatmentError;
use super::store::{self, Treatment, TreatmentChange};
use super::transfer::kept;
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::db::{Lock, Scope};
use crate::domain::overrides::{ItemChange, Overridden, Unfit, carried, check};
use crate::planning::{self, Person, PlanningError, Tools};
use crate::recovery::{self, Recovery};

/// The most changes of what a treatment follows, lifted ones included: each is laid out on every reading.
pub(super) const MOST_CHANGES: i32 = 100;

/// What an item becomes for one treatment, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOverride {
    /// What is changed of it.
    pub change: ItemChange,
    /// Why, in words.
    pub reason: String,
}

/// Changes an item for one treatment, in place of any change of it that stands. The same one sent again changes nothing.
pub async fn put(
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    key: &str,
    new: NewOverride,
) -> Result<Overridden, TreatmentError> {
    let clinic_id = caller.clinic_id;
    let work = async |conn: &mut AsyncPgConnection| {
        let scene = Scene::of(conn, tools, caller, id).await?;
        let pinned = tools.catalogue.version(conn, scene.treatment.protocol_version_id).await?;
        if pinned.item(key).is_none() {
            return Err(PlanningError::NotFound.into());
        }
        let there = scene.recovery.overrides().of_item(key);
        if let Some(there) = there.filter(|there| there.change == new.change && there.reason == new.reason) {
            let there = there.clone();
            looked_at(conn, tools, caller, scene.treatment).await?;
            return Ok(there);
        }
        let mut standing = scene.recovery.overrides().changes();
        standing.remove(key);
        check(&pinned, &standing, key, &new.change).map_err(TreatmentError::Unfit)?;
        let change = serde_json::to_value(&new.change).map_err(anyhow::Error::from).map_err(PlanningError::from)?;
        scene.write(conn, tools, caller, key, Some((change, new.reason))).await?;
        let mut after = recovery::find_recovery(conn, caller, id).await?;
        after.version(conn, tools.catalogue, clinic_id).await?;
        Ok(after.overrides().of_item(key).cloned().ok_or(PlanningError::NotFound)?)
    };
    tools.db.scoped_under(Scope::Clinic(clinic_id), Lock::PatientOf(clinic_id, id), work).await
}

/// Takes a change back: the item is as the version has it.
pub async fn lift(tools: Tools<'_>, caller: &Caller, id: Uuid, key: &str) -> Result<(), TreatmentError> {
    let clinic_id = caller.clinic_id;
    let work = async |conn: &mut AsyncPgConnection| {
        let scene = Scene::of(conn, tools, caller, id).await?;
        if scene.recovery.overrides().of_item(key).is_none() {
            return Err(PlanningError::NotFound.into());
        }
        let pinned = tools.catalogue.version(conn, scene.treatment.protocol_version_id).await?;
        let mut standing = scene.recovery.overrides().changes();
        standing.remove(key);
        if let Some((other, because)) = carried(&pinned, &standing).1.pop_first() {
            let reason = format!("the change of `{other}` fits only beside this one: {because}");
            return Err(TreatmentError::Unfit(vec![Unfit { pointer: String::new(), reason }]));
        }
        scene.write(conn, tools, caller, key, None).await
    };
    tools.db.scoped_under(Scope::Clinic(clinic_id), Lock::PatientOf(clinic_id, id), work).await
}

/// A running treatment whose patient's plan nobody else can change.
struct Scene {
    person: Person,
    treatment: Treatment,
    recovery: Recovery,
    kept: Vec<Uuid>,
}

impl Scene {
    async fn of(
        conn: &mut AsyncPgConnection,
        tools: Tools<'_>,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Self, TreatmentError> {
        let person = planning::locked_of(conn, caller.clinic_id, id).await?;
        let treatment = store::find_treatment(conn, caller.clinic_id, id).await?;
        if !treatment.is_running() {
            return Err(TreatmentError::Ended);
        }
        let mut recovery = recovery::find_recovery(conn, caller, id).await?;
        let version = recovery.version(conn, tools.catalogue, caller.clinic_id).await?;
        let kept = kept(&recovery, &version, tools.clocks.care.now()).into_iter().collect();
        Ok(Self { person, treatment, recovery, kept })
    }

    /// Writes what becomes of an item, and plans anew.
    async fn write(
        self,
        conn: &mut AsyncPgConnection,
        tools: Tools<'_>,
        caller: &Caller,
        key: &str,
        becomes: Option<(Value, String)>,
    ) -> Result<(), TreatmentError> {
        let now = tools.clocks.care.now();
        if becomes.is_some() && self.recovery.row.changes >= MOST_CHANGES {
            return Err(TreatmentError::TooManyChanges);
        }
        let action = if becomes.is_some() { "treatment.override_item" } else { "treatment.lift_override" };
        let (change, reason) = becomes.unzip();
        let change = TreatmentChange {
            clinic_id: caller.clinic_id,
            treatment_id: self.treatment.id,
            id: tools.clocks.fresh_id(),
            from_version_id: self.treatment.protocol_version_id,
            to_version_id: self.treatment.protocol_version_id,
            changed_at: now,
            kept: self.kept,
            reason,
            changed_by: caller.user_id,
            item_key: Some(key.to_owned()),
            change,
        };
        store::insert_changes(conn, &[change]).await?;
        self.person.replan(conn, tools.catalogue, now).await?;
        let entry = Entry::by(caller, action, "treatment", self.treatment.id).about(self.treatment.patient_id);
        Ok(audit::record(conn, tools.clocks, entry).await?)
    }
}
