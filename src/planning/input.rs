//! One running treatment as planning needs it: its row, its protocol version, what was said of its tasks. Nothing here
//! asks the database.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Person, Running};
use crate::domain::appointment::Appointment;
use crate::domain::compliance::{Outcome, Said};
use crate::domain::condition::{Decision, ended};
use crate::domain::course::{Spacing, WhatFollows};
use crate::domain::protocol::ProtocolVersion;
use crate::domain::reminders::RunningTreatment;
use crate::domain::symptoms::Symptoms;
use crate::domain::tally::{Tally, counting_from};
use crate::domain::timeline::{Conditions, Excuse, Hold, ModeSpan, Overrides, Plan, Task, timeline};

impl Running {
    /// Entries about its tasks: per task at least the latest.
    pub fn outcomes(&self) -> Vec<Outcome> {
        let columns = self.outcome_ids.iter().zip(&self.outcome_tasks).zip(&self.outcome_kinds).zip(&self.outcome_at);
        columns
            .filter_map(|(((id, task), kind), at)| {
                Some(Outcome { id: *id, task_id: *task, kind: kind.parse().ok()?, recorded_at: *at })
            })
            .collect()
    }

    /// When flags held things back, and which conditions have ended.
    pub fn conditions(&self, version: &ProtocolVersion) -> anyhow::Result<Conditions> {
        let holds = self.held_from.iter().zip(&self.held_to).map(|(from, to)| Hold { from: *from, to: *to }).collect();
        let answers = answers(&self.checked_in_at, &self.answers)?;
        let decisions = decisions(&self.decided_keys, &self.decided_ended, &self.decided_at);
        let ended = ended(&version.structure.conditions, self.performed_at, &answers, &decisions);
        Ok(Conditions { ended, holds })
    }

    /// What its row says that is particular to it: what was excused, its course's interval; and the modes that the person had
    /// switched on.
    pub fn overrides(&self, modes: &[ModeSpan]) -> anyhow::Result<Overrides> {
        let spacing = self.interval_min_days.zip(self.interval_max_days);
        let spacing = spacing.map(|(min_days, max_days)| Spacing { min_days, max_days });
        let excused = excuses(&self.excused)?;
        Ok(Overrides { spacing, excused, modes: modes.to_vec(), ..Overrides::default() })
    }

    pub(super) fn follows<'p>(&self, appointments: &'p [Appointment]) -> WhatFollows<'p> {
        WhatFollows {
            course_id: self.course_id,
            continued: self.course_continued,
            over: self.course_over,
            appointments,
        }
    }
}

/// What check-ins answered, from two columns of the same length.
pub(crate) fn answers(at: &[DateTime<Utc>], symptoms: &[Value]) -> anyhow::Result<Vec<(DateTime<Utc>, Symptoms)>> {
    let read = |(at, symptoms): (&DateTime<Utc>, &Value)| Ok((*at, Symptoms::deserialize(symptoms)?));
    at.iter().zip(symptoms).map(read).collect::<Result<_, serde_json::Error>>().context("a stored check-in")
}

/// What clinicians decided, from three columns of the same length.
pub(crate) fn decisions(keys: &[String], ended: &[bool], at: &[DateTime<Utc>]) -> Vec<Decision> {
    let columns = keys.iter().zip(ended).zip(at);
    columns.map(|((key, ended), at)| Decision { key: key.clone(), ended: *ended, at: *at }).collect()
}

/// What a clinic excused, from one column.
pub(crate) fn excuses(rows: &Value) -> anyhow::Result<Vec<Excuse>> {
    Vec::<Excuse>::deserialize(rows).context("a stored excuse")
}

/// One running treatment, ready to be laid out.
#[derive(Debug)]
pub(super) struct Input<'a> {
    pub(super) row: &'a Running,
    pub(super) version: Arc<ProtocolVersion>,
    pub(super) overrides: &'a Overrides,
    pub(super) conditions: Conditions,
    pub(super) said: Said,
    pub(super) settled: BTreeSet<Uuid>,
    pub(super) checked_in_on: BTreeSet<NaiveDate>,
}

impl<'a> Input<'a> {
    pub(super) fn new(
        row: &'a Running,
        version: Arc<ProtocolVersion>,
        overrides: &'a Overrides,
        person: &Person,
    ) -> anyhow::Result<Self> {
        let said = Said::fold(&row.outcomes());
        Ok(Self {
            row,
            conditions: row.conditions(&version)?,
            version,
            overrides,
            settled: said.settled().collect(),
            said,
            checked_in_on: row.checked_in_at.iter().map(|at| person.zones.date(*at)).collect(),
        })
    }

    pub(super) fn plan<'p>(&'p self, person: &'p Person) -> Plan<'p> {
        Plan {
            treatment: self.row.id,
            version: &self.version,
            performed_at: self.row.performed_at,
            anchor_on: self.row.anchor_on,
            zones: &person.zones,
            overrides: self.overrides,
            conditions: &self.conditions,
        }
    }

    pub(super) fn running<'p>(&'p self, person: &'p Person) -> RunningTreatment<'p> {
        let plan = self.plan(person);
        RunningTreatment {
            laid: timeline(&plan),
            plan,
            registered_at: self.row.counts_from,
            settled: &self.settled,
            checked_in_on: &self.checked_in_on,
            follows: self.row.follows(&person.appointments),
            completed: self.row.at_rest,
            recalled: self.row.recalled,
        }
    }

    /// What was done of its tasks, as they now lie.
    pub(super) fn tally(&self, tasks: &[Task<'_>], person: &Person, now: DateTime<Utc>) -> Tally {
        if self.settled.is_empty() {
            return Tally::default();
        }
        let starts_at = counting_from(self.row.performed_at, self.row.counts_from, person.linked_at);
        Tally::of(tasks, &self.said, starts_at, now)
    }

    /// What the row says of it.
    pub(super) fn stored_tally(&self, now: DateTime<Utc>) -> Tally {
        let row = self.row;
        let early = row.early_until.iter().copied().zip(row.early_w.iter().copied());
        let early = early.filter(|(closed_at, _)| *closed_at > now).collect();
        Tally { done_w: row.done_w, on_time_w: row.on_time_w, early }
    }
}
