//! What a service answered within the last hour, by the minute, without a lock. Two threads that meet at the turn of a
//! minute may lose a count to each other: these are figures for people.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use chrono::{DateTime, Utc};

const MINUTES: i64 = 60;

#[derive(Debug, Default)]
struct Minute {
    /// Minutes since the epoch.
    number: AtomicI64,
    accepted: AtomicU64,
    failed: AtomicU64,
}

/// An hour of answers.
#[derive(Debug)]
pub(super) struct Tally(Box<[Minute]>);

impl Default for Tally {
    fn default() -> Self {
        Self((0..MINUTES).map(|_| Minute::default()).collect())
    }
}

impl Tally {
    /// One more answer.
    pub(super) fn count(&self, accepted: bool, now: DateTime<Utc>) {
        let number = now.timestamp().div_euclid(60);
        let index = usize::try_from(number.rem_euclid(MINUTES)).unwrap_or(0);
        let Some(minute) = self.0.get(index) else { return };
        let before = minute.number.load(Relaxed);
        if before != number && minute.number.compare_exchange(before, number, Relaxed, Relaxed).is_ok() {
            minute.accepted.store(0, Relaxed);
            minute.failed.store(0, Relaxed);
        }
        let counter = if accepted { &minute.accepted } else { &minute.failed };
        counter.fetch_add(1, Relaxed);
    }

    /// Accepted and failed within the hour before `now`.
    pub(super) fn last_hour(&self, now: DateTime<Utc>) -> (u64, u64) {
        let number = now.timestamp().div_euclid(60);
        let recent = |minute: &&Minute| (number - MINUTES + 1..=number).contains(&minute.number.load(Relaxed));
        self.0.iter().filter(recent).fold((0, 0), |(accepted, failed), minute| {
            (accepted + minute.accepted.load(Relaxed), failed + minute.failed.load(Relaxed))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn an_hour_is_remembered_and_no_more() {
        let (tally, start) = (Tally::default(), DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        for minute in 0..90 {
            tally.count(minute % 3 == 0, start + TimeDelta::minutes(minute));
        }
        let end = start + TimeDelta::minutes(89);
        assert_eq!(tally.last_hour(end), (20, 40));
        assert_eq!(tally.last_hour(end + TimeDelta::minutes(59)), (0, 1));
        assert_eq!(tally.last_hour(end + TimeDelta::hours(2)), (0, 0));
    }
}
