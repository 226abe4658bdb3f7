//! Who keeps to it: what people said about their tasks, folded and counted in whole weights and basis points.
//! Pure; the tasks come from `timeline.rs`, the cheap closed weights of a worklist from `closing.rs`.
//!
//! Silence is never counted as refusal: a task that closed without a word is `unreported`. Where nothing has closed there
//! is no share at all, neither 0 nor 100 %.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::timeline::{Excluded, Task};
use super::words::word_enum;

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

/// How many tasks went which way. All are closed ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Done by their close.
    pub done_on_time: i64,
    /// Done after it.
    pub done_late: i64,
    /// Left out on purpose.
    pub skipped: i64,
    /// Without a word.
    pub unreported: i64,
    /// Outside compliance: excused, skipped by travel, before counting started, or of items that do not count.
    pub excluded: i64,
    /// All that count: the sum of the first four.
    pub closed: i64,
}

/// Compliance with its numerators and denominator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Compliance {
    /// Share done by their close, in basis points, rounded down; absent when nothing has closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_time_bp: Option<i64>,
    /// Share done at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_bp: Option<i64>,
    /// Tasks.
    pub counts: Counts,
    /// Weight done at all.
    pub done_w: i64,
    /// Weight done by its close.
    pub on_time_w: i64,
    /// Weight of all closed tasks that count.
    pub closed_w: i64,
}

/// A share in basis points, rounded down; absent without a denominator.
pub fn share_bp(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| part * WHOLE_BP / whole)
}

impl Compliance {
    fn add(&mut self, task: &Task<'_>, standing: Standing) {
        if !standing.closed {
            return;
        }
        if standing.excluded.is_some() || !task.item.counts {
            self.counts.excluded += 1;
            return;
        }
        let weight = task.weight();
        self.counts.closed += 1;
        self.closed_w += weight;
        match standing.state {
            TaskState::Done => {
                self.counts.done_on_time += 1;
                self.done_w += weight;
                self.on_time_w += weight;
            }
            TaskState::DoneLate => {
                self.counts.done_late += 1;
                self.done_w += weight;
            }
            TaskState::Skipped => self.counts.skipped += 1,
            TaskState::Ahead | TaskState::Open | TaskState::Unreported | TaskState::Excluded => {
                self.counts.unreported += 1;
            }
        }
    }

    fn shares(mut self) -> Self {
        self.on_time_bp = share_bp(self.on_time_w, self.closed_w);
        self.completion_bp = share_bp(self.done_w, self.closed_w);
        self
    }
}

/// One local date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct DayCompliance {
    /// The patient's date.
    pub date: NaiveDate,
    /// Its tasks.
    #[serde(flatten)]
    pub compliance: Compliance,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemCompliance<'a> {
    /// The item.
    pub item_key: &'a str,
    /// Its tasks.
    #[serde(flatten)]
    pub compliance: Compliance,
}

/// Everything there is to say about one treatment's compliance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report<'a> {
    /// Since counting started.
    pub to_date: Compliance,
    /// The last seven local dates, today included.
    pub last_7_days: Compliance,
    /// By local date, as far as anything has closed.
    pub by_day: Vec<DayCompliance>,
    /// By item, in the protocol's order, as far as anything of it has closed.
    pub by_item: Vec<ItemCompliance<'a>>,
    /// Days in a row; see [`streak`].
    pub streak_days: u32,
    /// Since when tasks count.
    pub since: DateTime<Utc>,
}

/// The moment at which a report is made.
#[derive(Debug, Clone, Copy)]
pub struct AsOf {
    /// Counting started here.
    pub starts_at: DateTime<Utc>,
    /// The moment.
    pub at: DateTime<Utc>,
    /// The patient's date at that moment.
    pub today: NaiveDate,
    /// The share of a day's weight that keeps a streak, in basis points; [`WHOLE_BP`] unless the clinic says otherwise.
    pub streak_bp: i64,
}

/// Counts tasks in any order.
pub fn report<'a>(tasks: &[Task<'a>], said: &Said, as_of: &AsOf) -> Report<'a> {
    let mut to_date = Compliance::default();
    let mut last_7_days = Compliance::default();
    let mut days: BTreeMap<NaiveDate, Compliance> = BTreeMap::new();
    let mut items: Vec<ItemCompliance<'a>> = Vec::new();
    let week_start = as_of.today.checked_sub_days(Days::new(6)).unwrap_or(as_of.today);
    for task in tasks {
        let standing = standing(task, said, as_of.starts_at, as_of.at);
        if !standing.closed {
            continue;
        }
        to_date.add(task, standing);
        if (week_start..=as_of.today).contains(&task.local_date) {
            last_7_days.add(task, standing);
        }
        days.entry(task.local_date).or_default().add(task, standing);
        let known = items.iter_mut().rev().find(|item| item.item_key == task.item_key());
        match known {
            Some(item) => item.compliance.add(task, standing),
            None => {
                let mut compliance = Compliance::default();
                compliance.add(task, standing);
                items.push(ItemCompliance { item_key: task.item_key(), compliance });
            }
        }
    }
    Report {
        to_date: to_date.shares(),
        last_7_days: last_7_days.shares(),
        by_day: days.into_iter().map(|(date, day)| DayCompliance { date, compliance: day.shares() }).collect(),
        by_item: items
            .into_iter()
            .map(|item| ItemCompliance { compliance: item.compliance.shares(), ..item })
            .collect(),
        streak_days: streak(tasks, said, as_of),
        since: as_of.starts_at,
    }
}

/// Consecutive local dates, counted back from today, whose counting tasks are all done, or done to the clinic's share. A
/// date without such tasks is neutral, and so is one that has tasks left: today neither adds nor breaks until it is over.
pub fn streak(tasks: &[Task<'_>], said: &Said, as_of: &AsOf) -> u32 {
    #[derive(Default)]
    struct Day {
        done: i64,
        whole: i64,
        left: bool,
    }
    let mut days: BTreeMap<NaiveDate, Day> = BTreeMap::new();
    for task in tasks.iter().filter(|task| task.item.counts && task.local_date <= as_of.today) {
        let standing = standing(task, said, as_of.starts_at, as_of.at);
        if standing.excluded.is_some() {
            continue;
        }
        let day = days.entry(task.local_date).or_default();
        day.left |= !standing.closed;
        day.whole += task.weight();
        if matches!(standing.state, TaskState::Done | TaskState::DoneLate) {
            day.done += task.weight();
        }
    }
    let mut streak = 0;
    for day in days.values().rev().filter(|day| !day.left) {
        if share_bp(day.done, day.whole).is_none_or(|share| share < as_of.streak_bp) {
            break;
        }
        streak += 1;
    }
    streak
}

#[cfg(test)]
#[path = "compliance_tests.rs"]
mod tests;
