//! When a failed try may be repeated: the retry schedule as data.
//! Nothing here reads a clock or draws a random number; jitter comes in as an argument.

use chrono::TimeDelta;

/// Waits between tries, in seconds: 10 s, 30 s, then 2, 10, 30, 50 and 50 minutes.
/// The first wait is the ten seconds that FCM asks for before any retry; no wait exceeds its hour.
pub const SCHEDULE_SECONDS: [i64; 7] = [10, 30, 120, 600, 1800, 3000, 3000];

/// A message is handed to providers at most this often.
pub const MAX_TRIES: i32 = 8;

/// The most jitter that is added to a wait, in basis points (20 %).
pub const MAX_JITTER_BP: u16 = 2000;

/// The wait after the `tries`-th try (counted from 1), lengthened by `jitter_bp` basis points.
/// `None` when the tries are used up.
pub fn wait_after(tries: i32, jitter_bp: u16) -> Option<TimeDelta> {
    if tries >= MAX_TRIES {
        return None;
    }
    let index = usize::try_from(tries.max(1) - 1).unwrap_or(0);
    let base = SCHEDULE_SECONDS.get(index).copied()?;
    Some(lengthen(TimeDelta::seconds(base), jitter_bp))
}

/// `wait` plus at most 20 % of it.
pub fn lengthen(wait: TimeDelta, jitter_bp: u16) -> TimeDelta {
    let bp = i64::from(jitter_bp.min(MAX_JITTER_BP));
    TimeDelta::milliseconds(wait.num_milliseconds() + wait.num_milliseconds() * bp / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_ends_after_eight_tries() {
        let waits: Vec<_> = (1..=9).map(|tries| wait_after(tries, 0)).collect();
        assert_eq!(waits[0], Some(TimeDelta::seconds(10)));
        assert_eq!(waits[6], Some(TimeDelta::minutes(50)));
        assert_eq!(&waits[7..], [None, None]);
    }

    #[test]
    fn jitter_only_lengthens_and_by_at_most_a_fifth() {
        assert_eq!(wait_after(1, 2000), Some(TimeDelta::seconds(12)));
        assert_eq!(wait_after(1, u16::MAX), Some(TimeDelta::seconds(12)));
    }
}
