//! Which alerts a patient is owed: the laid-out treatments of one person, turned into messages with a moment, an end and
//! a name under which each is owed once. Pure; who stores and sends them is `alerts/` and `worker/`.
//!
//! Everything of one person is planned together, since "one milestone a day" and quiet hours are a person's, not a
//! treatment's. Digests, caps and gaps can follow as a further step over the same list: nothing here depends on how many
//! alerts a day gets.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use uuid::Uuid;

use super::alert::is_expired;
use super::local_time::{ZoneHistory, day};
use super::protocol::{Actor, DayTime, Item, Kind, Reminder, ReminderAt, Window};
use super::timeline::{Conditions, Hold, LaidOut, Plan, Task, Timeline, timeline};
use super::words::word_enum;

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
    /// The next treatment of the course is registered: no session prompts.
    pub course_continued: bool,
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

    fn alert_seq(&self, position: i32, index: usize) -> i32 {
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
        };
        planner.items(&laid);
        planner.tasks(&laid);
    }
    one_milestone_a_day(candidates)
}

/// An alert before it is known which milestone wins the day.
struct Candidate {
    owed: Owed,
    milestone: Option<Contender>,
}

struct Contender {
    date: NaiveDate,
    rank: Rank,
}

/// Whether it can be sent at all, its priority, how new its treatment is: the greatest wins.
type Rank = (bool, u8, DateTime<Utc>);

fn one_milestone_a_day(candidates: Vec<Candidate>) -> Vec<Owed> {
    let mut winners: BTreeMap<NaiveDate, (Rank, Owed)> = BTreeMap::new();
    let mut owed = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let Some(Contender { date, rank }) = candidate.milestone else {
            owed.push(candidate.owed);
            continue;
        };
        // Of equals the first in the protocol's order stays.
        if winners.get(&date).is_none_or(|(best, _)| rank > *best) {
            winners.insert(date, (rank, candidate.owed));
        }
    }
    owed.extend(winners.into_values().map(|(_, owed)| owed));
    owed.sort_by(|a, b| (a.due_at, &a.dedupe_key).cmp(&(b.due_at, &b.dedupe_key)));
    owed
}

struct Planner<'a, 'b> {
    treatment: &'b RunningTreatment<'a>,
    preferences: &'b Preferences,
    flags: &'b Conditions,
    spread: TimeDelta,
    now: DateTime<Utc>,
    candidates: &'b mut Vec<Candidate>,
}

/// One alert to be placed: what it is and when it would be due if nobody slept.
struct Draft<'i> {
    item: &'i Item,
    category: Category,
    day_index: i32,
    seq: i32,
    nominal: DateTime<Utc>,
    /// Whether it is at a local time, and so is spread.
    local: bool,
    expires_at: DateTime<Utc>,
}

impl Planner<'_, '_> {
    fn zones(&self) -> &ZoneHistory {
        self.treatment.plan.zones
    }

    fn wanted(&self, item: &Item) -> Option<Category> {
        let category = Category::of(item.kind)?;
        let session_over = category == Category::Session && self.treatment.course_continued;
        let wanted = item.actor == Actor::Patient && !self.preferences.off.contains(&category) && !session_over;
        wanted.then_some(category)
    }

    fn items(&mut self, laid: &Timeline<'_>) {
        for laid in &laid.items {
            if laid.skipped || matches!(laid.item.kind, Kind::Routine | Kind::CheckIn) {
                continue;
            }
            let Some(category) = self.wanted(laid.item) else { continue };
            for (index, reminder) in laid.item.reminders.iter().enumerate() {
                if let Some(draft) = self.item_draft(laid, category, index, reminder) {
                    self.place(&draft);
                }
            }
        }
    }

