//! What a protocol's items must fulfil beyond their shape: every breach is a fault, all are found at once.
//! Words are checked in `validate_texts.rs`, rules and references to facts in `validate_rules.rs`.

use std::collections::BTreeSet;

use super::item::{Actor, Item, Kind, Recurrence, Reminder, ReminderAt, Slot, Soft, Window};
use super::parse::Parsed;
use super::read::Doc;
use super::units::{DayTime, IsoDuration};
use super::version::{PhaseStart, Structure};
use crate::domain::reminders::Category;

/// The most items a protocol may have.
pub const MOST_ITEMS: usize = 500;

pub(super) fn items(doc: &Doc<'_>, parsed: &Parsed, structure: &Structure) {
    duplicates(doc, "items", parsed.named.iter().map(String::as_str));
    duplicates(doc, "phases", structure.phases.iter().map(|phase| phase.key.as_str()));
    duplicates(doc, "conditions", structure.conditions.iter().map(|condition| condition.key.as_str()));
    duplicates(doc, "triage", structure.triage.iter().map(|rule| rule.key.as_str()));
    if parsed.named.len() > MOST_ITEMS {
        doc.fault("items", format!("{} items are more than the {MOST_ITEMS} a protocol may have", parsed.named.len()));
    }
    phases(doc, structure);
    if let Some(series) = &structure.series {
        if series.interval_max < series.interval_min {
            doc.fault("series.interval_max", "`interval_max` is before `interval_min`");
        }
        if series.most < series.sessions {
            doc.fault("series.most", "`most` is less than `sessions`");
        }
    }
    for (item, path) in structure.items.iter().zip(&parsed.item_paths) {
        let check = Check { doc, path, item };
        check.kind();
        check.window();
        check.soft_and_range();
        check.recurrence();
        check.counting(structure);
        check.reminders();
        check.references(parsed, structure);
    }
}

fn duplicates<'a>(doc: &Doc<'_>, section: &str, keys: impl Iterator<Item = &'a str>) {
    let mut seen = BTreeSet::new();
    for (index, key) in keys.enumerate() {
        if !seen.insert(key) {
            doc.fault(&format!("{section}[{index}].key"), format!("`{key}` is named twice in {section}"));
        }
    }
}

fn phases(doc: &Doc<'_>, structure: &Structure) {
    match structure.phases.first().map(|phase| phase.from) {
        None => doc.fault("phases", "a protocol needs at least one phase"),
        Some(PhaseStart::Elapsed { from: IsoDuration::ZERO } | PhaseStart::Day { from_day: 0 }) => {}
        Some(_) => doc.fault("phases[0]", "the first phase must start with the treatment"),
    }
    for (index, pair) in structure.phases.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        let ordered = match (before.from, after.from) {
            (PhaseStart::Elapsed { from: a }, PhaseStart::Elapsed { from: b }) => a < b,
            (PhaseStart::Day { from_day: a }, PhaseStart::Day { from_day: b }) => a < b,
            (PhaseStart::Elapsed { .. }, PhaseStart::Day { from_day }) => from_day > 0,
            (PhaseStart::Day { from_day }, PhaseStart::Elapsed { from }) => {
                from >= IsoDuration::days(i64::from(from_day))
            }
        };
        if !ordered {
            let path = format!("phases[{}]", index + 1);
            doc.fault(&path, format!("phase `{}` does not start after `{}`", after.key, before.key));
        }
    }
}

struct Check<'a> {
    doc: &'a Doc<'a>,
    path: &'a str,
    item: &'a Item,
}

