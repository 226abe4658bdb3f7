//! So many messages a second, and no more: one number says when the next one may go (the generic cell rate algorithm), so
//! that whoever holds it needs no lock. Time is an argument, in nanoseconds from any beginning.

use std::time::Duration;

/// Messages a second, and how many may go at once after a quiet time: a tenth of a second's.
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
    /// `None` where there is no limit: zero.
    pub fn per_second(messages: u32) -> Option<Self> {
        let interval = 1_000_000_000_u64.checked_div(u64::from(messages))?.max(1);
        Some(Self { interval, tolerance: interval * u64::from(messages / 10).saturating_sub(1) })
    }

    /// The next turn at `now`, where `next` is the number that the last taken turn left.
    pub fn turn(self, next: u64, now: u64) -> Turn {
        let start = next.max(now);
        let wait = start.saturating_sub(self.tolerance).saturating_sub(now);
        Turn { wait: Duration::from_nanos(wait), next: start + self.interval }
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
