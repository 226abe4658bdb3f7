//! Quiet hours: by the person's clock, wherever they are and whatever that clock does meanwhile.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::planner::time_of_day;
use crate::domain::local_time::{ZoneHistory, day};
use crate::domain::protocol::DayTime;

/// A part of the day in which a person is left alone; it may run past midnight. Equal ends: none at all.
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

    /// Whether the person is to be left alone at `at`.
    pub fn hold(self, zones: &ZoneHistory, at: DateTime<Utc>) -> bool {
        self.contains(time_of_day(zones, at))
    }

    /// When what is ready at `at` may disturb: then, or at the end of the quiet hours that `at` lies in.
    pub fn after(self, zones: &ZoneHistory, at: DateTime<Utc>) -> DateTime<Utc> {
        if self.hold(zones, at) { self.next_end(zones, at) } else { at }
    }

    /// The end of the quiet hours that `at` lies in. Whoever changes zones before they end may be awake at once.
    pub fn next_end(self, zones: &ZoneHistory, at: DateTime<Utc>) -> DateTime<Utc> {
        self.first(zones, at, |here, from| next(here, from, self.to), |awake| !self.hold(zones, awake))
    }

    /// When the next quiet hours begin, for an `at` outside them. `None`: never.
    pub fn next_start(self, zones: &ZoneHistory, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        (self.from != self.to)
            .then(|| self.first(zones, at, |here, from| self.start_in(here, from), |asleep| self.hold(zones, asleep)))
    }

    /// What `find` finds by the clock of each place in turn, or the arrival at a place where it is so at once.
    fn first(
        self,
        zones: &ZoneHistory,
        at: DateTime<Utc>,
        find: impl Fn(&ZoneHistory, DateTime<Utc>) -> DateTime<Utc>,
        so_on_arrival: impl Fn(DateTime<Utc>) -> bool,
    ) -> DateTime<Utc> {
        let mut from = at;
        loop {
            let (zone, until) = zones.stay(from);
            let found = find(&ZoneHistory::fixed(zone), from);
            match until {
                Some(until) if until <= found && so_on_arrival(until) => return until,
                Some(until) if until <= found => from = until,
                _ => return found,
            }
        }
    }

    fn start_in(self, here: &ZoneHistory, from: DateTime<Utc>) -> DateTime<Utc> {
        let start = next(here, from, self.from);
        let jumps = here.local(start) - here.local(from) != start - from;
        if !jumps {
            return start;
        }
        // On the way the clock is set, perhaps into the middle of quiet hours. It happens twice a year: each minute is asked.
        let mut minute = from;
        while minute < start && !self.hold(here, minute) {
            minute += TimeDelta::minutes(1);
        }
        minute.min(start)
    }
}

/// The next moment after `from` at which a clock in one zone shows `time` or, where that is missing, a later one.
fn next(here: &ZoneHistory, from: DateTime<Utc>, time: DayTime) -> DateTime<Utc> {
    let date = here.date(from);
    (0..3).map(|later| here.instant_on(day(date, later), time)).find(|at| *at > from).unwrap_or(from)
}

/// The end of the local day at `at`, by the clock of the place where the person is then.
pub(super) fn end_of_day(zone: Tz, at: DateTime<Utc>) -> DateTime<Utc> {
    next(&ZoneHistory::fixed(zone), at, DayTime::END)
}
