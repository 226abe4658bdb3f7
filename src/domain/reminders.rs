//! Which alerts a patient is owed: the laid-out treatments of one person, turned into messages with a moment, an end and
//! a name under which each is owed once. Pure; who stores and sends them is `alerts/` and `worker/`.
//!
//! Everything of one person is planned together, since "one milestone a day" and quiet hours are a person's, not a
//! treatment's. Digests, caps and gaps can follow as a further step over the same list: nothing here depends on how many
//! alerts a day gets.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use super::course::WhatFollows;
use super::local_time::{ZoneHistory, day};
use super::protocol::{DayTime, Item, Kind, Reminder};
use super::timeline::{Conditions, Hold, Plan, timeline};
use super::words::word_enum;

mod place;
mod planner;
mod story;

use planner::{Candidate, Contender, Planner, Rank};
pub use story::{End, LeftOut, Move, MovedBy, Story};
use story::{Nobody, Scribe, Witness};

/// How long the news of a lifted restriction is worth telling.
pub const LIFTED_LASTS: TimeDelta = TimeDelta::hours(24);
/// How long a prompt for a session or a follow-up is worth sending.
pub const PROMPT_LASTS: TimeDelta = TimeDelta::days(7);
/// Alerts at local times are spread over this long, so that a city does not ring at once.
pub const SPREAD: TimeDelta = TimeDelta::minutes(10);

word_enum! {
    /// What an alert is about: what a person can switch off.
    pub enum Category {
        /// What some people notice about now.
        Milestone = "milestone",
        /// A usual waiting time is over.
        Restriction = "restriction",
        /// Something to do.
        Routine = "routine",
        /// A prompt to report.
        CheckIn = "check_in",
        /// A review is due.
        FollowUp = "follow_up",
        /// The next treatment.
        Session = "session",
    }
}

impl Category {
    /// The category of an item's alerts; none for items that never send any.
    pub const fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Milestone => Some(Self::Milestone),
            Kind::Restriction => Some(Self::Restriction),
            Kind::Routine => Some(Self::Routine),
            Kind::CheckIn => Some(Self::CheckIn),
            Kind::FollowUp => Some(Self::FollowUp),
            Kind::Session => Some(Self::Session),
            Kind::RedFlag | Kind::ProductAdvice | Kind::Faq | Kind::ClinicPrevention => None,
        }
    }
}

/// A part of the day in which a person is left alone; it may run past midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    /// Local time from which.
    pub from: DayTime,
    /// Local time until which.
    pub to: DayTime,
}

impl QuietHours {
    /// Whether a time of day lies within.
    pub fn contains(&self, time: DayTime) -> bool {
        if self.from <= self.to { (self.from..self.to).contains(&time) } else { time >= self.from || time < self.to }
    }

    /// When what is ready at `at` may disturb: then, or at the end of the quiet hours that `at` lies in.
    pub fn after(self, zones: &ZoneHistory, at: DateTime<Utc>) -> DateTime<Utc> {
        if self.contains(planner::time_of_day(zones, at)) { self.next_end(zones, at) } else { at }
    }

    /// The next end of quiet hours, whether `at` lies within them or not.
    fn next_end(self, zones: &ZoneHistory, at: DateTime<Utc>) -> DateTime<Utc> {
        let date = zones.date(at);
        let tomorrow = planner::time_of_day(zones, at) >= self.to;
        let mut end = zones.instant_on(day(date, i32::from(tomorrow)), self.to);
        if end < at {
            // The clock was set back past the end of quiet hours: that end has been and gone, the next one counts.
            end = zones.instant_on(day(date, 1), self.to);
        }
        end.max(at)
    }
}

/// What a person wants to be told, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// Local time for what has no time of its own.
    pub preferred_time: DayTime,
    /// When to be left alone.
    pub quiet: Option<QuietHours>,
    /// Categories that are not wanted.
    pub off: BTreeSet<Category>,
    /// Nothing at all for now.
    pub paused: bool,
}

impl Default for Preferences {
    /// 09:00, quiet from 21:00 to 08:00, everything on.
    fn default() -> Self {
        let hour = |hour: u16| DayTime::from_minutes(hour * 60).unwrap_or(DayTime::START);
        Self {
            preferred_time: hour(9),
            quiet: Some(QuietHours { from: hour(21), to: hour(8) }),
            off: BTreeSet::new(),
            paused: false,
        }
    }
}

/// One treatment that is under way.
#[derive(Debug, Clone, Copy)]
pub struct RunningTreatment<'a> {
    /// What it is laid out from.
    pub plan: Plan<'a>,
    /// When it was registered: what was due before is past and owed to nobody.
    pub registered_at: DateTime<Utc>,
    /// Tasks that were done or skipped.
    pub settled: &'a BTreeSet<Uuid>,
    /// The patient's dates on which a check-in came in.
    pub checked_in_on: &'a BTreeSet<NaiveDate>,
    /// What has been arranged for the time after it.
    pub follows: WhatFollows<'a>,
}

/// What is to become of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is to be sent.
    Due,
    /// Quiet hours outlast it: it is recorded and not sent.
    Suppressed,
}

