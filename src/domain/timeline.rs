//! A protocol version laid out in real time for one treatment: which item holds from when to when, which tasks there
//! are. A pure function: same input, same output, no clock. What people did with the tasks is `compliance.rs`.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::ids;
use super::local_time::{ZoneHistory, day};
use super::protocol::{
    Actor, DayTime, IsoDuration, Item, Kind, Phase, PhaseStart, ProtocolVersion, Recurrence, Slot, Soft, Window,
};
use super::words::word_enum;

/// Everything a layout depends on.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// The treatment, for its tasks' ids.
    pub treatment: Uuid,
    /// The pinned protocol version.
    pub version: &'a ProtocolVersion,
    /// T0: the end of the treatment.
    pub performed_at: DateTime<Utc>,
    /// The local date of T0 as it was when the treatment was registered: day index 0.
    pub anchor_on: NaiveDate,
    /// Where the patient's clock stood.
    pub zones: &'a ZoneHistory,
    /// What was changed for this treatment.
    pub overrides: &'a Overrides,
    /// Which conditions have ended, and when a flag kept things from ending.
    pub conditions: &'a Conditions,
}

/// What was changed for one treatment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// When the patient had a mode such as `outdoors` switched on.
    pub modes: Vec<ModeSpan>,
    /// Days on which tasks are excused.
    pub excused: Vec<Excuse>,
}

/// A stretch during which a mode was on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeSpan {
    /// The mode.
    pub mode: String,
    /// Switched on.
    pub from: DateTime<Utc>,
    /// Switched off (exclusive).
    pub to: DateTime<Utc>,
}

/// Tasks that the clinic excuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excuse {
    /// Only this item; none: all.
    pub item_key: Option<String>,
    /// First local date.
    pub from: NaiveDate,
    /// Last local date (inclusive).
    pub to: NaiveDate,
}

/// What is known about conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// When each condition ended, by its key.
    pub ended: BTreeMap<String, DateTime<Utc>>,
    /// When a flag of level soon or above was open on the treatment, in order.
    pub holds: Vec<Hold>,
}

/// A stretch during which a flag of level soon or above was open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Opened.
    pub from: DateTime<Utc>,
    /// Resolved; none: still open.
    pub to: Option<DateTime<Utc>>,
}

impl Conditions {
    /// `at`, or the end of the flags that were open then; `None` while one still is.
    pub fn released(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut at = at;
        for hold in &self.holds {
            if hold.from <= at {
                match hold.to {
                    None => return None,
                    Some(to) => at = at.max(to),
                }
            }
        }
        Some(at)
    }

    /// When something that waits for a condition ends: not before `minimum`, at the latest at `cap` unless a flag is
    /// open then. `None`: open-ended as long as that flag is.
    fn end(&self, key: &str, minimum: DateTime<Utc>, cap: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let reported = self.ended.get(key).map(|ended| (*ended).max(minimum));
        match (reported, self.released(cap)) {
            (Some(reported), Some(cap)) => Some(reported.min(cap)),
            (reported, cap) => reported.or(cap),
        }
    }
}

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
}

/// Lays a protocol version out for one treatment.
pub fn timeline<'a>(plan: &Plan<'a>) -> Timeline<'a> {
    let structure = &plan.version.structure;
    let phases =
        structure.phases.iter().map(|phase| LaidOutPhase { phase, open_at: phase_start(plan, phase) }).collect();
    let items: Vec<LaidOut<'a>> = structure.items.iter().map(|item| lay_out(plan, item)).collect();
    let mut tasks = Vec::with_capacity(256);
    let mut check_ins = Vec::with_capacity(16);
    for laid in &items {
        match laid.item.kind {
            Kind::Routine if laid.item.actor == Actor::Patient => occurrences(plan, laid, &mut tasks),
            Kind::CheckIn => occurrences(plan, laid, &mut check_ins),
            _ => {}
        }
    }
    Timeline { phases, items, tasks, check_ins }
}

fn phase_start(plan: &Plan<'_>, phase: &Phase) -> DateTime<Utc> {
    match phase.from {
        PhaseStart::Elapsed { from } => plan.performed_at + from.delta(),
        PhaseStart::Day { from_day } => plan.on(from_day, DayTime::START).max(plan.performed_at),
    }
}

impl Plan<'_> {
    fn after(&self, duration: IsoDuration) -> DateTime<Utc> {
        self.performed_at + duration.delta()
    }

    /// The instant of a time of day on a day index.
    pub(crate) fn on(&self, day_index: i32, time: DayTime) -> DateTime<Utc> {
        self.zones.instant_on(day(self.anchor_on, day_index), time)
    }
}

/// Instants of a window: open, close, earliest close, and whether an open flag holds it.
struct Bounds {
    open_at: DateTime<Utc>,
    close_at: Option<DateTime<Utc>>,
    earliest_close_at: Option<DateTime<Utc>>,
    held: bool,
}

fn bounds(plan: &Plan<'_>, window: &Window) -> Bounds {
    match window {
        Window::Elapsed { from, to } => Bounds {
            open_at: plan.after(*from),
            close_at: to.map(|to| plan.after(to)),
            earliest_close_at: None,
            held: false,
        },
        Window::LocalDay { from_day, to_day, from_time, to_time } => {
            let open_at = plan.on(*from_day, *from_time).max(plan.performed_at);
            let close_at = to_day.map(|to_day| plan.on(to_day, *to_time).max(open_at));
            Bounds { open_at, close_at, earliest_close_at: None, held: false }
        }
        Window::Condition { from, minimum, until, cap } => {
            let earliest = plan.after(*minimum);
            let close_at = plan.conditions.end(until, earliest, plan.after(*cap));
            Bounds { open_at: plan.after(*from), close_at, earliest_close_at: Some(earliest), held: close_at.is_none() }
        }
    }
}

