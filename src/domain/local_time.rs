//! Wall clocks and instants: what a local time means, for a person whose zone may change on the way.
//! Nothing here knows of protocols.
//!
//! A person's wall clock is a function of time with jumps: daylight saving and travel push it ahead (local times are
//! missing) or back (they come twice). One rule covers all of them: a local time means **the first instant at which the
//! person's clock shows that time or a later one**. So a time that is missing moves to the first valid minute after the
//! gap, one that comes twice means the first, and the instants of later local times are never earlier. A window that
//! comes out empty was skipped by a jump.

use chrono::offset::LocalResult;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use super::protocol::DayTime;

/// In which zone a person lives since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZoneHistory {
    first: Tz,
    changes: Vec<(DateTime<Utc>, Tz)>,
}

impl ZoneHistory {
    /// One zone for all time.
    pub const fn fixed(zone: Tz) -> Self {
        Self { first: zone, changes: Vec::new() }
    }

    /// A history of `(zone, valid_from)` rows in any order. The earliest also holds for the time before it; of two rows
    /// with the same `valid_from` the later one wins. `None` without rows.
    pub fn from_rows(rows: impl IntoIterator<Item = (Tz, DateTime<Utc>)>) -> Option<Self> {
        let mut rows: Vec<(Tz, DateTime<Utc>)> = rows.into_iter().collect();
        rows.sort_by_key(|(_, valid_from)| *valid_from);
        let mut rows = rows.into_iter();
        let mut history = Self::fixed(rows.next()?.0);
        for (zone, valid_from) in rows {
            history.change(zone, valid_from);
        }
        Some(history)
    }

    /// Appends a change; a change to the zone that holds anyway is none. Changes before the last one are ignored:
    /// what has been lived through is not rewritten.
    pub fn change(&mut self, zone: Tz, valid_from: DateTime<Utc>) {
        let current = self.last();
        match self.changes.last_mut() {
            Some((last, _)) if valid_from < *last => {}
            Some((last, latest)) if valid_from == *last => *latest = zone,
            _ if current == zone => {}
            _ => self.changes.push((valid_from, zone)),
        }
    }

    /// The zone of the latest change.
    pub fn last(&self) -> Tz {
        self.changes.last().map_or(self.first, |(_, zone)| *zone)
    }

    /// The zone at an instant.
    pub fn at(&self, at: DateTime<Utc>) -> Tz {
        let after = self.changes.partition_point(|(valid_from, _)| *valid_from <= at);
        after.checked_sub(1).and_then(|index| self.changes.get(index)).map_or(self.first, |(_, zone)| *zone)
    }

    /// The zones in order, each with since when it holds; the first since ever.
    pub fn rows(&self) -> impl Iterator<Item = (Option<DateTime<Utc>>, Tz)> + '_ {
        let changes = self.changes.iter().map(|(from, zone)| (Some(*from), *zone));
        std::iter::once((None, self.first)).chain(changes)
    }

    /// The zone at an instant, and until when it is known to hold; `None`: no change after it is known.
    pub fn stay(&self, at: DateTime<Utc>) -> (Tz, Option<DateTime<Utc>>) {
        let next = self.changes.partition_point(|(valid_from, _)| *valid_from <= at);
        (self.at(at), self.changes.get(next).map(|(valid_from, _)| *valid_from))
    }

    /// The only zone there ever was, if so.
    pub const fn only(&self) -> Option<Tz> {
        if self.changes.is_empty() { Some(self.first) } else { None }
    }

    /// What the person's clock shows at an instant.
    pub fn local(&self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.at(at)).naive_local()
    }

    /// The person's date at an instant.
    pub fn date(&self, at: DateTime<Utc>) -> NaiveDate {
        self.local(at).date()
    }

    /// The first instant at which the person's clock shows this time or a later one.
    pub fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let mut zone = self.first;
        let mut since = None;
        for (until, next) in &self.changes {
            let instant = instant_since(zone, since, local);
            if instant < *until {
                return instant;
            }
            (zone, since) = (*next, Some(*until));
        }
        instant_since(zone, since, local)
    }

    /// The same for a date and a time of day, `24:00` being the start of the next day.
    pub fn instant_on(&self, date: NaiveDate, time: DayTime) -> DateTime<Utc> {
        self.instant(local(date, time))
    }
}

/// A date and a time of day as one local time; `24:00` is the start of the next day.
pub fn local(date: NaiveDate, time: DayTime) -> NaiveDateTime {
    date.and_time(NaiveTime::MIN) + TimeDelta::minutes(i64::from(time.minutes()))
}

/// `date` moved by a day index; dates beyond the calendar stay where they are.
pub fn day(date: NaiveDate, index: i32) -> NaiveDate {
    let moved = if index >= 0 {
        date.checked_add_days(Days::new(u64::from(index.unsigned_abs())))
    } else {
        date.checked_sub_days(Days::new(u64::from(index.unsigned_abs())))
    };
    moved.unwrap_or(date)
}

/// The day index of `date` counted from `anchor`.
pub fn day_index(anchor: NaiveDate, date: NaiveDate) -> i32 {
    i32::try_from(date.signed_duration_since(anchor).num_days()).unwrap_or(i32::MAX)
}

/// The first instant from `since` on at which a clock in `zone` shows `wanted` or later.
fn instant_since(zone: Tz, since: Option<DateTime<Utc>>, wanted: NaiveDateTime) -> DateTime<Utc> {
    let (first, second) = instants(zone, wanted);
    match since {
        Some(since) if first < since => {
            let shown = since.with_timezone(&zone).naive_local();
            match second {
                // The zone was entered between the two passes of a time that comes twice.
                Some(second) if shown < wanted && second >= since => second,
                _ => since,
            }
        }
        _ => first,
    }
}

/// The instants at which a clock in `zone` shows `wanted`, or the end of the gap that swallowed it.
fn instants(zone: Tz, wanted: NaiveDateTime) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
    match zone.from_local_datetime(&wanted) {
        LocalResult::Single(instant) => (instant.with_timezone(&Utc), None),
        LocalResult::Ambiguous(first, second) => (first.with_timezone(&Utc), Some(second.with_timezone(&Utc))),
        LocalResult::None => {
            let end = GapInfo::new(&wanted, &zone).and_then(|gap| gap.end);
            // A gap without an end does not occur in the zone data; the standard offset is the sanest answer to it.
            (
                end.map_or_else(|| zone.from_utc_datetime(&wanted).with_timezone(&Utc), |end| end.with_timezone(&Utc)),
                None,
            )
        }
    }
}

#[cfg(test)]
mod tests;