/// One alert that a person is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    /// The name under which it is owed once, among this person's alerts.
    pub dedupe_key: String,
    /// The treatment it is about.
    pub treatment_id: Uuid,
    /// The item it announces.
    pub item_key: String,
    /// Day index of the occurrence; 0 where it has none.
    pub day_index: i32,
    /// Which of the item's alerts of that day: see [`Item::reminder_of`].
    pub seq: i32,
    /// What it is about.
    pub category: Category,
    /// From here it is owed.
    pub due_at: DateTime<Utc>,
    /// From here it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// What is to become of it.
    pub fate: Fate,
}

impl Item {
    /// The reminder behind an alert's `seq`. Alerts of a task count on through the item's reminders, so that `seq` alone
    /// tells both: the task's position is `seq / reminders`, the reminder `seq % reminders`.
    pub fn reminder_of(&self, seq: i32) -> Option<&Reminder> {
        let index = usize::try_from(seq).ok()?.checked_rem(self.reminders.len())?;
        self.reminders.get(index)
    }

    pub(crate) fn alert_seq(&self, position: i32, index: usize) -> i32 {
        let reminders = i32::try_from(self.reminders.len()).unwrap_or(1);
        position * reminders + i32::try_from(index).unwrap_or(0)
    }
}

/// The stable share of [`SPREAD`] by which a patient's alerts at local times come later.
pub fn spread(patient: Uuid) -> TimeDelta {
    let folded = patient.as_u128() ^ (patient.as_u128() >> 64);
    #[expect(clippy::cast_possible_truncation, reason = "the low half of the folded id is what is wanted")]
    let mixed = (folded as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let seconds = mixed % SPREAD.num_seconds().unsigned_abs();
    TimeDelta::seconds(i64::try_from(seconds).unwrap_or(0))
}

/// Everything a patient is owed by the running treatments, in order of time. What has expired by `now` is left out.
pub fn owed(
    patient: Uuid,
    treatments: &[RunningTreatment<'_>],
    preferences: &Preferences,
    now: DateTime<Utc>,
) -> Vec<Owed> {
    if preferences.paused {
        return Vec::new();
    }
    plan(patient, treatments, preferences, now, &mut Nobody)
}

/// The story of everything that the treatments have a reminder for, owed or not, in order of time.
pub fn stories(
    patient: Uuid,
    treatments: &[RunningTreatment<'_>],
    preferences: &Preferences,
    now: DateTime<Utc>,
) -> Vec<Story> {
    let mut scribe = Scribe::default();
    plan(patient, treatments, preferences, now, &mut scribe);
    let mut stories = scribe.stories;
    stories.sort_by(|a, b| (a.alert.due_at, &a.alert.dedupe_key).cmp(&(b.alert.due_at, &b.alert.dedupe_key)));
    stories
}

fn plan<W: Witness>(
    patient: Uuid,
    treatments: &[RunningTreatment<'_>],
    preferences: &Preferences,
    now: DateTime<Utc>,
    witness: &mut W,
) -> Vec<Owed> {
    // A flag on any treatment holds session prompts and results back, not only one on the same treatment.
    let mut holds: Vec<Hold> = treatments.iter().flat_map(|t| t.plan.conditions.holds.iter().copied()).collect();
    holds.sort_by_key(|hold| hold.from);
    let flags = Conditions { holds, ..Conditions::default() };
    let mut candidates = Vec::with_capacity(64);
    for treatment in treatments {
        let laid = timeline(&treatment.plan);
        let mut planner = Planner {
            treatment,
            preferences,
            flags: &flags,
            spread: spread(patient),
            now,
            candidates: &mut candidates,
            witness: &mut *witness,
        };
        planner.items(&laid);
        planner.tasks(&laid);
    }
    one_milestone_a_day(candidates, witness)
}

fn one_milestone_a_day<W: Witness>(candidates: Vec<Candidate>, witness: &mut W) -> Vec<Owed> {
    let mut winners: BTreeMap<NaiveDate, (Rank, Owed)> = BTreeMap::new();
    let mut losers: Vec<(NaiveDate, Owed)> = Vec::new();
    let mut owed = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let Some(Contender { date, rank }) = candidate.milestone else {
            owed.push(candidate.owed);
            continue;
        };
        // Of equals the first in the protocol's order stays.
        let beaten = match winners.get(&date) {
            Some((best, _)) if rank <= *best => Some(candidate.owed),
            _ => winners.insert(date, (rank, candidate.owed)).map(|(_, beaten)| beaten),
        };
        if W::CURIOUS {
            losers.extend(beaten.map(|beaten| (date, beaten)));
        }
    }
    for (date, loser) in &losers {
        if let Some((_, winner)) = winners.get(date) {
            witness.gave_way(loser, winner);
        }
    }
    owed.extend(winners.into_values().map(|(_, owed)| owed));
    owed.sort_by(|a, b| (a.due_at, &a.dedupe_key).cmp(&(b.due_at, &b.dedupe_key)));
    owed
}

#[cfg(test)]
mod tests;