fn lay_out<'a>(plan: &Plan<'a>, item: &'a Item) -> LaidOut<'a> {
    let always = Bounds { open_at: plan.performed_at, close_at: None, earliest_close_at: None, held: false };
    let Bounds { open_at, close_at, earliest_close_at, mut held } =
        item.window.as_ref().map_or(always, |window| bounds(plan, window));
    let soft_close_at = match (&item.soft, close_at) {
        (Some(Soft::Fixed { to }), Some(hard)) => Some(plan.after(*to).max(hard)),
        (Some(Soft::Condition { until, cap }), Some(hard)) => {
            let end = plan.conditions.end(until, hard, plan.after(*cap));
            held |= end.is_none();
            end.map(|end| end.max(hard))
        }
        _ => None,
    };
    // The last date on which it holds is that of the moment before its end.
    let last_moment = |close: DateTime<Utc>| plan.zones.date((close - chrono::TimeDelta::seconds(1)).max(open_at));
    LaidOut {
        item,
        open_at,
        close_at,
        earliest_close_at,
        soft_close_at,
        held,
        open_on: plan.zones.date(open_at),
        close_on: close_at.map(last_moment),
        skipped: close_at.is_some_and(|close| close <= open_at),
    }
}

fn occurrences<'a>(plan: &Plan<'a>, laid: &LaidOut<'a>, tasks: &mut Vec<Task<'a>>) {
    let item = laid.item;
    let Some(recurrence) = &item.recurrence else { return };
    match (recurrence, &item.window) {
        (Recurrence::Once { offset }, _) => {
            let Some(close_at) = laid.close_at else { return };
            let open_at = laid.open_at + offset.delta();
            // A task whose window travels with the clock belongs to that day; one in elapsed time to the day it opens.
            let (day_index, local_date) = match &item.window {
                Some(Window::LocalDay { from_day, .. }) => (*from_day, day(plan.anchor_on, *from_day)),
                _ => (0, plan.zones.date(open_at)),
            };
            push(plan, tasks, item, (day_index, 0), local_date, (open_at, close_at));
        }
        (Recurrence::Daily, Some(Window::LocalDay { from_day, to_day, from_time, to_time })) => {
            let whole = [Slot { from: *from_time, to: *to_time }];
            for index in *from_day..=to_day.unwrap_or(*from_day) {
                slots(plan, tasks, item, index, &whole);
            }
        }
        (Recurrence::Times { times, days }, Some(Window::LocalDay { from_day, to_day, .. })) => {
            if days.is_empty() {
                for index in *from_day..=to_day.unwrap_or(*from_day) {
                    slots(plan, tasks, item, index, times);
                }
            } else {
                for index in days {
                    slots(plan, tasks, item, *index, times);
                }
            }
        }
        (Recurrence::Every { hours, from, to, mode }, Some(Window::LocalDay { from_day, to_day, .. })) => {
            let spans: Vec<&ModeSpan> = plan.overrides.modes.iter().filter(|span| span.mode == *mode).collect();
            if spans.is_empty() {
                return;
            }
            let all = every(*hours, *from, *to);
            for index in *from_day..=to_day.unwrap_or(*from_day) {
                let before = tasks.len();
                slots(plan, tasks, item, index, &all);
                let mut position = 0;
                tasks.retain(|task| {
                    position += 1;
                    position <= before || spans.iter().any(|span| span.from <= task.open_at && task.open_at < span.to)
                });
            }
        }
        _ => {}
    }
}

/// The slots of `every`: each lasts until the next, the last one must end by `to`.
fn every(hours: u16, from: DayTime, to: DayTime) -> Vec<Slot> {
    let step = hours.saturating_mul(60).max(1);
    let mut slots = Vec::new();
    let mut start = from;
    while let Some(end) = DayTime::from_minutes(start.minutes().saturating_add(step)).filter(|end| *end <= to) {
        slots.push(Slot { from: start, to: end });
        start = end;
    }
    slots
}

fn slots<'a>(plan: &Plan<'a>, tasks: &mut Vec<Task<'a>>, item: &'a Item, day_index: i32, slots: &[Slot]) {
    let local_date = day(plan.anchor_on, day_index);
    for (seq, slot) in (0..).zip(slots) {
        let open_at = plan.zones.instant_on(local_date, slot.from);
        let close_at = plan.zones.instant_on(local_date, slot.to);
        push(plan, tasks, item, (day_index, seq), local_date, (open_at, close_at));
    }
}

fn push<'a>(
    plan: &Plan<'a>,
    tasks: &mut Vec<Task<'a>>,
    item: &'a Item,
    (day_index, seq): (i32, i32),
    local_date: NaiveDate,
    (open_at, close_at): (DateTime<Utc>, DateTime<Utc>),
) {
    let skipped = close_at <= open_at;
    // What was over before the treatment ended was never a task.
    if close_at <= plan.performed_at {
        return;
    }
    let excused = plan.overrides.excused.iter().any(|excuse| {
        (excuse.from..=excuse.to).contains(&local_date) && excuse.item_key.as_ref().is_none_or(|key| *key == item.key)
    });
    let excluded = if skipped { Some(Excluded::SkippedTravel) } else { excused.then_some(Excluded::Excused) };
    tasks.push(Task {
        id: ids::task_id(plan.treatment, &item.key, day_index, seq),
        item,
        day_index,
        seq,
        local_date,
        open_at: open_at.max(plan.performed_at),
        close_at,
        excluded,
    });
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
