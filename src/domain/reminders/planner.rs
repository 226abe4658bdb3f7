//! From one laid-out treatment to alerts: when each would be due if nobody slept, and when it expires. What quiet hours
//! make of that is `place.rs`.

use chrono::{DateTime, NaiveDate, TimeDelta, Timelike, Utc};

use super::story::{LeftOut, MovedBy, Witness};
use super::{Category, History, LIFTED_LASTS, Owed, PROMPT_LASTS, Preferences, RunningTreatment};
use crate::domain::appointment::AppointmentKind;
use crate::domain::local_time::{ZoneHistory, day};
use crate::domain::protocol::{Actor, DayTime, Item, Kind, Reminder, ReminderAt, Window};
use crate::domain::timeline::{Conditions, LaidOut, Task};

/// An alert before it is known which milestone wins the day.
pub(super) struct Candidate {
    pub owed: Owed,
    /// Its item's.
    pub priority: u8,
    pub milestone: Option<Contender>,
}

pub(super) struct Contender {
    pub date: NaiveDate,
    pub rank: Rank,
}

/// Whether it can be sent at all, its priority, how new its treatment is: the greatest wins.
pub(super) type Rank = (bool, u8, DateTime<Utc>);

pub(super) struct Planner<'a, 'b, W> {
    pub treatment: &'b RunningTreatment<'a>,
    pub preferences: &'b Preferences,
    pub history: &'b History,
    pub flags: &'b Conditions,
    pub spread: TimeDelta,
    pub now: DateTime<Utc>,
    pub candidates: &'b mut Vec<Candidate>,
    pub witness: &'b mut W,
}

/// One alert to be placed: what it is and when it would be due if nobody slept.
pub(super) struct Draft<'i> {
    pub item: &'i Item,
    pub category: Category,
    pub day_index: i32,
    pub seq: i32,
    pub nominal: DateTime<Utc>,
    /// Whether it is at a local time, and so is spread.
    pub local: bool,
    pub expires_at: DateTime<Utc>,
    /// Why it is not owed, where that is known before its moment is.
    pub left_out: Option<LeftOut>,
}

impl<W: Witness> Planner<'_, '_, W> {
    pub fn zones(&self) -> &ZoneHistory {
        self.treatment.plan.zones
    }

    /// The category of an item's alerts, if it can owe a patient any.
    fn category(item: &Item) -> Option<Category> {
        Category::of(item.kind).filter(|_| item.actor == Actor::Patient)
    }

    fn unwanted(&self, category: Category) -> Option<LeftOut> {
        if self.preferences.paused {
            Some(LeftOut::Paused)
        } else if self.preferences.off.contains(&category) {
            Some(LeftOut::SwitchedOff)
        } else if self.treatment.recalled {
            Some(LeftOut::Recalled)
        } else if self.treatment.completed
            && !(category == Category::Session && self.treatment.follows.course_id.is_some())
        {
            Some(LeftOut::Completed)
        } else if category == Category::Session && self.treatment.follows.continued {
            Some(LeftOut::CourseContinued)
        } else if category == Category::Session && self.treatment.follows.over {
            Some(LeftOut::CourseOver)
        } else {
            None
        }
    }

    pub fn items(&mut self) {
        for laid in &self.treatment.laid.items {
            if matches!(laid.item.kind, Kind::Routine | Kind::CheckIn) {
                continue;
            }
            let Some(category) = Self::category(laid.item) else { continue };
            let left_out = self.unwanted(category).or(laid.skipped.then_some(LeftOut::WindowOver));
            if left_out.is_some() && !W::CURIOUS {
                continue;
            }
            for (index, reminder) in laid.item.reminders.iter().enumerate() {
                if let Some(draft) = self.item_draft(laid, category, index, reminder, left_out) {
                    self.place(&draft);
                }
            }
        }
    }

