//! Windows and phases in real time.

use chrono::{DateTime, TimeDelta, Utc};

use super::{LaidOut, Plan};
use crate::domain::protocol::{DayTime, Item, Phase, PhaseStart, Soft, Window};

pub(super) fn phase_start(plan: &Plan<'_>, phase: &Phase) -> DateTime<Utc> {
    match phase.from {
        PhaseStart::Elapsed { from } => plan.performed_at + from.delta(),
        PhaseStart::Day { from_day } => plan.on(from_day, DayTime::START).max(plan.performed_at),
    }
}

/// Instants of a window: open, close, earliest close, and whether an open flag holds it.
struct Bounds {
    open_at: DateTime<Utc>,
    close_at: Option<DateTime<Utc>>,
    earliest_close_at: Option<DateTime<Utc>>,
    held: bool,
}

fn bounds(plan: &Plan<'_>, item: &Item, window: &Window) -> Bounds {
    match window {
        Window::Elapsed { from, to } => Bounds {
            open_at: plan.after(*from),
            close_at: to.map(|to| plan.after(to)),
            earliest_close_at: None,
            held: false,
        },
        Window::LocalDay { from_day, to_day, from_time, to_time } => {
            let on = |day_index, time| plan.on(plan.day_of(item, day_index), time);
            let open_at = on(*from_day, *from_time).max(plan.performed_at);
            let close_at = to_day.map(|to_day| on(to_day, *to_time).max(open_at));
            Bounds { open_at, close_at, earliest_close_at: None, held: false }
        }
        Window::Condition { from, minimum, until, cap } => {
            let earliest = plan.after(*minimum);
            let close_at = plan.conditions.end(until, earliest, plan.after(*cap));
            Bounds { open_at: plan.after(*from), close_at, earliest_close_at: Some(earliest), held: close_at.is_none() }
        }
    }
}

pub(super) fn lay_out<'a>(plan: &Plan<'a>, item: &'a Item) -> LaidOut<'a> {
    let always = Bounds { open_at: plan.performed_at, close_at: None, earliest_close_at: None, held: false };
    let Bounds { open_at, close_at, earliest_close_at, mut held } =
        item.window.as_ref().map_or(always, |window| bounds(plan, item, window));
    let soft_close_at = match (&item.soft, close_at) {
        (Some(Soft::Fixed { to }), Some(hard)) => Some(plan.after(*to).max(hard)),
        (Some(Soft::Condition { until, cap }), Some(hard)) => {
            let end = plan.conditions.end(until, hard, plan.after(*cap));
            held |= end.is_none();
            end.map(|end| end.max(hard))
        }
        _ => None,
    };
    // The last date on which it holds is that of the moment before its end.
    let last_moment = |close: DateTime<Utc>| plan.zones.date((close - TimeDelta::seconds(1)).max(open_at));
    LaidOut {
        item,
        open_at,
        close_at,
        earliest_close_at,
        soft_close_at,
        held,
        open_on: plan.zones.date(open_at),
        close_on: close_at.map(last_moment),
        skipped: close_at.is_some_and(|close| close <= open_at),
    }
}