impl Check<'_> {
    fn fault(&self, part: &str, reason: impl AsRef<str>) {
        let path = if part.is_empty() { self.path.to_owned() } else { format!("{}.{part}", self.path) };
        self.doc.fault(&path, format!("item `{}`: {}", self.item.key, reason.as_ref()));
    }

    fn kind(&self) {
        let item = self.item;
        let needs_window = matches!(
            item.kind,
            Kind::Milestone | Kind::Restriction | Kind::Routine | Kind::CheckIn | Kind::FollowUp | Kind::Session
        );
        if needs_window && item.window.is_none() {
            self.fault("", format!("a {} needs a window", item.kind));
        }
        let bounded = match &item.window {
            Some(Window::Elapsed { to, .. }) => to.is_some(),
            Some(Window::LocalDay { to_day, .. }) => to_day.is_some(),
            Some(Window::Condition { .. }) => true,
            None => false,
        };
        if item.kind == Kind::Restriction && item.window.is_some() && !bounded {
            self.fault("window", "a restriction needs a bound or a cap");
        } else if needs_window && item.window.is_some() && !bounded {
            self.fault("window", format!("a {} needs an end", item.kind));
        }
        match (item.kind, &item.recurrence) {
            (Kind::Routine | Kind::CheckIn, None) => self.fault("", format!("a {} needs a recurrence", item.kind)),
            (Kind::Routine | Kind::CheckIn, Some(_)) | (_, None) => {}
            (_, Some(_)) => self.fault("recurrence", format!("a {} does not recur", item.kind)),
        }
        if item.evidence.is_empty() && !item.product_decision {
            self.fault("", "needs evidence, or `product_decision = true` where no source gives the figure");
        }
        if item.actor == Actor::Clinic && !item.reminders.is_empty() {
            self.fault("reminders", "what the clinic does is not asked of the patient: no reminders");
        }
    }

    fn window(&self) {
        match &self.item.window {
            Some(Window::Elapsed { from, to: Some(to) }) if to <= from => self.fault("window", "`to` is before `from`"),
            Some(Window::LocalDay { from_day, to_day: Some(to_day), .. }) if to_day < from_day => {
                self.fault("window", "`to_day` is before `from_day`");
            }
            Some(Window::LocalDay { from_day, to_day, from_time, to_time }) => {
                let daily = self.item.recurrence.is_some() || *to_day == Some(*from_day);
                if daily && to_time <= from_time {
                    self.fault("window", "`to_time` is before `from_time`");
                }
            }
            Some(Window::Condition { from, minimum, cap, .. }) => {
                if minimum < from {
                    self.fault("window", "`minimum` is before `from`");
                }
                if cap < minimum || cap <= from {
                    self.fault("window", "`cap` is before `minimum`");
                }
            }
            Some(Window::Elapsed { .. }) | None => {}
        }
    }

    fn soft_and_range(&self) {
        let item = self.item;
        if item.soft.is_some() && item.kind != Kind::Restriction {
            self.fault("soft", "only a restriction has a soft bound");
        }
        if matches!(item.window, Some(Window::LocalDay { .. })) && item.soft.is_some() {
            self.fault("soft", "a soft bound counts from T0 and cannot follow a window of local days");
        }
        let end = match &item.window {
            Some(Window::Elapsed { to, .. }) => *to,
            Some(Window::Condition { cap, .. }) => Some(*cap),
            Some(Window::LocalDay { .. }) | None => None,
        };
        let soft = item.soft.as_ref().map(|soft| match soft {
            Soft::Fixed { to } => *to,
            Soft::Condition { cap, .. } => *cap,
        });
        if soft.zip(end).is_some_and(|(soft, end)| soft <= end) {
            self.fault("soft", "the soft bound is before the hard one");
        }
        if item.range.is_some_and(|range| range.max < range.min) {
            self.fault("range", "`max` is before `min`");
        }
    }

    fn recurrence(&self) {
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

    fn counting(&self, structure: &Structure) {
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
            let hard = match &other.window {
                Some(Window::Elapsed { to, .. }) => *to,
                Some(Window::Condition { cap, .. }) => Some(*cap),
                _ => None,
            };
            let same = other.kind == Kind::Restriction && item.group.is_some() && other.group == item.group;
            if same && hard.is_some_and(|hard| open < hard) {
                let reason = format!(
                    "counts while the restriction `{}` of its group still holds: the obedient patient must not score \
                     \"missed\"",
                    other.key
                );
                self.fault("window", reason);
            }
        }
    }

    /// The earliest moment after T0 at which a task may open: a treatment may end a minute before local midnight, and
    /// the night of its day may lack an hour.
    fn earliest_task(&self) -> Option<IsoDuration> {
        match self.item.window.as_ref()? {
            Window::Elapsed { from, .. } | Window::Condition { from, .. } => Some(*from),
            Window::LocalDay { from_day, from_time, .. } => {
                let (day, time) = match &self.item.recurrence {
                    Some(Recurrence::Times { times, days }) => {
                        (days.first().copied().unwrap_or(*from_day), times.first().map_or(*from_time, |slot| slot.from))
                    }
                    _ => (*from_day, *from_time),
                };
                let minutes = i64::from(day - 1) * 24 * 60 + i64::from(time.minutes()) - 60;
                Some(IsoDuration::minutes(minutes.max(0)))
            }
        }
    }

    fn reminders(&self) {
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

    fn references(&self, parsed: &Parsed, structure: &Structure) {
        for (index, link) in self.item.links.iter().enumerate() {
            if !parsed.named.contains(link) {
                self.fault(&format!("links[{index}]"), format!("links to `{link}`, which does not exist"));
            }
        }
        let window = match &self.item.window {
            Some(Window::Condition { until, .. }) => Some(("window.until", until)),
            _ => None,
        };
        let soft = match &self.item.soft {
            Some(Soft::Condition { until, .. }) => Some(("soft.until", until)),
            _ => None,
        };
        for (part, until) in window.into_iter().chain(soft) {
            if !structure.conditions.iter().any(|condition| condition.key == *until) {
                self.fault(part, format!("waits for the condition `{until}`, which does not exist"));
            }
        }
    }
}