    fn item_draft<'i>(
        &self,
        laid: &LaidOut<'i>,
        category: Category,
        index: usize,
        reminder: &Reminder,
    ) -> Option<Draft<'i>> {
        let item = laid.item;
        let first_day = match &item.window {
            Some(Window::LocalDay { from_day, .. }) => Some(*from_day),
            _ => None,
        };
        let day_index = reminder.day.or(first_day).unwrap_or(0);
        let offset = reminder.offset.delta();
        let nominal = match reminder.at {
            ReminderAt::Open => laid.open_at + offset,
            ReminderAt::Close => laid.close_at? + offset,
            ReminderAt::Preferred => self.at_preferred(day(self.treatment.plan.anchor_on, day_index)).max(laid.open_at),
        };
        let nominal = if item.hold_on_flag { self.released(nominal)? } else { nominal };
        if nominal > laid.open_at && category != Category::Restriction && laid.close_at.is_some_and(|c| nominal >= c) {
            return None;
        }
        let expires_at = match category {
            Category::Milestone => self.end_of_day(nominal),
            Category::Restriction => nominal + LIFTED_LASTS,
            _ => nominal + PROMPT_LASTS,
        };
        let local = first_day.is_some();
        Some(Draft { item, category, day_index, seq: item.alert_seq(0, index), nominal, local, expires_at })
    }

    fn tasks(&mut self, laid: &Timeline<'_>) {
        for task in laid.tasks.iter().chain(&laid.check_ins) {
            let item = task.item;
            let Some(category) = self.wanted(item) else { continue };
            if task.excluded.is_some() || self.settled(task, category) {
                continue;
            }
            for (index, reminder) in item.reminders.iter().enumerate() {
                if !reminder.applies(task.day_index, task.seq) {
                    continue;
                }
                let nominal = match reminder.at {
                    ReminderAt::Open | ReminderAt::Preferred => task.open_at,
                    ReminderAt::Close => task.close_at,
                } + reminder.offset.delta();
                // A jump of the clock or a late treatment may have left too little of the window.
                if nominal < task.open_at || nominal >= task.close_at {
                    continue;
                }
                let expires_at = match category {
                    Category::CheckIn => self.zones().instant_on(task.local_date, DayTime::END).max(task.close_at),
                    _ => task.closed_at(),
                };
                let local = matches!(item.window, Some(Window::LocalDay { .. }));
                let seq = item.alert_seq(task.seq, index);
                self.place(&Draft { item, category, day_index: task.day_index, seq, nominal, local, expires_at });
            }
        }
    }

    fn settled(&self, task: &Task<'_>, category: Category) -> bool {
        match category {
            Category::CheckIn => self.treatment.checked_in_on.contains(&task.local_date),
            _ => self.treatment.settled.contains(&task.id),
        }
    }

    /// Quiet hours, expiry and the past decide what becomes of a draft.
    fn place(&mut self, draft: &Draft<'_>) {
        if draft.nominal < self.treatment.registered_at || is_expired(self.now, draft.expires_at) {
            return;
        }
        let (due_at, fate) = self.waking(draft);
        let plan = &self.treatment.plan;
        let date = self.zones().date(due_at);
        let milestone = (draft.category == Category::Milestone)
            .then(|| Contender { date, rank: (fate == Fate::Due, draft.item.priority, plan.performed_at) });
        let dedupe_key = match draft.category {
            Category::Milestone => format!("m:{date}"),
            _ => format!("t:{}:{}:{}:{}", plan.treatment, draft.item.key, draft.day_index, draft.seq),
        };
        let owed = Owed {
            dedupe_key,
            treatment_id: plan.treatment,
            item_key: draft.item.key.clone(),
            day_index: draft.day_index,
            seq: draft.seq,
            category: draft.category,
            due_at,
            expires_at: draft.expires_at,
            fate,
        };
        self.candidates.push(Candidate { owed, milestone });
    }

    /// When a draft is due, spread and with quiet hours kept.
    fn waking(&self, draft: &Draft<'_>) -> (DateTime<Utc>, Fate) {
        let at = draft.nominal;
        let spread = if draft.local { self.spread } else { TimeDelta::zero() };
        let usable = |at: DateTime<Utc>| !self.quiet_at(at) && !is_expired(at, draft.expires_at);
        // Spreading must not push anything into the night or past its end.
        if let Some(due) = [at + spread, at].into_iter().find(|at| usable(*at)) {
            return (due, Fate::Due);
        }
        let woken = self.end_of_quiet(at);
        match [woken + spread, woken].into_iter().find(|at| usable(*at)) {
            Some(due) => (due, Fate::Due),
            None => (at, Fate::Suppressed),
        }
    }

    fn quiet_at(&self, at: DateTime<Utc>) -> bool {
        self.preferences.quiet.is_some_and(|quiet| quiet.contains(time_of_day(self.zones(), at)))
    }

    fn end_of_quiet(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let Some(quiet) = self.preferences.quiet else { return at };
        let zones = self.zones();
        let date = zones.date(at);
        let tomorrow = time_of_day(zones, at) >= quiet.to;
        let mut end = zones.instant_on(day(date, i32::from(tomorrow)), quiet.to);
        if end < at {
            // The clock was set back past the end of quiet hours: that end has been and gone, the next one counts.
            end = zones.instant_on(day(date, 1), quiet.to);
        }
        end.max(at)
    }

    /// The preferred time on a date; one within quiet hours moves to their end on that date.
    fn at_preferred(&self, date: NaiveDate) -> DateTime<Utc> {
        let preferred = self.preferences.preferred_time;
        let time = match self.preferences.quiet {
            Some(quiet) if quiet.contains(preferred) => quiet.to,
            _ => preferred,
        };
        self.zones().instant_on(date, time)
    }

    /// `nominal`, or the next preferred time after the flags that were open then; `None` while one still is.
    fn released(&self, nominal: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let free = self.flags.released(nominal)?;
        if free == nominal {
            return Some(nominal);
        }
        let date = self.zones().date(free);
        [0, 1, 2].into_iter().map(|later| self.at_preferred(day(date, later))).find(|at| *at >= free)
    }

    fn end_of_day(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.zones().instant_on(self.zones().date(at), DayTime::END)
    }
}

fn time_of_day(zones: &ZoneHistory, at: DateTime<Utc>) -> DayTime {
    use chrono::Timelike;
    let minutes = zones.local(at).num_seconds_from_midnight() / 60;
    u16::try_from(minutes).ok().and_then(DayTime::from_minutes).unwrap_or(DayTime::START)
}

#[cfg(test)]
#[path = "reminders_tests.rs"]
mod tests;
