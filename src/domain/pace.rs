//! So many messages a second, or requests a minute, and no more: one number says when the next one may go (the generic cell
//! rate algorithm), so that whoever holds it needs no lock. Time is an argument, in nanoseconds from any beginning.

use std::time::Duration;

/// The minute of [`Pace::per_minute`], in nanoseconds.
const MINUTE: u64 = 60_000_000_000;

/// How far apart, and how many may go at once after a quiet time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    interval: u64,
    tolerance: u64,
}

/// A turn, if it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// How long to wait for it.
    pub wait: Duration,
    /// The number to remember.
    pub next: u64,
}

impl Pace {
    /// After a quiet time, a tenth of a second's at once. `None` where there is no limit: zero.
    pub fn per_second(messages: u32) -> Option<Self> {
        let interval = 1_000_000_000_u64.checked_div(u64::from(messages))?.max(1);
        Some(Self { interval, tolerance: interval * u64::from(messages / 10).saturating_sub(1) })
    }

    /// After a quiet minute, all of the next one's at once. `None` where there is no limit: zero.
    pub fn per_minute(requests: u32) -> Option<Self> {
        let interval = MINUTE.checked_div(u64::from(requests))?.max(1);
        Some(Self { interval, tolerance: interval * u64::from(requests - 1) })
    }

    /// How long it takes until there is one more.
    pub fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// The next turn at `now`, where `next` is the number that the last taken turn left.
    pub fn turn(self, next: u64, now: u64) -> Turn {
        let start = next.max(now);
        let wait = start.saturating_sub(self.tolerance).saturating_sub(now);
        Turn { wait: Duration::from_nanos(wait), next: start + self.interval }
    }

    /// How many could go at once at `now`, where `next` is the number that the last taken turn left.
    pub fn left(self, next: u64, now: u64) -> u64 {
        let whole = self.tolerance + self.interval;
        whole.saturating_sub(next.saturating_sub(now)) / self.interval
    }

    /// Whether `next` is a number that a turn taken until `now` can have left. If not, time was put back.
    pub fn is_of(self, next: u64, now: u64) -> bool {
        next.saturating_sub(now) <= self.tolerance + self.interval
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn no_limit_is_no_pace() {
        assert_eq!(Pace::per_second(0), None);
        assert!(Pace::per_second(u32::MAX).is_some());
        assert_eq!(Pace::per_minute(0), None);
        assert!(Pace::per_minute(u32::MAX).is_some());
    }

    #[test]
    fn a_minutes_requests_may_come_at_once_and_come_back_one_by_one() {
        let pace = Pace::per_minute(60).unwrap();
        let mut next = 0;
        for left in (0..60).rev() {
            let turn = pace.turn(next, 5 * SECOND);
            assert!(turn.wait.is_zero());
            next = turn.next;
            assert_eq!(pace.left(next, 5 * SECOND), left);
        }
        assert_eq!(pace.turn(next, 5 * SECOND).wait, Duration::from_secs(1));
        assert_eq!(pace.turn(next, 6 * SECOND).wait, Duration::ZERO);
        assert_eq!((pace.left(next, 6 * SECOND), pace.left(next, 35 * SECOND)), (1, 30));
        assert_eq!(pace.left(next, 900 * SECOND), 60);
        assert!(pace.is_of(next, 5 * SECOND) && !pace.is_of(next, 4 * SECOND));
    }

    #[test]
    fn after_a_quiet_time_a_tenth_of_a_second_goes_at_once() {
        let pace = Pace::per_second(600).unwrap();
        let mut next = 0;
        let at_once = (0..1000).take_while(|_| {
            let turn = pace.turn(next, 5 * SECOND);
            next = turn.next;
            turn.wait.is_zero()
        });
        assert_eq!(at_once.count(), 60);
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_a_quiet_ones_and_its_own(
            rate in 1u32..2_000, gaps in proptest::collection::vec(0u64..SECOND, 1..600),
        ) {
            let pace = Pace::per_minute(rate).unwrap();
            let (mut now, mut next, mut gone) = (0, 0, Vec::new());
            for gap in gaps {
                now += gap;
                let turn = pace.turn(next, now);
                prop_assert_eq!(turn.wait.is_zero(), pace.left(next, now) > 0);
                if turn.wait.is_zero() {
                    next = turn.next;
                    gone.push(now);
                }
                prop_assert!(pace.is_of(next, now));
            }
            for (index, start) in gone.iter().enumerate() {
                let within = gone[index..].iter().take_while(|at| **at < start + MINUTE).count();
                prop_assert!(within <= 2 * rate as usize, "{within} in a minute at {rate}");
            }
        }

        #[test]
        fn no_second_has_more_than_its_share_and_a_tenth(
            rate in 1u32..50_000, gaps in proptest::collection::vec(0u64..SECOND / 50, 1..400),
        ) {
            let pace = Pace::per_second(rate).unwrap();
            let (mut now, mut next, mut gone) = (0, 0, Vec::new());
            for gap in gaps {
                now += gap;
                let turn = pace.turn(next, now);
                next = turn.next;
                gone.push(now + u64::try_from(turn.wait.as_nanos()).unwrap());
            }
            gone.sort_unstable();
            let most = f64::from(rate) * 1.1 + 2.0;
            for (index, start) in gone.iter().enumerate() {
                let within = gone[index..].iter().take_while(|at| **at < start + SECOND).count();
                prop_assert!(f64::from(u32::try_from(within).unwrap()) <= most, "{within} in a second at {rate}");
            }
        }
    }
}
