//! From one laid-out treatment to alerts: when each is due, what quiet hours do to it, and when it expires.

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};

use super::{Category, Fate, LIFTED_LASTS, Owed, PROMPT_LASTS, Preferences, RunningTreatment};
use crate::domain::alert::is_expired;
use crate::domain::local_time::{ZoneHistory, day};
use crate::domain::protocol::{Actor, DayTime, Item, Kind, Reminder, ReminderAt, Window};
use crate::domain::timeline::{Conditions, LaidOut, Task, Timeline};

/// An alert before it is known which milestone wins the day.
pub(super) struct Candidate {
    pub owed: Owed,
    pub milestone: Option<Contender>,
}

pub(super) struct Contender {
    pub date: NaiveDate,
    pub rank: Rank,
}

/// Whether it can be sent at all, its priority, how new its treatment is: the greatest wins.
pub(super) type Rank = (bool, u8, DateTime<Utc>);

pub(super) struct Planner<'a, 'b> {
    pub treatment: &'b RunningTreatment<'a>,
    pub preferences: &'b Preferences,
    pub flags: &'b Conditions,
    pub spread: TimeDelta,
    pub now: DateTime<Utc>,
    pub candidates: &'b mut Vec<Candidate>,
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

    pub fn items(&mut self, laid: &Timeline<'_>) {
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

    pub fn tasks(&mut self, laid: &Timeline<'_>) {
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
        let (due_at, fate) = self.not_at_night(self.waking(draft), draft.expires_at);
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

    /// What was due before now goes out at once: at night, that is in the morning (after an outage, or when somebody lifts
    /// a pause late in the evening).
    fn not_at_night(&self, (due_at, fate): (DateTime<Utc>, Fate), expires_at: DateTime<Utc>) -> (DateTime<Utc>, Fate) {
        if fate == Fate::Suppressed || due_at > self.now || !self.quiet_at(self.now) {
            return (due_at, fate);
        }
        let woken = self.end_of_quiet(self.now);
        if is_expired(woken, expires_at) { (due_at, Fate::Suppressed) } else { (woken, Fate::Due) }
    }

    fn quiet_at(&self, at: DateTime<Utc>) -> bool {
        self.preferences.quiet.is_some_and(|quiet| quiet.contains(time_of_day(self.zones(), at)))
    }

    fn end_of_quiet(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        self.preferences.quiet.map_or(at, |quiet| quiet.next_end(self.zones(), at))
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

pub(super) fn time_of_day(zones: &ZoneHistory, at: DateTime<Utc>) -> DayTime {
    let minutes = zones.local(at).num_seconds_from_midnight() / 60;
    u16::try_from(minutes).ok().and_then(DayTime::from_minutes).unwrap_or(DayTime::START)
}
