//! How much has closed by now, in well under two microseconds: what a worklist of thousands of treatments needs.
//! A protocol version's counting tasks are summed up once; a treatment then costs two binary searches.
//!
//! That works as long as the patient's clock runs evenly between the treatment and now. Where it jumped (a flight,
//! daylight saving) or days were excused, the tasks are laid out and counted one by one, with the same result.

use chrono::{DateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::compliance::{Compliance, Said, share_bp, standing};
use super::local_time::ZoneHistory;
use super::protocol::{Actor, Item, Kind, ProtocolVersion, Recurrence, Window};
use super::timeline::{Plan, timeline};

const DAY: i64 = 24 * 3600;
/// No zone sets its clock forth and back within a week, so samples this far apart miss no jump (a test holds the zone
/// data to it).
const SAMPLE: TimeDelta = TimeDelta::days(7);

/// Weight and number of counting tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Their weight.
    pub weight: i64,
    /// Their number.
    pub tasks: i64,
}

impl Ended {
    fn plus(self, other: Self) -> Self {
        Self { weight: self.weight + other.weight, tasks: self.tasks + other.tasks }
    }

    fn minus(self, other: Self) -> Self {
        Self { weight: self.weight - other.weight, tasks: self.tasks - other.tasks }
    }
}

/// One counting task as an offset in seconds: from local midnight of day 0, or from T0.
#[derive(Debug, Clone, Copy)]
struct Closing {
    close: i64,
    /// Close and grace.
    closed: i64,
    weight: i64,
}

/// Closing times in order with running sums.
#[derive(Debug, Clone, Default)]
struct Sums {
    closed: Vec<i64>,
    upto: Vec<Ended>,
    /// In order of their close, for what was over before T0.
    by_close: Vec<Closing>,
}

impl Sums {
    fn of(mut closings: Vec<Closing>) -> Self {
        closings.sort_by_key(|closing| closing.closed);
        let mut total = Ended::default();
        let upto = closings
            .iter()
            .map(|closing| {
                total = total.plus(Ended { weight: closing.weight, tasks: 1 });
                total
            })
            .collect();
        let closed = closings.iter().map(|closing| closing.closed).collect();
        closings.sort_by_key(|closing| closing.close);
        Self { closed, upto, by_close: closings }
    }

    fn upto(&self, moment: i64) -> Ended {
        let count = self.closed.partition_point(|closed| *closed <= moment);
        count.checked_sub(1).and_then(|last| self.upto.get(last)).copied().unwrap_or_default()
    }

    fn between(&self, start: i64, at: i64) -> Ended {
        if at <= start { Ended::default() } else { self.upto(at).minus(self.upto(start)) }
    }
}

/// The sums of one protocol version. Build once, keep with the version.
#[derive(Debug, Clone)]
pub struct ClosingWeights {
    local: Sums,
    elapsed: Sums,
    /// Seconds after which everything has closed, whatever the clock does.
    horizon: i64,
}

impl ClosingWeights {
    /// Sums a version up.
    pub fn of(version: &ProtocolVersion) -> Self {
        let (mut local, mut elapsed) = (Vec::new(), Vec::new());
        let asked = |item: &&Item| item.counts && item.kind == Kind::Routine && item.actor == Actor::Patient;
        for item in version.structure.items.iter().filter(asked) {
            let grace = item.grace.seconds();
            let closing = |close: i64| Closing { close, closed: close + grace, weight: i64::from(item.weight) };
            let on = |day: i32, minutes: u16| closing(i64::from(day) * DAY + i64::from(minutes) * 60);
            match (&item.window, &item.recurrence) {
                (Some(Window::Elapsed { to: Some(to), .. }), Some(Recurrence::Once { .. })) => {
                    elapsed.push(closing(to.seconds()));
                }
                (Some(Window::LocalDay { to_day: Some(last), to_time, .. }), Some(Recurrence::Once { .. })) => {
                    local.push(on(*last, to_time.minutes()));
                }
                (Some(Window::LocalDay { from_day, to_day: Some(last), to_time, .. }), Some(Recurrence::Daily)) => {
                    local.extend((*from_day..=*last).map(|day| on(day, to_time.minutes())));
                }
                (
                    Some(Window::LocalDay { from_day, to_day: Some(last), .. }),
                    Some(Recurrence::Times { times, days }),
                ) => {
                    let every_day: Vec<i32> = (*from_day..=*last).collect();
                    let days = if days.is_empty() { &every_day } else { days };
                    local.extend(days.iter().flat_map(|day| times.iter().map(|slot| on(*day, slot.to.minutes()))));
                }
                _ => {}
            }
        }
        let (local, elapsed) = (Sums::of(local), Sums::of(elapsed));
        // Two days more than the last closing: zones lie at most 26 hours apart.
        let last = local.closed.last().into_iter().chain(elapsed.closed.last()).max().copied().unwrap_or(0);
        Self { local, elapsed, horizon: last + 2 * DAY }
    }

