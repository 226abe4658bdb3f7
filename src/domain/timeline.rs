//! A protocol version laid out in real time for one treatment: which item holds from when to when, which tasks there
//! are. A pure function: same input, same output, no clock. What people did with the tasks is `compliance.rs`.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::protocol::{Actor, IsoDuration, Item, Kind, Phase};
use super::words::word_enum;

mod earlier;
mod layout;
mod plan;
mod tasks;

pub use plan::{Conditions, Earlier, Excuse, Hold, ModeSpan, Overrides, Plan};

word_enum! {
    /// Where an item stands at a moment.
    pub enum ItemState {
        /// It is over.
        Past = "past",
        /// It holds.
        Now = "now",
        /// It is still to come.
        Ahead = "ahead",
    }
}

/// What the sources say about a bound and what the protocol chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Range {
    /// The shortest figure of the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<IsoDuration>,
    /// The longest figure of the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<IsoDuration>,
    /// The hard bound the protocol chose; for conditions the earliest end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard: Option<IsoDuration>,
    /// The latest soft bound, or the cap of a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soft: Option<IsoDuration>,
}

/// One item in real time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaidOut<'a> {
    /// The item.
    pub item: &'a Item,
    /// It holds from here.
    pub open_at: DateTime<Utc>,
    /// It is over from here (for restrictions the hard bound, for conditions the reported end or the cap); none: it
    /// stays, or an open flag keeps it from ending.
    pub close_at: Option<DateTime<Utc>>,
    /// For conditions: it cannot end before this.
    pub earliest_close_at: Option<DateTime<Utc>>,
    /// From here not even the soft bound holds.
    pub soft_close_at: Option<DateTime<Utc>>,
    /// Whether an open flag keeps it, or its soft bound, from ending.
    pub held: bool,
    /// The patient's date at `open_at`.
    pub open_on: NaiveDate,
    /// The last of the patient's dates on which it holds.
    pub close_on: Option<NaiveDate>,
    /// A jump of the patient's clock left nothing of its window.
    pub skipped: bool,
}

impl LaidOut<'_> {
    /// Where it stands at a moment.
    pub fn state(&self, at: DateTime<Utc>) -> ItemState {
        if self.close_at.is_some_and(|close| close <= at) {
            ItemState::Past
        } else if self.open_at <= at {
            ItemState::Now
        } else {
            ItemState::Ahead
        }
    }

    /// Bounds as durations, where the item has any.
    pub fn range(&self) -> Option<Range> {
        let item = self.item;
        let bounded = item.range.is_some() || item.kind == Kind::Restriction;
        let (min, max) = item.range.map_or((None, None), |range| (Some(range.min), Some(range.max)));
        bounded.then(|| Range { min, max, hard: item.hard(), soft: item.latest_soft() })
    }
}

word_enum! {
    /// Why a task does not count.
    pub enum Excluded {
        /// A jump of the patient's clock left nothing of its window.
        SkippedTravel = "skipped_travel",
        /// The clinic excused it.
        Excused = "excused",
        /// It was over before counting started.
        BeforeStart = "before_start",
    }
}

/// One occurrence of a routine, or of a check-in prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task<'a> {
    /// Computed from treatment, item, day index and position: it survives every replan.
    pub id: Uuid,
    /// The item.
    pub item: &'a Item,
    /// Day index; 0 for tasks that are not of a day.
    pub day_index: i32,
    /// Position within the day.
    pub seq: i32,
    /// The patient's date it belongs to.
    pub local_date: NaiveDate,
    /// It may be done from here.
    pub open_at: DateTime<Utc>,
    /// It should be done by here.
    pub close_at: DateTime<Utc>,
    /// Why it leaves compliance although its item counts, if so.
    pub excluded: Option<Excluded>,
}

