//! A phone that rings by itself is pushed to later, and only if nobody says that it has rung: the push is its backstop.

use chrono::{DateTime, TimeDelta, Utc};

/// How long a push waits for a phone that promised to ring by itself. Time enough for an app that is in use, or woken by
/// what it shows, to say so; little enough for a reminder to be worth something where the phone was off. (Our choice.)
pub const WAIT: TimeDelta = TimeDelta::minutes(10);

/// When such a phone is pushed to: after [`WAIT`], or half-way to the end of what may be sent only for a shorter time.
pub fn push_at(due_at: DateTime<Utc>, send_until: DateTime<Utc>) -> DateTime<Utc> {
    due_at + WAIT.min((send_until - due_at) / 2).max(TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_push_waits_ten_minutes_and_for_what_is_soon_over_half_its_time() {
        assert_eq!(push_at(at(0), at(7_200)), at(600));
        assert_eq!(push_at(at(0), at(300)), at(150));
        assert_eq!(push_at(at(0), at(-60)), at(0), "what should not be sent any more is not made later");
    }

    proptest! {
        #[test]
        fn a_backstop_is_never_early_and_leaves_time(due in -10_000i64..10_000, life in 1i64..1_000_000) {
            let push = push_at(at(due), at(due + life));
            prop_assert!(push >= at(due) && push < at(due + life));
        }
    }
}
