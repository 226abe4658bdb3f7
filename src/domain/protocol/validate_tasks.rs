//! Faults in what recurs, counts and reminds: tasks that do not fit their window, or that obedience would miss.

use super::item::{Actor, Kind, Recurrence, Reminder, ReminderAt, Slot, Window};
use super::units::{DayTime, IsoDuration};
use super::validate::Check;
use super::version::Structure;
use crate::domain::reminders::Category;

impl Check<'_> {
    pub fn recurrence(&self) {
        let Some(recurrence) = &self.item.recurrence else { return };
        let day = match &self.item.window {
            Some(Window::LocalDay { from_day, to_day, from_time, to_time }) => {
                Some((*from_day, *to_day, *from_time, *to_time))
            }
            _ => None,
        };
        let in_day = |from: DayTime, to: DayTime| day.is_none_or(|(_, _, open, close)| open <= from && to <= close);
        match recurrence {
            Recurrence::AsNeeded => {}
            Recurrence::Once { offset } => {
                if self.shortest().is_some_and(|length| *offset >= length) {
                    self.fault("recurrence", "longer than its window: the offset leaves no time for the task");
                }
            }
            Recurrence::Daily | Recurrence::Times { .. } | Recurrence::Every { .. } if day.is_none() => {
                self.fault("recurrence", "tasks of the day need a window on the basis local_day");
            }
            Recurrence::Daily => {}
            Recurrence::Times { times, days } => {
                self.slots(times);
                if times.iter().any(|slot| !in_day(slot.from, slot.to)) {
                    self.fault("recurrence", "longer than its window: a slot lies outside the window's times of day");
                }
                let outside = |index: &&i32| {
                    day.is_some_and(|(first, last, ..)| **index < first || last.is_some_and(|last| **index > last))
                };
                if let Some(index) = days.iter().find(outside) {
                    self.fault("recurrence", format!("longer than its window: day {index} lies outside it"));
                }
                if days.windows(2).any(|pair| matches!(pair, [a, b] if b <= a)) {
                    self.fault("recurrence", "`days` must be in order, each once");
                }
            }
            Recurrence::Every { hours, from, to, .. } => {
                if to <= from
                    || !in_day(*from, *to)
                    || u32::from(*hours) * 60 > u32::from(to.minutes() - from.minutes())
                {
                    self.fault("recurrence", "longer than its window: not one task fits between `from` and `to`");
                }
            }
        }
    }

    fn slots(&self, times: &[Slot]) {
        if times.iter().any(|slot| slot.to <= slot.from) {
            self.fault("recurrence", "a slot's `to` is before its `from`");
        }
        if times.windows(2).any(|pair| matches!(pair, [a, b] if b.from < a.to)) {
            self.fault("recurrence", "overlapping windows: the slots of a day must follow each other");
        }
    }

    /// The shortest time for which the window, or one of its days, is open.
    fn shortest(&self) -> Option<IsoDuration> {
        let between = |from: DayTime, to: DayTime| i64::from(to.minutes()) - i64::from(from.minutes());
        let minutes = |minutes: i64| IsoDuration::minutes(minutes.max(0));
        match (self.item.window.as_ref()?, &self.item.recurrence) {
            (Window::Elapsed { from, to }, _) => to.filter(|to| to > from).map(|to| to - *from),
            (Window::Condition { from, minimum, .. }, _) => Some(*minimum - *from),
            (_, Some(Recurrence::Times { times, .. })) => {
                times.iter().map(|slot| minutes(between(slot.from, slot.to))).min()
            }
            (_, Some(Recurrence::Every { hours, .. })) => Some(IsoDuration::hours(i64::from(*hours))),
            (Window::LocalDay { from_time, to_time, .. }, Some(Recurrence::Daily)) => {
                Some(minutes(between(*from_time, *to_time)))
            }
            (Window::LocalDay { from_day, to_day, from_time, to_time }, _) => {
                let days = to_day.map(|to_day| i64::from(to_day - from_day))?;
                Some(minutes(days * 24 * 60 + between(*from_time, *to_time)))
            }
        }
    }

    pub fn counting(&self, structure: &Structure) {
        let item = self.item;
        if !item.counts {
            return;
        }
        if item.kind != Kind::Routine {
            self.fault("counts", "only a routine counts");
        }
        if item.actor == Actor::Clinic {
            self.fault("counts", "what the clinic does never counts");
        }
        if matches!(item.window, Some(Window::Condition { .. })) {
            self.fault("counts", "tasks whose end waits for a condition cannot count");
        }
        if matches!(item.recurrence, Some(Recurrence::AsNeeded | Recurrence::Every { .. })) {
            self.fault("counts", "tasks that are only done as needed or asked for cannot count");
        }
        let Some(open) = self.earliest_task() else { return };
        for other in &structure.items {
            let same = other.kind == Kind::Restriction && item.group.is_some() && other.group == item.group;
            if same && self.is_within(open, other) {
                let reason = format!(
                    "counts while the restriction `{}` of its group still holds: the obedient patient must not score \
                     \"missed\"",
                    other.key
                );
                self.fault("window", reason);
            }
        }
    }

    /// Whether a task may open while a restriction still holds.
    fn is_within(&self, open: IsoDuration, restriction: &super::Item) -> bool {
        match &restriction.window {
            Some(Window::Elapsed { to, .. }) => to.is_some_and(|hard| open < hard),
            Some(Window::Condition { cap, .. }) => open < *cap,
            Some(Window::LocalDay { to_day: Some(to_day), to_time, .. }) => match self.first_of_day() {
                Some(first) => first < (*to_day, *to_time),
                // A treatment may begin with its local day, and that may be an hour longer.
                None => open < IsoDuration::minutes((i64::from(*to_day) * 24 + 1) * 60 + i64::from(to_time.minutes())),
            },
            Some(Window::LocalDay { to_day: None, .. }) | None => false,
        }
    }

    /// Day index and time of the first task of a window of local days.
    fn first_of_day(&self) -> Option<(i32, DayTime)> {
        let Some(Window::LocalDay { from_day, from_time, .. }) = self.item.window.as_ref() else { return None };
        Some(match &self.item.recurrence {
            Some(Recurrence::Times { times, days }) => {
                (days.first().copied().unwrap_or(*from_day), times.first().map_or(*from_time, |slot| slot.from))
            }
            _ => (*from_day, *from_time),
        })
    }

    /// The earliest moment after T0 at which a task may open: a treatment may end a minute before local midnight, and
    /// the night of its day may lack an hour.
    fn earliest_task(&self) -> Option<IsoDuration> {
        match self.item.window.as_ref()? {
            Window::Elapsed { from, .. } | Window::Condition { from, .. } => Some(*from),
            Window::LocalDay { .. } => {
                let (day, time) = self.first_of_day()?;
                let minutes = i64::from(day - 1) * 24 * 60 + i64::from(time.minutes()) - 60;
                Some(IsoDuration::minutes(minutes.max(0)))
            }
        }
    }

    pub fn reminders(&self) {
        for (index, reminder) in self.item.reminders.iter().enumerate() {
            if let Some(reason) = self.reminder(reminder) {
                self.fault(&format!("reminders[{index}]"), reason);
            }
        }
    }

    fn reminder(&self, reminder: &Reminder) -> Option<&'static str> {
        const OUTSIDE: Option<&str> = Some("a reminder outside its window");
        let item = self.item;
        let length = self.shortest();
        let day_range = match &item.window {
            Some(Window::LocalDay { from_day, to_day, .. }) => Some((*from_day, to_day.unwrap_or(i32::MAX))),
            _ => None,
        };
        let recurs = item.recurrence.as_ref().is_some_and(|recurrence| !matches!(recurrence, Recurrence::Once { .. }));
        if Category::of(item.kind).is_none() {
            return Some("entries of this kind send no alerts");
        }
        if item.window.is_none() || matches!(item.recurrence, Some(Recurrence::AsNeeded)) {
            return Some("a reminder needs a window or tasks to remind of");
        }
        if !recurs && (reminder.from_day.is_some() || reminder.to_day.is_some() || !reminder.seq.is_empty()) {
            return Some("`from_day`, `to_day` and `seq` choose among tasks: this item has none");
        }
        if reminder.day.is_some() && reminder.at != ReminderAt::Preferred {
            return Some("`day` goes with `at = \"preferred\"` only");
        }
        let in_range = |index: Option<i32>| {
            index.zip(day_range).is_none_or(|(index, (first, last))| (first..=last).contains(&index))
        };
        if !in_range(reminder.day) || !in_range(reminder.from_day) || !in_range(reminder.to_day) {
            return OUTSIDE;
        }
        let inside = |offset: IsoDuration| length.is_none_or(|length| offset < length);
        match reminder.at {
            ReminderAt::Preferred if recurs || day_range.is_none() || item.kind == Kind::Restriction => {
                Some("`preferred` needs an item of local days that does not recur")
            }
            ReminderAt::Preferred if reminder.offset != IsoDuration::ZERO => {
                Some("the preferred time is the patient's: it takes no offset")
            }
            ReminderAt::Preferred => None,
            ReminderAt::Open if reminder.offset < IsoDuration::ZERO || !inside(reminder.offset) => OUTSIDE,
            ReminderAt::Open => None,
            ReminderAt::Close if item.kind == Kind::Restriction => {
                (reminder.offset != IsoDuration::ZERO).then_some("a restriction is lifted at its close: no offset")
            }
            ReminderAt::Close if reminder.offset >= IsoDuration::ZERO || !inside(-reminder.offset) => OUTSIDE,
            ReminderAt::Close => None,
        }
    }
}
