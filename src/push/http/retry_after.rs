//! The `Retry-After` header, which is either a number of seconds or a date (RFC 9110, section 10.2.3).

use chrono::{DateTime, TimeDelta, Utc};

/// The longest wait that is believed. Providers name minutes; one that names a day has a broken clock or bad intent,
/// and an alert has at most hours to live. FCM's own guidance caps waits at an hour.
pub const MAX_RETRY_AFTER: TimeDelta = TimeDelta::hours(1);

/// How long to wait from `now`; never negative, never above [`MAX_RETRY_AFTER`]. `None` when it cannot be read.
pub fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<TimeDelta> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // Digits that do not fit are a long time.
        value.parse().ok().and_then(TimeDelta::try_seconds).unwrap_or(MAX_RETRY_AFTER)
    } else {
        DateTime::<Utc>::from(httpdate::parse_http_date(value).ok()?) - now
    };
    Some(wait.clamp(TimeDelta::zero(), MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> DateTime<Utc> {
        "1994-11-06T08:49:07Z".parse().unwrap()
    }

    #[test]
    fn seconds_and_all_three_forms_of_dates_are_read() {
        for (value, seconds) in [
            ("120", 120),
            (" 0 ", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
            ("Sunday, 06-Nov-94 08:49:37 GMT", 30),
            ("Sun Nov  6 08:49:37 1994", 30),
        ] {
            assert_eq!(parse_retry_after(value, now()), Some(TimeDelta::seconds(seconds)), "{value}");
        }
    }

    #[test]
    fn a_moment_in_the_past_means_now_and_the_far_future_an_hour() {
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", now()), Some(TimeDelta::zero()));
        assert_eq!(parse_retry_after("Sat, 06 Nov 2094 08:49:37 GMT", now()), Some(MAX_RETRY_AFTER));
        assert_eq!(parse_retry_after("86400", now()), Some(MAX_RETRY_AFTER));
        assert_eq!(parse_retry_after("99999999999999999999999", now()), Some(MAX_RETRY_AFTER));
    }

    #[test]
    fn nonsense_is_no_wait() {
        for value in ["", "soon", "-5", "1.5", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(parse_retry_after(value, now()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_there_the_wait_stays_within_its_bounds(value in "\\PC{0,40}") {
            if let Some(wait) = parse_retry_after(&value, now()) {
                prop_assert!(wait >= TimeDelta::zero() && wait <= MAX_RETRY_AFTER);
            }
        }
    }
}