    /// Weight and number of the counting tasks whose window and grace have ended between `starts_at` and `at`.
    pub fn ended(&self, plan: &Plan<'_>, starts_at: DateTime<Utc>, at: DateTime<Utc>) -> Ended {
        let last = plan.performed_at + TimeDelta::seconds(self.horizon);
        let (starts_at, until) = (starts_at.min(last), at.min(last));
        match steady_offset(plan, until.max(starts_at)) {
            Some(offset) if plan.overrides.excused.is_empty() => self.steady(plan, offset, starts_at, until),
            _ => one_by_one(plan, starts_at, at),
        }
    }

    fn steady(&self, plan: &Plan<'_>, offset: i64, starts_at: DateTime<Utc>, at: DateTime<Utc>) -> Ended {
        let midnight = plan.anchor_on.and_time(NaiveTime::MIN).and_utc().timestamp() - offset;
        let (start, now) = (starts_at.timestamp() - midnight, at.timestamp() - midnight);
        let treated = plan.performed_at.timestamp() - midnight;
        let before = self.local.by_close.iter().take_while(|closing| closing.close <= treated);
        let never = before.filter(|closing| start < closing.closed && closing.closed <= now);
        let never = never.fold(Ended::default(), |sum, closing| sum.plus(Ended { weight: closing.weight, tasks: 1 }));
        let since = |moment: DateTime<Utc>| (moment - plan.performed_at).num_seconds();
        self.local.between(start, now).minus(never).plus(self.elapsed.between(since(starts_at), since(at)))
    }
}

/// The zone's offset in seconds if it was the same all the time from the day before the treatment.
fn steady_offset(plan: &Plan<'_>, until: DateTime<Utc>) -> Option<i64> {
    let zone = plan.zones.only()?;
    let from = plan.performed_at - TimeDelta::days(1);
    let offset = offset_at(zone, from);
    let mut at = from;
    while at < until {
        at = (at + SAMPLE).min(until);
        if offset_at(zone, at) != offset {
            return None;
        }
    }
    // The treatment's local date may have been fixed in another zone: then day 0 lies elsewhere and nothing is steady.
    (ZoneHistory::fixed(zone).date(plan.performed_at) == plan.anchor_on).then_some(offset)
}

fn offset_at(zone: Tz, at: DateTime<Utc>) -> i64 {
    i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
}

fn one_by_one(plan: &Plan<'_>, starts_at: DateTime<Utc>, at: DateTime<Utc>) -> Ended {
    let nothing_said = Said::default();
    let laid = timeline(plan);
    let counting = laid.tasks.iter().filter(|task| task.item.counts && task.closed_at() <= at);
    let kept = counting.filter(|task| standing(task, &nothing_said, starts_at, at).excluded.is_none());
    kept.fold(Ended::default(), |sum, task| sum.plus(Ended { weight: task.weight(), tasks: 1 }))
}

/// What the database keeps of a treatment's outcomes, so that a worklist need not read them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DoneWeights {
    /// Weight of counting tasks done at all.
    pub done_w: i64,
    /// Weight of those done by their close.
    pub on_time_w: i64,
    /// Of `done_w`, the weight of tasks whose window and grace have not ended yet: done early, so closed early.
    pub early_w: i64,
}

/// Shares from sums alone; the counts stay empty.
pub fn shares(ended: Ended, done: DoneWeights) -> Compliance {
    let closed_w = ended.weight + done.early_w;
    Compliance {
        on_time_bp: share_bp(done.on_time_w, closed_w),
        completion_bp: share_bp(done.done_w, closed_w),
        done_w: done.done_w,
        on_time_w: done.on_time_w,
        closed_w,
        ..Compliance::default()
    }
}

#[cfg(test)]
#[path = "closing_tests.rs"]
mod tests;
