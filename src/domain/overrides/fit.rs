//! What depends on an item's window and follows it: days on which tasks are asked, reminders, the soft bound.

use super::{IsoDuration, Item, Soft, Window};
use crate::domain::protocol::{Recurrence, Reminder, ReminderAt};

/// Lets what depends on the window follow it. A soft bound that was not asked for goes where the hard one has overtaken it.
pub(super) fn follow(before: &Item, changed: &mut Item, soft_stays: bool) {
    if let (Some(was), Some((first, last))) = (days(before), days(changed)) {
        let moved = first - was.0;
        changed.reminders.retain_mut(|reminder| stays(reminder, moved, first, last));
        if let Some(Recurrence::Times { days, .. }) = &mut changed.recurrence {
            let left: Vec<i32> = days.iter().copied().filter(|day| (first..=last).contains(day)).collect();
            // No day at all would mean every day: such a window is refused instead.
            if !left.is_empty() {
                *days = left;
            }
        }
    }
    if let Some(length) = length(changed) {
        // A restriction is lifted at its close, however long it lasted.
        changed.reminders.retain(|reminder| {
            let offset = if reminder.offset < IsoDuration::ZERO { -reminder.offset } else { reminder.offset };
            reminder.at == ReminderAt::Preferred || offset == IsoDuration::ZERO || offset < length
        });
    }
    let end = match &changed.window {
        Some(Window::Elapsed { to, .. }) => *to,
        Some(Window::Condition { cap, .. }) => Some(*cap),
        Some(Window::LocalDay { .. }) | None => None,
    };
    let soft = changed.soft.as_ref().map(|soft| match soft {
        Soft::Fixed { to } => *to,
        Soft::Condition { cap, .. } => *cap,
    });
    if soft_stays && soft.zip(end).is_some_and(|(soft, end)| soft <= end) {
        changed.soft = None;
    }
}

/// First and last day index of a window of local days.
fn days(item: &Item) -> Option<(i32, i32)> {
    match &item.window {
        Some(Window::LocalDay { from_day, to_day, .. }) => Some((*from_day, to_day.unwrap_or(i32::MAX))),
        _ => None,
    }
}

/// How long a window of elapsed time lasts, at least.
fn length(item: &Item) -> Option<IsoDuration> {
    match item.window.as_ref()? {
        Window::Elapsed { from, to } => to.map(|to| to - *from),
        Window::Condition { from, minimum, .. } => Some(*minimum - *from),
        Window::LocalDay { .. } => None,
    }
}

/// Moves a reminder with the first day and cuts it to what is left; whether anything is.
fn stays(reminder: &mut Reminder, moved: i32, first: i32, last: i32) -> bool {
    reminder.day = reminder.day.map(|day| day.saturating_add(moved).clamp(first, last.max(first)));
    let over = reminder.to_day.is_some_and(|day| day < first) || reminder.from_day.is_some_and(|day| day > last);
    reminder.from_day = reminder.from_day.map(|day| day.max(first));
    reminder.to_day = reminder.to_day.map(|day| day.min(last));
    !over
}
