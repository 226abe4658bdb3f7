//! How much has closed by now, in well under two microseconds: what a worklist of thousands of treatments needs.
//! A protocol version's counting tasks are summed up once; a treatment then costs two binary searches.
//!
//! Where the clock was set forth or back by daylight saving, the searches leave a band of an hour in doubt and its few
//! tasks are looked at exactly. Where the person travelled, days were excused or the version changed on the way, the tasks
//! are laid out and counted one by one. The result is always the same.

use chrono::{DateTime, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::compliance::{Compliance, Said, share_bp, standing};
use super::protocol::{Actor, DayTime, Item, Kind, ProtocolVersion, Recurrence, Window};
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
    /// How long its window is open.
    length: i64,
    close: i64,
    /// Close and grace.
    closed: i64,
    weight: i64,
}

impl Closing {
    const fn ended(&self) -> Ended {
        Ended { weight: self.weight, tasks: 1 }
    }
}

/// Closings in order of their end, with running sums.
#[derive(Debug, Clone, Default)]
struct Sums {
    by_closed: Vec<Closing>,
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
                total = total.plus(closing.ended());
                total
            })
            .collect();
        let by_closed = closings.clone();
        closings.sort_by_key(|closing| closing.close);
        Self { by_closed, upto, by_close: closings }
    }

    /// What has closed at a moment that lies between `sure` and `maybe`; `closed` decides for what lies between them.
    fn upto(&self, sure: i64, maybe: i64, closed: impl Fn(&Closing) -> bool) -> Ended {
        let before = |moment: i64| self.by_closed.partition_point(|closing| closing.closed <= moment);
        let first = before(sure);
        let last = if maybe == sure { first } else { before(maybe) };
        let known = first.checked_sub(1).and_then(|last| self.upto.get(last)).copied().unwrap_or_default();
        let doubtful = self.by_closed.get(first..last).unwrap_or_default().iter();
        doubtful.filter(|closing| closed(closing)).fold(known, |sum, closing| sum.plus(closing.ended()))
    }
}

/// The sums of one protocol version. Build once, keep with the version.
#[derive(Debug, Clone)]
pub struct ClosingWeights {
    local: Sums,
    elapsed: Sums,
    /// Seconds after which everything has closed, whatever the clock does.
    horizon: i64,
    /// The shortest window of a local day, in seconds: a smaller jump of the clock cannot swallow any.
    shortest: i64,
}

impl ClosingWeights {
    /// Sums a version up.
    pub fn of(version: &ProtocolVersion) -> Self {
        let (mut local, mut elapsed) = (Vec::new(), Vec::new());
        let asked = |item: &&Item| item.counts && item.kind == Kind::Routine && item.actor == Actor::Patient;
        for item in version.structure.items.iter().filter(asked) {
            let grace = item.grace.seconds();
            let weight = i64::from(item.weight);
            let closing =
                |open: i64, close: i64| Closing { length: close - open, close, closed: close + grace, weight };
            let at = |day: i32, time: DayTime| i64::from(day) * DAY + i64::from(time.minutes()) * 60;
            match (&item.window, &item.recurrence) {
                (Some(Window::Elapsed { from, to: Some(to) }), Some(Recurrence::Once { .. })) => {
                    elapsed.push(closing(from.seconds(), to.seconds()));
                }
                (
                    Some(Window::LocalDay { from_day, to_day: Some(last), from_time, to_time }),
                    Some(Recurrence::Once { offset }),
                ) => {
                    local.push(closing(at(*from_day, *from_time) + offset.seconds(), at(*last, *to_time)));
                }
                (
                    Some(Window::LocalDay { from_day, to_day: Some(last), from_time, to_time }),
                    Some(Recurrence::Daily),
                ) => {
                    local.extend((*from_day..=*last).map(|day| closing(at(day, *from_time), at(day, *to_time))));
                }
                (
                    Some(Window::LocalDay { from_day, to_day: Some(last), .. }),
                    Some(Recurrence::Times { times, days }),
                ) => {
                    let every_day: Vec<i32> = (*from_day..=*last).collect();
                    let days = if days.is_empty() { &every_day } else { days };
                    for day in days {
                        local.extend(times.iter().map(|slot| closing(at(*day, slot.from), at(*day, slot.to))));
                    }
                }
                _ => {}
            }
        }
        let (local, elapsed) = (Sums::of(local), Sums::of(elapsed));
        // Two days more than the last closing: zones lie at most 26 hours apart.
        let all = local.by_closed.iter().chain(&elapsed.by_closed);
        let last = all.map(|closing| closing.closed).max().unwrap_or(0);
        let shortest = local.by_closed.iter().map(|closing| closing.length).min().unwrap_or(i64::MAX);
        Self { horizon: last + 2 * DAY, shortest, local, elapsed }
    }

