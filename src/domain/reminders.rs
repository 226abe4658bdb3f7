//! Which alerts a patient is owed: the laid-out treatments of one person, turned into messages with a moment, an end and
//! a name under which each is owed once. Pure; who stores and sends them is `alerts/` and `worker/`.
//!
//! Everything of one person is planned together, since "one milestone a day" and quiet hours are a person's, not a
//! treatment's. `planner.rs` says what would be owed if nobody slept, `place.rs` keeps quiet hours, `ration.rs` sees that a
//! day is not crowded, `snooze.rs` puts off what somebody asked to hear later, `slot.rs` says how long a plan holds.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use super::course::WhatFollows;
use super::protocol::{Item, Kind, Recurrence, Reminder};
use super::timeline::{Conditions, Plan, Timeline};
use super::words::word_enum;

mod place;
mod planner;
mod quiet;
mod ration;
mod slot;
mod snooze;
mod story;
mod told;
mod wishes;

use planner::{Candidate, Contender, Planner, Rank};
pub use quiet::QuietHours;
pub use ration::TOGETHER;
pub use snooze::Snooze;
pub use story::{End, LeftOut, Move, MovedBy, Story};
use story::{Nobody, Scribe, Witness};
pub use told::{History, Told, first_key};
pub use wishes::{DEFAULT_DAILY_CAP, DEFAULT_MINIMUM_GAP, Preferences};

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

/// One treatment that is under way.
#[derive(Debug, Clone)]
pub struct RunningTreatment<'a> {
    /// What it is laid out from.
    pub plan: Plan<'a>,
    /// The layout: what is made of it besides a plan of alerts needs no other.
    pub laid: Timeline<'a>,
    /// When it was registered: what was due before is past and owed to nobody.
    pub registered_at: DateTime<Utc>,
    /// Tasks that were done or skipped.
    pub settled: &'a BTreeSet<Uuid>,
    /// The patient's dates on which a check-in came in.
    pub checked_in_on: &'a BTreeSet<NaiveDate>,
    /// What has been arranged for the time after it.
    pub follows: WhatFollows<'a>,
    /// It was completed: nothing of it is owed but the prompts for its course's next session, and its flags hold back what
    /// they hold back.
    pub completed: bool,
    /// The clinic has recalled its version: nothing of it is owed, and its flags hold back all the same.
    pub recalled: bool,
}

word_enum! {
    /// Why an alert is recorded and not sent.
    pub enum Unsaid {
        /// Quiet hours outlast it.
        QuietHours = "quiet_hours",
        /// It would follow another too closely, and is over before it may.
        MinimumGap = "minimum_gap",
        /// The day is full of others that matter more, and it is over with it.
        DailyCap = "daily_cap",
    }
}

/// What is to become of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is to be sent.
    Due,
    /// Another alert of the same time tells it: the one that is owed under this key.
    Merged {
        /// The key of the one that is sent.
        into: String,
    },
    /// It is recorded and not sent.
    Suppressed(Unsaid),
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
    /// When it has to be planned anew if it was not sent by then: whatever speaks against sending it later (quiet hours, the
    /// next alert, the end of the day) is weighed again then.
    pub slot_ends_at: DateTime<Utc>,
    /// The person asked for it, and so it counts neither for the daily cap nor for the gap.
    pub asked_for: bool,
    /// What is to become of it.
    pub fate: Fate,
}

impl Item {
    /// Whether a person gets its alerts only for as long as they ask for them.
    pub fn is_asked_for(&self) -> bool {
        matches!(self.recurrence, Some(Recurrence::Every { .. }))
    }

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

/// Everything a patient is owed by the running treatments, in order of time. What has expired by `now` is left out; what the
/// person was told already is taken from `history`.
pub fn owed(
    patient: Uuid,
    treatments: &[RunningTreatment<'_>],
    preferences: &Preferences,
    history: &History,
    now: DateTime<Utc>,
) -> Vec<Owed> {
    if preferences.paused {
        return Vec::new();
    }
    plan(patient, treatments, preferences, history, now, &mut Nobody)
}

/// The story of everything that the treatments have a reminder for, owed or not, in order of time.
pub fn stories(
    patient: Uuid,
    treatments: &[RunningTreatment<'_>],
    preferences: &Preferences,
    history: &History,
    now: DateTime<Utc>,
) -> Vec<Story> {
    let mut scribe = Scribe::default();
    plan(patient, treatments, preferences, history, now, &mut scribe);
    let mut stories = scribe.stories;
    stories.sort_by(|a, b| (a.alert.due_at, &a.alert.dedupe_key).cmp(&(b.alert.due_at, &b.alert.dedupe_key)));
    stories
}

fn plan<W: Witness>(
    patient: Uuid,
    treatments: &[RunningTreatment<'_>],
    preferences: &Preferences,
    history: &History,
    now: DateTime<Utc>,
    witness: &mut W,
) -> Vec<Owed> {
    let flags = Conditions::flags_of(treatments.iter().map(|treatment| treatment.plan.conditions));
    let mut candidates = Vec::with_capacity(64);
    for treatment in treatments {
        let mut planner = Planner {
            treatment,
            preferences,
            history,
            flags: &flags,
            spread: spread(patient),
            now,
            candidates: &mut candidates,
            witness: &mut *witness,
        };
        planner.items();
        planner.tasks();
    }
    let Some(first) = treatments.first() else { return Vec::new() };
    let candidates = one_milestone_a_day(candidates, witness);
    let when = ration::When { preferences, zones: first.plan.zones, spread: spread(patient), now };
    let (mut owed, open) = snooze::apply(candidates, &history.snoozes, &history.told, &when, witness);
    owed.extend(ration::ration(open, &told::counted(&history.told, treatments, now), &when, witness));
    owed.sort_by(|a, b| (a.due_at, &a.dedupe_key).cmp(&(b.due_at, &b.dedupe_key)));
    slot::cut(&mut owed, &when);
    if W::CURIOUS {
        owed.iter().for_each(|alert| witness.decided(alert));
    }
    owed
}

fn one_milestone_a_day<W: Witness>(candidates: Vec<Candidate>, witness: &mut W) -> Vec<Candidate> {
    let mut winners: BTreeMap<NaiveDate, (Rank, Candidate)> = BTreeMap::new();
    let mut losers: Vec<(NaiveDate, Candidate)> = Vec::new();
    let mut kept = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let Some(Contender { date, rank }) = candidate.milestone else {
            kept.push(candidate);
            continue;
        };
        // Of equals the first in the protocol's order stays.
        let beaten = match winners.get(&date) {
            Some((best, _)) if rank <= *best => Some(candidate),
            _ => winners.insert(date, (rank, candidate)).map(|(_, beaten)| beaten),
        };
        if W::CURIOUS {
            losers.extend(beaten.map(|beaten| (date, beaten)));
        }
    }
    for (date, loser) in &losers {
        if let Some((_, winner)) = winners.get(date) {
            witness.gave_way(&loser.owed, &winner.owed);
        }
    }
    kept.extend(winners.into_values().map(|(_, winner)| winner));
    kept
}

#[cfg(test)]
mod ration_tests;
#[cfg(test)]
mod simulation_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod travel_tests;
