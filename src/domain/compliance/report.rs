//! Counting standings: to date, by day, by item, and days in a row.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde::Serialize;

use super::{Said, Standing, TaskState, WHOLE_BP, standing};
use crate::domain::timeline::Task;

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
    pub(super) fn add(&mut self, task: &Task<'_>, standing: Standing) {
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

    /// With the shares that its sums make.
    pub(super) fn shares(mut self) -> Self {
        self.on_time_bp = share_bp(self.on_time_w, self.closed_w);
        self.completion_bp = share_bp(self.done_w, self.closed_w);
        self
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        let (a, b) = (self.counts, other.counts);
        let counts = Counts {
            done_on_time: a.done_on_time + b.done_on_time,
            done_late: a.done_late + b.done_late,
            skipped: a.skipped + b.skipped,
            unreported: a.unreported + b.unreported,
            excluded: a.excluded + b.excluded,
            closed: a.closed + b.closed,
        };
        let sums = Self {
            counts,
            done_w: self.done_w + other.done_w,
            on_time_w: self.on_time_w + other.on_time_w,
            closed_w: self.closed_w + other.closed_w,
            ..Self::default()
        };
        sums.shares()
    }

    /// Without shares, where nothing was ever heard: silence is no refusal.
    pub fn silence(&mut self) {
        (self.on_time_bp, self.completion_bp) = (None, None);
    }

    /// Tasks that closed without being done.
    pub const fn missed(&self) -> i64 {
        self.counts.skipped + self.counts.unreported
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
    /// Days in a row; see [`streaks`].
    pub streak: Streaks,
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
        streak: streaks(tasks, said, as_of),
        since: as_of.starts_at,
    }
}

/// Days in a row on which everything was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Streaks {
    /// The days that lead up to now.
    pub current: u32,
    /// The most there ever were.
    pub longest: u32,
}

/// Consecutive local dates whose counting tasks are all done, or done to the clinic's share. A date without such tasks is
/// neutral, and so is one that has tasks left: today neither adds nor breaks until it is over.
pub fn streaks(tasks: &[Task<'_>], said: &Said, as_of: &AsOf) -> Streaks {
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
    days.values().filter(|day| !day.left).fold(Streaks::default(), |streaks, day| {
        let kept = share_bp(day.done, day.whole).is_some_and(|share| share >= as_of.streak_bp);
        let current = if kept { streaks.current + 1 } else { 0 };
        Streaks { current, longest: streaks.longest.max(current) }
    })
}