    fn item_draft<'i>(
        &mut self,
        laid: &LaidOut<'i>,
        category: Category,
        index: usize,
        reminder: &Reminder,
        left_out: Option<LeftOut>,
    ) -> Option<Draft<'i>> {
        let item = laid.item;
        let first_day = match &item.window {
            Some(Window::LocalDay { from_day, .. }) => Some(*from_day),
            _ => None,
        };
        let day_index = reminder.day.or(first_day).unwrap_or(0);
        let offset = reminder.offset.delta();
        let wanted_at = match reminder.at {
            ReminderAt::Open => laid.open_at + offset,
            ReminderAt::Close => laid.close_at? + offset,
            ReminderAt::Preferred => {
                self.zones().instant_on(self.date_of(item, day_index), self.preferences.preferred_time)
            }
        };
        self.witness.begin(reminder.at, wanted_at);
        let mut nominal = wanted_at;
        if reminder.at == ReminderAt::Preferred {
            let awake = self.at_preferred(self.date_of(item, day_index));
            nominal = awake.max(laid.open_at);
            self.witness.moved(MovedBy::QuietHours, wanted_at, awake);
            self.witness.moved(MovedBy::Window, awake, nominal);
        }
        let (nominal, held) = match item.hold_on_flag.then(|| self.released(nominal)) {
            Some(Some(free)) => {
                self.witness.moved(MovedBy::Flag, nominal, free);
                (free, None)
            }
            Some(None) => (nominal, Some(LeftOut::FlagOpen)),
            None => (nominal, None),
        };
        let over =
            nominal > laid.open_at && category != Category::Restriction && laid.close_at.is_some_and(|c| nominal >= c);
        let left_out = left_out.or(held).or_else(|| self.arranged(category, nominal));
        let left_out = left_out.or(over.then_some(LeftOut::WindowOver));
        if left_out.is_some() && !W::CURIOUS {
            return None;
        }
        let expires_at = match category {
            Category::Milestone => self.end_of_day(nominal),
            Category::Restriction => nominal + LIFTED_LASTS,
            _ => nominal + PROMPT_LASTS,
        };
        let local = first_day.is_some();
        Some(Draft { item, category, day_index, seq: item.alert_seq(0, index), nominal, local, expires_at, left_out })
    }

    /// The patient's date of an item's day.
    fn date_of(&self, item: &Item, day_index: i32) -> NaiveDate {
        let plan = &self.treatment.plan;
        day(plan.anchor_on, plan.day_of(item, day_index))
    }

    fn arranged(&self, category: Category, at: DateTime<Utc>) -> Option<LeftOut> {
        let kind = AppointmentKind::of(category)?;
        self.treatment.follows.is_arranged(kind, at).then_some(LeftOut::Arranged)
    }

    pub fn tasks(&mut self) {
        let laid = &self.treatment.laid;
        for task in laid.tasks.iter().chain(&laid.check_ins) {
            let item = task.item;
            let Some(category) = Self::category(item) else { continue };
            let excluded = task.excluded.map(|_| LeftOut::Excluded);
            let left_out = self.unwanted(category).or(excluded).or_else(|| self.settled(task, category));
            if left_out.is_some() && !W::CURIOUS {
                continue;
            }
            for (index, reminder) in item.reminders.iter().enumerate() {
                if reminder.applies(task.day_index, task.seq) {
                    self.task_draft(task, category, index, reminder, left_out);
                }
            }
        }
    }

    fn task_draft(
        &mut self,
        task: &Task<'_>,
        category: Category,
        index: usize,
        reminder: &Reminder,
        left_out: Option<LeftOut>,
    ) {
        let item = task.item;
        let nominal = match reminder.at {
            ReminderAt::Open | ReminderAt::Preferred => task.open_at,
            ReminderAt::Close => task.close_at,
        } + reminder.offset.delta();
        // A jump of the clock or a late treatment may have left too little of the window.
        let over = nominal < task.open_at || nominal >= task.close_at;
        let left_out = left_out.or(over.then_some(LeftOut::WindowOver));
        if left_out.is_some() && !W::CURIOUS {
            return;
        }
        let expires_at = match category {
            Category::CheckIn => self.zones().instant_on(task.local_date, DayTime::END).max(task.close_at),
            _ => task.closed_at(),
        };
        let local = matches!(item.window, Some(Window::LocalDay { .. }));
        let (day_index, seq) = (task.day_index, item.alert_seq(task.seq, index));
        self.witness.begin(reminder.at, nominal);
        self.place(&Draft { item, category, day_index, seq, nominal, local, expires_at, left_out });
    }

    fn settled(&self, task: &Task<'_>, category: Category) -> Option<LeftOut> {
        match category {
            Category::CheckIn => self.treatment.checked_in_on.contains(&task.local_date).then_some(LeftOut::CheckedIn),
            _ => self.treatment.settled.contains(&task.id).then_some(LeftOut::TaskSettled),
        }
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
