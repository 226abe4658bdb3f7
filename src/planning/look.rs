//! Looking at a plan without making one: nothing is locked, counted or written.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{Input, Person, PlanningError, RunningTreatments, store};
use crate::domain::reminders::{RunningTreatment, Story, owed, stories};
use crate::domain::timeline::Overrides;
use crate::protocols::Catalogue;

/// The person as they are.
pub async fn look(conn: &mut AsyncPgConnection, clinic_id: Uuid, patient_id: Uuid) -> Result<Person, PlanningError> {
    Person::new(clinic_id, store::find_person(conn, clinic_id, patient_id).await?)
}

/// A person's treatments of these statuses.
pub async fn look_at_treatments(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    person: &Person,
    statuses: &[&str],
) -> Result<RunningTreatments, PlanningError> {
    let rows = store::list_treatments(conn, person.clinic_id, person.patient_id, statuses).await?;
    RunningTreatments::of(conn, catalogue, rows).await
}

impl Person {
    /// Keys of what these treatments owe as far as all but the time goes: what a plan made at `at` with all that is known
    /// today would hold.
    pub fn owed_at(&self, treatments: &RunningTreatments, at: DateTime<Utc>) -> BTreeSet<String> {
        self.with_inputs(treatments, |running| owed(self.patient_id, running, &self.preferences, at))
            .into_iter()
            .map(|alert| alert.dedupe_key)
            .collect()
    }

    /// The story of everything that these treatments have a reminder for, as a plan made at `at` would tell it.
    pub fn stories(&self, treatments: &RunningTreatments, at: DateTime<Utc>) -> Vec<Story> {
        self.with_inputs(treatments, |running| stories(self.patient_id, running, &self.preferences, at))
    }

    fn with_inputs<T>(&self, treatments: &RunningTreatments, work: impl FnOnce(&[RunningTreatment<'_>]) -> T) -> T {
        let overrides = Overrides::default();
        let inputs: Vec<Input<'_>> =
            treatments.0.iter().map(|(row, version)| Input::new(row, Arc::clone(version), &self.zones)).collect();
        let running: Vec<_> = inputs.iter().map(|input| input.running(self, &overrides)).collect();
        work(&running)
    }
}
