//! What a layout is made from: the pinned version, the moment, the clock, and what has happened since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::Task;
use crate::domain::course::Spacing;
use crate::domain::local_time::{ZoneHistory, day};
use crate::domain::overrides::{ItemChanges, Overridden};
use crate::domain::protocol::{DayTime, IsoDuration, Item, Kind, ProtocolVersion};

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
    /// The interval of the course that it is a session of.
    pub spacing: Option<Spacing>,
    /// What it followed before, in order of time.
    pub earlier: Vec<Earlier>,
    /// Items that were changed for it; the plan's version has them as they were changed.
    pub items: Vec<Overridden>,
}

impl Overrides {
    /// Of treatments for which nothing was changed.
    pub const NONE: Self =
        Self { modes: Vec::new(), excused: Vec::new(), spacing: None, earlier: Vec::new(), items: Vec::new() };

    /// Whether the tasks that count are those of the published version alone.
    pub fn are_plain(&self) -> bool {
        self.excused.is_empty() && self.earlier.is_empty() && self.items.is_empty()
    }

    /// What was changed of items.
    pub fn changes(&self) -> ItemChanges {
        self.items.iter().map(|item| (item.item_key.clone(), item.change.clone())).collect()
    }

    /// What was changed of one item.
    pub fn of_item(&self, key: &str) -> Option<&Overridden> {
        self.items.iter().find(|item| item.item_key == key)
    }
}

/// A protocol version that a treatment followed before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The version.
    pub version: Arc<ProtocolVersion>,
    /// Until when. Tasks whose window was over by then stay as they were judged.
    pub until: DateTime<Utc>,
    /// Tasks that stay as well, though their window was open: they were done or skipped by then.
    pub kept: BTreeSet<Uuid>,
}

impl Earlier {
    /// Whether a task of that time stays as it was.
    pub(super) fn keeps(&self, task: &Task<'_>) -> bool {
        task.close_at <= self.until || self.kept.contains(&task.id)
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Excuse {
    /// Only this item; none: all.
    pub item_key: Option<String>,
    /// Only this position within the day; none: all.
    pub seq: Option<i32>,
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

impl Excuse {
    /// Whether it covers a task.
    pub(super) fn covers(&self, item_key: &str, local_date: NaiveDate, seq: i32) -> bool {
        (self.from..=self.to).contains(&local_date)
            && self.item_key.as_ref().is_none_or(|only| only == item_key)
            && self.seq.is_none_or(|only| only == seq)
    }
}

impl Conditions {
    /// The flags of all the person's treatments: one on any of them holds session prompts and results back.
    pub fn flags_of<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut holds: Vec<Hold> = all.into_iter().flat_map(|conditions| conditions.holds.iter().copied()).collect();
        holds.sort_by_key(|hold| hold.from);
        Self { holds, ..Self::default() }
    }

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
    pub(super) fn end(&self, key: &str, minimum: DateTime<Utc>, cap: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let reported = self.ended.get(key).map(|ended| (*ended).max(minimum));
        match (reported, self.released(cap)) {
            (Some(reported), Some(cap)) => Some(reported.min(cap)),
            (reported, cap) => reported.or(cap),
        }
    }
}

impl Plan<'_> {
    pub(super) fn after(&self, duration: IsoDuration) -> DateTime<Utc> {
        self.performed_at + duration.delta()
    }

    /// The day index at which a day of an item lies: where the protocol puts it, but for the next session of a course with
    /// an interval of its own.
    pub fn day_of(&self, item: &Item, day_index: i32) -> i32 {
        match (item.kind, self.overrides.spacing, &self.version.structure.series) {
            (Kind::Session, Some(spacing), Some(series)) => spacing.moved(Spacing::usual(series), day_index),
            _ => day_index,
        }
    }

    /// The instant of a time of day on a day index.
    pub(super) fn on(&self, day_index: i32, time: DayTime) -> DateTime<Utc> {
        self.zones.instant_on(day(self.anchor_on, day_index), time)
    }
}
