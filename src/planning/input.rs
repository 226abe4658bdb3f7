//! One running treatment as planning needs it: its row, its protocol version, what was said of its tasks. Nothing here
//! asks the database.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{Person, Running};
use crate::domain::compliance::Said;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::ProtocolVersion;
use crate::domain::reminders::RunningTreatment;
use crate::domain::tally::{Tally, counting_from};
use crate::domain::timeline::{Conditions, Plan, timeline};

/// One running treatment, ready to be laid out.
pub(super) struct Input<'a> {
    pub(super) row: &'a Running,
    pub(super) version: Arc<ProtocolVersion>,
    pub(super) conditions: Conditions,
    pub(super) said: Said,
    pub(super) settled: BTreeSet<Uuid>,
    pub(super) checked_in_on: BTreeSet<NaiveDate>,
}

impl<'a> Input<'a> {
    pub(super) fn new(row: &'a Running, version: Arc<ProtocolVersion>, zones: &ZoneHistory) -> Self {
        let said = Said::fold(&row.outcomes());
        Self {
            row,
            version,
            conditions: row.conditions(),
            settled: said.settled().collect(),
            said,
            checked_in_on: row.checked_in_at.iter().map(|at| zones.date(*at)).collect(),
        }
    }

    pub(super) fn plan<'p>(&'p self, person: &'p Person) -> Plan<'p> {
        Plan {
            treatment: self.row.id,
            version: &self.version,
            performed_at: self.row.performed_at,
            anchor_on: self.row.anchor_on,
            zones: &person.zones,
            overrides: &person.overrides,
            conditions: &self.conditions,
        }
    }

    pub(super) fn running<'p>(&'p self, person: &'p Person) -> RunningTreatment<'p> {
        RunningTreatment {
            plan: self.plan(person),
            registered_at: self.row.counts_from,
            settled: &self.settled,
            checked_in_on: &self.checked_in_on,
            course_continued: self.row.course_continued,
        }
    }

    /// What was done of its tasks, as they now lie.
    pub(super) fn tally(&self, person: &Person, now: DateTime<Utc>) -> Tally {
        if self.settled.is_empty() {
            return Tally::default();
        }
        let laid = timeline(&self.plan(person));
        let starts_at = counting_from(self.row.performed_at, self.row.counts_from, person.linked_at);
        Tally::of(&laid.tasks, &self.said, starts_at, now)
    }

    /// What the row says of it.
    pub(super) fn stored_tally(&self, now: DateTime<Utc>) -> Tally {
        let row = self.row;
        let early = row.early_until.iter().copied().zip(row.early_w.iter().copied());
        let early = early.filter(|(closed_at, _)| *closed_at > now).collect();
        Tally { done_w: row.done_w, on_time_w: row.on_time_w, early }
    }
}
