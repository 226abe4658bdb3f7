//! The occurrences of recurring items in real time.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Excluded, LaidOut, ModeSpan, Plan, Task};
use crate::domain::ids;
use crate::domain::local_time::day;
use crate::domain::protocol::{DayTime, Item, Kind, Recurrence, Slot, Window};

pub(super) fn occurrences<'a>(plan: &Plan<'a>, laid: &LaidOut<'a>, tasks: &mut Vec<Task<'a>>) {
    let item = laid.item;
    let Some(recurrence) = &item.recurrence else { return };
    match (recurrence, &item.window) {
        (Recurrence::Once { offset }, _) => {
            let Some(close_at) = laid.close_at else { return };
            // A task whose window travels with the clock belongs to that day; one in elapsed time to the day it opens.
            let (day_index, local_date, open_at) = match &item.window {
                Some(Window::LocalDay { from_day, from_time, .. }) => {
                    (*from_day, day(plan.anchor_on, *from_day), plan.on(*from_day, *from_time) + offset.delta())
                }
                _ => {
                    let open_at = laid.open_at + offset.delta();
                    (0, plan.zones.date(open_at), open_at)
                }
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
    // Nobody is excused from saying how they are.
    let excused = item.kind == Kind::Routine
        && plan.overrides.excused.iter().any(|excuse| excuse.covers(&item.key, local_date, seq));
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
