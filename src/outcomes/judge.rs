//! Whether an entry about a task is taken: decided for a whole batch before anything is written.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::compliance::OutcomeKind;
use crate::domain::local_time::ZoneHistory;
use crate::domain::timeline::Task;

/// How far a phone's clock may be off.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);

/// One entry, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Chosen by the client.
    pub id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// What it says.
    pub kind: OutcomeKind,
    /// When it was so, by the recorder's clock.
    pub recorded_at: DateTime<Utc>,
    /// Why, if the person said.
    pub reason: Option<String>,
}

/// An entry that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The treatment it is about.
    pub treatment_id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// What it says.
    pub kind: OutcomeKind,
    /// When it was so.
    pub recorded_at: DateTime<Utc>,
    /// Why, if the person said.
    pub reason: Option<String>,
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is written.
    Accepted,
    /// It was written before.
    Duplicate,
    /// It is not written.
    Rejected(Refusal),
}

/// Why an entry is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another entry has its id.
    IdTaken,
    /// The treatment was cancelled: nobody asks for its tasks.
    Cancelled,
    /// The treatment has no such task.
    UnknownTask,
    /// It was recorded later than now.
    Future,
    /// It was recorded before the treatment.
    BeforeTreatment,
    /// It was recorded before the treatment was moved to another day, of the day that the task was then.
    BeforeMove,
    /// The task is of a later day.
    NotYet,
}

/// What a batch is judged by.
#[derive(Debug)]
pub struct Judge<'a> {
    /// The treatment.
    pub treatment_id: Uuid,
    /// It was cancelled.
    pub cancelled: bool,
    /// T0.
    pub performed_at: DateTime<Utc>,
    /// When it was last moved to another day.
    pub moved_at: Option<DateTime<Utc>>,
    /// Its tasks.
    pub tasks: HashMap<Uuid, &'a Task<'a>>,
    /// The patient's clock.
    pub zones: &'a ZoneHistory,
    /// The moment.
    pub now: DateTime<Utc>,
}

impl Known {
    /// What an entry says.
    pub fn of(entry: &Entry, treatment_id: Uuid) -> Self {
        Self {
            treatment_id,
            task_id: entry.task_id,
            kind: entry.kind,
            recorded_at: entry.recorded_at,
            reason: entry.reason.clone(),
        }
    }
}

impl Judge<'_> {
    /// One verdict per entry, in order, as far as the batch itself tells.
    pub fn judge(&self, entries: &[Entry]) -> Vec<Verdict> {
        let mut taken: HashMap<Uuid, Known> = HashMap::new();
        let one = |entry: &Entry| {
            let this = Known::of(entry, self.treatment_id);
            match (taken.get(&entry.id), self.refusal(entry)) {
                (Some(known), _) if *known == this => Verdict::Duplicate,
                (Some(_), _) => Verdict::Rejected(Refusal::IdTaken),
                (None, Some(refusal)) => Verdict::Rejected(refusal),
                (None, None) => {
                    taken.insert(entry.id, this);
                    Verdict::Accepted
                }
            }
        };
        entries.iter().map(one).collect()
    }

    fn refusal(&self, entry: &Entry) -> Option<Refusal> {
        if self.cancelled {
            return Some(Refusal::Cancelled);
        }
        let Some(task) = self.tasks.get(&entry.task_id) else { return Some(Refusal::UnknownTask) };
        if entry.recorded_at > self.now + SKEW {
            return Some(Refusal::Future);
        }
        if entry.recorded_at < self.performed_at - SKEW {
            return Some(Refusal::BeforeTreatment);
        }
        if self.moved_at.is_some_and(|moved_at| entry.recorded_at < moved_at) {
            return Some(Refusal::BeforeMove);
        }
        // Within its day a task may be done ahead of its hour, but nobody has done tomorrow's.
        let ahead = entry.recorded_at < task.open_at - SKEW && self.zones.date(entry.recorded_at) < task.local_date;
        (entry.kind == OutcomeKind::Done && ahead).then_some(Refusal::NotYet)
    }
}
