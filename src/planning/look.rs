//! Looking at a plan without making one: nothing is locked, counted or written.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{Input, Person, PlanningError, RunningTreatments, store};
use crate::domain::appointment::reminders;
use crate::domain::course::WhatFollows;
use crate::domain::reminders::{History, RunningTreatment, Story, owed, stories};
use crate::domain::timeline::Plan;
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
    RunningTreatments::of(conn, catalogue, person, rows).await
}

/// A treatment with all that a layout of it borrows.
#[derive(Debug)]
pub struct Laid<'a> {
    input: Input<'a>,
    person: &'a Person,
    /// What has been arranged for the time after it.
    pub follows: WhatFollows<'a>,
}

impl Laid<'_> {
    /// The pinned protocol version.
    pub fn version_id(&self) -> Uuid {
        self.input.row.protocol_version_id
    }

    /// What it is laid out from.
    pub fn plan(&self) -> Plan<'_> {
        self.input.plan(self.person)
    }

    /// Whether it was completed: nothing is left of it but the next session of its course.
    pub fn is_at_rest(&self) -> bool {
        self.input.row.at_rest
    }

    /// Whether the clinic has recalled its version: nothing of it is told, and its flags hold back all the same.
    pub fn is_recalled(&self) -> bool {
        self.input.row.recalled
    }
}

impl RunningTreatments {
    /// Every treatment, ready to be laid out.
    pub fn plans<'a>(&'a self, person: &'a Person) -> anyhow::Result<Vec<Laid<'a>>> {
        let inputs = self.inputs(person)?.into_iter();
        Ok(inputs.map(|input| Laid { follows: input.row.follows(&person.appointments), input, person }).collect())
    }
}

impl Person {
    /// Keys of what these treatments owe as far as all but the time goes: what a plan made at `at` with all that is known
    /// today would hold.
    pub fn owed_at(&self, treatments: &RunningTreatments, at: DateTime<Utc>) -> anyhow::Result<BTreeSet<String>> {
        if self.leaves {
            return Ok(BTreeSet::new());
        }
        let owed = self
            .with_inputs(treatments, |running| owed(self.patient_id, running, &self.preferences, &self.history, at))?;
        let reminders = reminders(&self.appointments, &self.preferences, &self.zones, at);
        let of_appointments = reminders.into_iter().map(|reminder| reminder.dedupe_key);
        Ok(owed.into_iter().map(|alert| alert.dedupe_key).chain(of_appointments).collect())
    }

    /// The story of everything that these treatments have a reminder for, as a plan made at `at` would tell it to somebody
    /// who has heard nothing yet, with what was put off since or without it.
    pub fn stories(
        &self,
        treatments: &RunningTreatments,
        at: DateTime<Utc>,
        with_snoozes: bool,
    ) -> anyhow::Result<Vec<Story>> {
        let snoozes = if with_snoozes { self.history.snoozes.clone() } else { Vec::new() };
        let history = History { told: Vec::new(), snoozes };
        self.with_inputs(treatments, |running| stories(self.patient_id, running, &self.preferences, &history, at))
    }

    fn with_inputs<T>(
        &self,
        treatments: &RunningTreatments,
        work: impl FnOnce(&[RunningTreatment<'_>]) -> T,
    ) -> anyhow::Result<T> {
        let inputs = treatments.inputs(self)?;
        let running: Vec<_> = inputs.iter().map(|input| input.running(self)).collect();
        Ok(work(&running))
    }
}