impl<'a> Task<'a> {
    /// The item's key.
    pub fn item_key(&self) -> &'a str {
        &self.item.key
    }

    /// Whether it enters compliance.
    pub fn counts(&self) -> bool {
        self.item.counts && self.excluded.is_none()
    }

    /// What it weighs.
    pub fn weight(&self) -> i64 {
        i64::from(self.item.weight)
    }

    /// From here it is closed, done or not: close and grace.
    pub fn closed_at(&self) -> DateTime<Utc> {
        self.close_at + self.item.grace.delta()
    }
}

/// When a phase starts in real time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaidOutPhase<'a> {
    /// The phase.
    pub phase: &'a Phase,
    /// Its start.
    pub open_at: DateTime<Utc>,
}

/// One treatment's recovery in real time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline<'a> {
    /// Phases in order.
    pub phases: Vec<LaidOutPhase<'a>>,
    /// Items in the protocol's order.
    pub items: Vec<LaidOut<'a>>,
    /// Occurrences of routines, item by item, each in order of time.
    pub tasks: Vec<Task<'a>>,
    /// Occurrences of check-in prompts, likewise.
    pub check_ins: Vec<Task<'a>>,
}

impl<'a> Timeline<'a> {
    /// The laid-out item of that key.
    pub fn item(&self, key: &str) -> Option<&LaidOut<'a>> {
        self.items.iter().find(|laid| laid.item.key == key)
    }

    /// The phase at a moment: the last that has started.
    pub fn phase(&self, at: DateTime<Utc>) -> Option<&'a Phase> {
        self.phases.iter().rev().find(|laid| laid.open_at <= at).map(|laid| laid.phase)
    }

    /// When the last of its items ends that end at all, soft bounds included: there is nothing to ask of it after that.
    /// `None` while an open flag keeps something from ending.
    pub fn ends_at(&self) -> Option<DateTime<Utc>> {
        if self.items.iter().any(|laid| laid.held) {
            return None;
        }
        let ends = self.items.iter().flat_map(|laid| [laid.close_at, laid.soft_close_at]);
        ends.flatten().max()
    }

    /// The milestone that opens next after a moment.
    pub fn next_milestone(&self, at: DateTime<Utc>) -> Option<&LaidOut<'a>> {
        let ahead = |laid: &&LaidOut<'a>| laid.item.kind == Kind::Milestone && !laid.skipped && laid.open_at > at;
        self.items.iter().filter(ahead).min_by_key(|laid| laid.open_at)
    }
}

/// The phase at a moment without laying anything else out; none before the treatment.
pub fn phase_at<'a>(plan: &Plan<'a>, at: DateTime<Utc>) -> Option<&'a Phase> {
    plan.version.structure.phases.iter().rev().find(|phase| layout::phase_start(plan, phase) <= at)
}

/// Lays a protocol version out for one treatment. What it followed before lives on in the tasks that were closed by then.
pub fn timeline<'a>(plan: &Plan<'a>) -> Timeline<'a> {
    let mut laid = lay_out(plan);
    earlier::keep(plan, &mut laid);
    laid
}

fn lay_out<'a>(plan: &Plan<'a>) -> Timeline<'a> {
    let structure = &plan.version.structure;
    let phases = structure
        .phases
        .iter()
        .map(|phase| LaidOutPhase { phase, open_at: layout::phase_start(plan, phase) })
        .collect();
    let items: Vec<LaidOut<'a>> = structure.items.iter().map(|item| layout::lay_out(plan, item)).collect();
    let mut tasks = Vec::with_capacity(256);
    let mut check_ins = Vec::with_capacity(16);
    for laid in &items {
        match laid.item.kind {
            Kind::Routine if laid.item.actor == Actor::Patient => tasks::occurrences(plan, laid, &mut tasks),
            Kind::CheckIn => tasks::occurrences(plan, laid, &mut check_ins),
            _ => {}
        }
    }
    Timeline { phases, items, tasks, check_ins }
}

#[cfg(test)]
mod tests;
