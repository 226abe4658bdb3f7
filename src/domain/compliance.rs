//! Who keeps to it: what people said about their tasks, folded and counted in whole weights and basis points.
//! Pure; the tasks come from `timeline.rs`, the cheap closed weights of a worklist from `closing.rs`.
//!
//! Silence is never counted as refusal: a task that closed without a word is `unreported`. Where nothing has closed there
//! is no share at all, neither 0 nor 100 %.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::timeline::{Excluded, Task};
use super::words::word_enum;

mod depth;
mod reason;
mod report;
mod stands;

pub use depth::{
    Change, Depth, GroupCompliance, Judged, Missed, SinceVisit, Visit, VisitKind, WeekCompliance, by_item, by_week,
    depth, judge, sum,
};
pub use reason::{ReasonCount, SkipReason, reasons};
pub use report::{AsOf, Compliance, Counts, DayCompliance, ItemCompliance, Report, Streaks, report, share_bp, streaks};
pub use stands::standings;

/// A whole share in basis points.
pub const WHOLE_BP: i64 = 10_000;

word_enum! {
    /// What an entry says about a task.
    pub enum OutcomeKind {
        /// It was done.
        Done = "done",
        /// It was left out on purpose.
        Skipped = "skipped",
        /// The entry before is taken back.
        Undone = "undone",
    }
}

/// One entry about a task. Entries are only ever added; a staff entry carries the moment the patient named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Chosen by the client; breaks ties, so that the order of arrival never matters.
    pub id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// What it says.
    pub kind: OutcomeKind,
    /// When it was so, by the recorder's clock.
    pub recorded_at: DateTime<Utc>,
}

/// What counts of everything that was said: per task the latest entry, unless that takes the word back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(HashMap<Uuid, (OutcomeKind, DateTime<Utc>)>);

impl Said {
    /// Folds entries in any order; an entry given twice changes nothing.
    pub fn fold<'a>(outcomes: impl IntoIterator<Item = &'a Outcome>) -> Self {
        let mut latest: HashMap<Uuid, &Outcome> = HashMap::new();
        for outcome in outcomes {
            let slot = latest.entry(outcome.task_id).or_insert(outcome);
            if (outcome.recorded_at, outcome.id) > (slot.recorded_at, slot.id) {
                *slot = outcome;
            }
        }
        let kept = latest.into_iter().filter(|(_, outcome)| outcome.kind != OutcomeKind::Undone);
        Self(kept.map(|(task, outcome)| (task, (outcome.kind, outcome.recorded_at))).collect())
    }

    /// What was said of a task, if anything still stands.
    pub fn about(&self, task: Uuid) -> Option<(OutcomeKind, DateTime<Utc>)> {
        self.0.get(&task).copied()
    }

    /// The tasks that need no reminder any more: done or skipped.
    pub fn settled(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.0.keys().copied()
    }
}

word_enum! {
    /// Where a task stands at a moment.
    pub enum TaskState {
        /// Not yet open.
        Ahead = "ahead",
        /// It may be done now, in time or late.
        Open = "open",
        /// Done by its close.
        Done = "done",
        /// Done after its close.
        DoneLate = "done_late",
        /// Left out on purpose.
        Skipped = "skipped",
        /// Closed without a word.
        Unreported = "unreported",
        /// It leaves compliance.
        Excluded = "excluded",
    }
}

/// A task's standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where it stands.
    pub state: TaskState,
    /// Why it is excluded, if so.
    pub excluded: Option<Excluded>,
    /// Whether it is over: its window and grace have ended, or it was done before.
    pub closed: bool,
}

/// Where a task stands at `at`. Counting starts at `starts_at`, the latest of T0, registration, acceptance of the
/// invitation and a move to another day: what had closed by then asks nothing of the patient.
pub fn standing(task: &Task<'_>, said: &Said, starts_at: DateTime<Utc>, at: DateTime<Utc>) -> Standing {
    let over = task.closed_at() <= at;
    let before = (task.closed_at() <= starts_at).then_some(Excluded::BeforeStart);
    if let Some(excluded) = task.excluded.or(before) {
        return Standing { state: TaskState::Excluded, excluded: Some(excluded), closed: over };
    }
    let (state, closed) = match said.about(task.id) {
        Some((OutcomeKind::Done, recorded_at)) if recorded_at <= task.close_at => (TaskState::Done, true),
        Some((OutcomeKind::Done, _)) => (TaskState::DoneLate, true),
        Some((OutcomeKind::Skipped, _)) => (TaskState::Skipped, over),
        Some((OutcomeKind::Undone, _)) | None if over => (TaskState::Unreported, true),
        Some((OutcomeKind::Undone, _)) | None if task.open_at <= at => (TaskState::Open, false),
        Some((OutcomeKind::Undone, _)) | None => (TaskState::Ahead, false),
    };
    Standing { state, excluded: None, closed }
}

#[cfg(test)]
mod tests;
