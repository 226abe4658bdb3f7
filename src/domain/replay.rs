//! Whether an alert that could not be sent may be owed again, and until when. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use super::alert::is_expired;
use super::words::word_enum;

/// How much more time somebody who replays one alert by hand gives it.
pub const BY_HAND_LASTS: TimeDelta = TimeDelta::hours(24);
/// From then on not even by hand: whatever it said, life has gone on.
pub const TOO_OLD: TimeDelta = TimeDelta::days(7);

word_enum! {
    /// How an alert ended that nobody got.
    pub enum Unsent {
        /// Refused, or tried too often.
        Failed = "failed",
        /// It was too late.
        Expired = "expired",
        /// There was nothing to send to.
        NoDevice = "no_device",
    }
}

word_enum! {
    /// Why an alert is not owed again.
    pub enum Refusal {
        /// A provider took it: it is not sent twice.
        Sent = "sent",
        /// It is on its way, or will be.
        UnderWay = "under_way",
        /// It was called off, or never to be sent.
        CalledOff = "called_off",
        /// The plan does not owe it any more: done, switched off, the treatment over.
        LeftThePlan = "left_the_plan",
        /// Somebody has seen what it is about.
        Seen = "seen",
        /// The day that it was about is over, or will be when quiet hours end.
        DayOver = "day_over",
        /// It is more than a week old.
        TooOld = "too_old",
    }
}

/// Whether somebody looked at the alert itself or asked for all that fit a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// This one.
    ByHand,
    /// Whatever fits.
    ByFilter,
}

/// An alert that could not be sent, as far as its time goes.
#[derive(Debug, Clone, Copy)]
pub struct Times<'a> {
    /// What the person can switch off.
    pub category: &'a str,
    /// The moment from which it was owed.
    pub due_at: DateTime<Utc>,
    /// The moment from which it is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// The end of the recipient's local day on which it was due.
    pub day_ends_at: DateTime<Utc>,
    /// When it could be sent: now, or after quiet hours.
    pub from: DateTime<Utc>,
}

/// Whether an alert in this state can be owed again at all.
pub fn unsent(state: &str) -> Result<Unsent, Refusal> {
    match state {
        "sent" => Err(Refusal::Sent),
        "scheduled" | "sending" => Err(Refusal::UnderWay),
        ended => Unsent::ALL.iter().copied().find(|unsent| unsent.as_str() == ended).ok_or(Refusal::CalledOff),
    }
}

/// Until when the alert is worth something once it is owed again.
///
/// What belongs to a day (a milestone, something to do, a question how it is) is told on that day or not at all. The rest
/// keeps its own end or that of its day, whichever is later; somebody who looked at it may give it another day.
pub fn fresh_end(times: Times<'_>, asked: Asked) -> Result<DateTime<Utc>, Refusal> {
    let of_its_day = times.expires_at.max(times.day_ends_at);
    let end = match times.category {
        // Whoever asked for it is no longer looking at the phone.
        "test" => times.expires_at,
        "milestone" | "routine" | "check_in" => of_its_day,
        _ if times.from - times.due_at > TOO_OLD => return Err(Refusal::TooOld),
        _ if asked == Asked::ByHand => of_its_day.max(times.from + BY_HAND_LASTS),
        _ => of_its_day,
    };
    if is_expired(times.from, end) { Err(Refusal::DayOver) } else { Ok(end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000, 0).unwrap() + TimeDelta::hours(hours)
    }

    /// Due at 0, worth something until 2, its day ends at 10.
    fn times(category: &str, from: i64) -> Times<'_> {
        Times { category, due_at: at(0), expires_at: at(2), day_ends_at: at(10), from: at(from) }
    }

    #[test]
    fn what_belongs_to_a_day_is_told_on_that_day_or_not_at_all() {
        for category in ["milestone", "routine", "check_in"] {
            for asked in [Asked::ByHand, Asked::ByFilter] {
                assert_eq!(fresh_end(times(category, 1), asked), Ok(at(10)));
                assert_eq!(fresh_end(times(category, 9), asked), Ok(at(10)));
                assert_eq!(fresh_end(times(category, 10), asked), Err(Refusal::DayOver));
            }
        }
    }

    #[test]
    fn the_rest_gets_another_day_from_whoever_looked_at_it() {
        for category in ["restriction", "session", "follow_up", "flag", "service"] {
            assert_eq!(fresh_end(times(category, 9), Asked::ByFilter), Ok(at(10)));
            assert_eq!(fresh_end(times(category, 11), Asked::ByFilter), Err(Refusal::DayOver));
            assert_eq!(fresh_end(times(category, 11), Asked::ByHand), Ok(at(35)));
            assert_eq!(fresh_end(times(category, 24 * 7 + 1), Asked::ByHand), Err(Refusal::TooOld));
        }
    }

    #[test]
    fn no_time_that_an_alert_had_is_taken_away() {
        let long = Times { expires_at: at(100), ..times("session", 1) };
        assert_eq!(fresh_end(long, Asked::ByHand), Ok(at(100)));
        assert_eq!(fresh_end(long, Asked::ByFilter), Ok(at(100)));
    }

    #[test]
    fn a_test_push_is_never_tried_again_later() {
        assert_eq!(fresh_end(times("test", 1), Asked::ByHand), Ok(at(2)));
        assert_eq!(fresh_end(times("test", 3), Asked::ByHand), Err(Refusal::DayOver));
    }

    #[test]
    fn only_what_nobody_got_is_unsent() {
        let judged = ["failed", "no_device", "sent", "sending", "cancelled", "suppressed"].map(unsent);
        assert_eq!(
            judged,
            [
                Ok(Unsent::Failed),
                Ok(Unsent::NoDevice),
                Err(Refusal::Sent),
                Err(Refusal::UnderWay),
                Err(Refusal::CalledOff),
                Err(Refusal::CalledOff)
            ]
        );
    }
}