    /// Weight and number of the counting tasks whose window and grace have ended between `starts_at` and `at`.
    pub fn ended(&self, plan: &Plan<'_>, starts_at: DateTime<Utc>, at: DateTime<Utc>) -> Ended {
        let last = plan.performed_at + TimeDelta::seconds(self.horizon);
        let (starts_at, until) = (starts_at.min(last), at.min(last));
        match offsets(plan, until.max(starts_at)) {
            Some(offsets) if plan.overrides.are_plain() && offsets.jump() < self.shortest => {
                self.summed(plan, offsets, starts_at, until)
            }
            _ => one_by_one(plan, starts_at, at),
        }
    }

    fn summed(&self, plan: &Plan<'_>, offsets: Offsets, starts_at: DateTime<Utc>, at: DateTime<Utc>) -> Ended {
        if at <= starts_at {
            return Ended::default();
        }
        let midnight = plan.anchor_on.and_time(NaiveTime::MIN);
        let grid = |moment: DateTime<Utc>, offset: i64| moment.timestamp() + offset - midnight.and_utc().timestamp();
        let close_at = |closing: &Closing| plan.zones.instant(midnight + TimeDelta::seconds(closing.close));
        let closed_by = |closing: &Closing, moment: DateTime<Utc>| {
            close_at(closing) + TimeDelta::seconds(closing.closed - closing.close) <= moment
        };
        let local = |moment: DateTime<Utc>| {
            let (sure, maybe) = (grid(moment, offsets.least), grid(moment, offsets.most));
            self.local.upto(sure, maybe, |closing| closed_by(closing, moment))
        };
        let elapsed = |moment: DateTime<Utc>| {
            let since = (moment - plan.performed_at).num_seconds();
            self.elapsed.upto(since, since, |_| false)
        };
        // What was over before the treatment ended was never a task.
        let treated = grid(plan.performed_at, offsets.most);
        let early = self.local.by_close.iter().take_while(|closing| closing.close <= treated);
        let never = early
            .filter(|closing| close_at(closing) <= plan.performed_at)
            .filter(|closing| closed_by(closing, at) && !closed_by(closing, starts_at))
            .fold(Ended::default(), |sum, closing| sum.plus(closing.ended()));
        let local = local(at).minus(local(starts_at)).minus(never);
        local.plus(elapsed(at).minus(elapsed(starts_at)))
    }
}

/// The least and the most that a person's clock was ahead of UTC, in seconds.
#[derive(Debug, Clone, Copy)]
struct Offsets {
    least: i64,
    most: i64,
}

impl Offsets {
    const fn jump(self) -> i64 {
        self.most - self.least
    }
}

/// The zone's offsets from the day before the treatment on; none for travellers.
fn offsets(plan: &Plan<'_>, until: DateTime<Utc>) -> Option<Offsets> {
    let zone = plan.zones.only()?;
    let mut at = plan.performed_at - TimeDelta::days(1);
    let first = offset_at(zone, at);
    let mut offsets = Offsets { least: first, most: first };
    while at < until {
        at = (at + SAMPLE).min(until);
        let offset = offset_at(zone, at);
        offsets = Offsets { least: offsets.least.min(offset), most: offsets.most.max(offset) };
    }
    // The treatment's local date may have been fixed in another zone: then day 0 lies elsewhere.
    (plan.zones.date(plan.performed_at) == plan.anchor_on).then_some(offsets)
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
mod tests;
