//! How fast a service is used again after a pause: from a thousandth of the full rate it doubles ten times within a minute,
//! which is the time that FCM wants between nothing and everything.

use chrono::TimeDelta;

/// From the first message after a pause to the full rate, in seconds.
pub(super) const RAMP_SECONDS: f64 = 60.0;
const DOUBLINGS: f64 = 10.0;

/// The curve towards a full rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ramp {
    full: f64,
}

impl Ramp {
    /// A ramp that ends at so many messages a second. It begins with one a second at least.
    pub fn to(full: f64) -> Self {
        Self { full: full.max(DOUBLINGS.exp2()) }
    }

    /// Messages a second, `t` seconds after the ramp began.
    pub fn rate(self, t: f64) -> f64 {
        self.full * (DOUBLINGS * (t.clamp(0.0, RAMP_SECONDS) / RAMP_SECONDS - 1.0)).exp2()
    }

    /// The rate's integral grows in proportion to the rate itself.
    fn scale() -> f64 {
        RAMP_SECONDS / (DOUBLINGS * std::f64::consts::LN_2)
    }

    /// How many messages may have gone by `t`.
    pub fn amount(self, t: f64) -> f64 {
        let curved = (self.rate(t) - self.rate(0.0)) * Self::scale();
        curved + self.full * (t - RAMP_SECONDS).max(0.0)
    }

    /// When, after `t`, one more message may go.
    pub fn next(self, t: f64) -> f64 {
        let rate = self.rate(t) + 1.0 / Self::scale();
        if rate >= self.full {
            return t.max(RAMP_SECONDS) + 1.0 / self.full;
        }
        RAMP_SECONDS * (1.0 + (rate / self.full).log2() / DOUBLINGS)
    }
}

/// Seconds of a span of time.
pub(super) fn seconds(span: TimeDelta) -> f64 {
    span.as_seconds_f64()
}

/// A span of time from seconds, to the millisecond and rounded up.
#[expect(clippy::cast_possible_truncation, reason = "clamped to a day")]
pub(super) fn span(seconds: f64) -> TimeDelta {
    TimeDelta::milliseconds((seconds.clamp(0.0, 86_400.0) * 1000.0).ceil() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_minute_from_a_thousandth_to_everything() {
        let ramp = Ramp::to(10_240.0);
        assert_eq!(
            (ramp.rate(0.0), ramp.rate(6.0), ramp.rate(60.0), ramp.rate(90.0)),
            (10.0, 20.0, 10_240.0, 10_240.0)
        );
        assert_eq!(Ramp::to(1.0).rate(0.0), 1.0);
    }

    proptest! {
        #[test]
        fn it_never_slows_down(full in 1.0f64..100_000.0, t in 0.0f64..120.0, later in 0.0f64..60.0) {
            let ramp = Ramp::to(full);
            prop_assert!(ramp.rate(t + later) >= ramp.rate(t));
            prop_assert!(ramp.amount(t + later) >= ramp.amount(t));
        }

        #[test]
        fn turns_given_in_advance_are_as_many_as_the_curve_allows(full in 1.0f64..100_000.0, turns in 1u32..2000) {
            let ramp = Ramp::to(full);
            let (mut t, mut before) = (0.0, -1.0);
            for _ in 0..turns {
                prop_assert!(t > before);
                before = t;
                t = ramp.next(t);
            }
            // One step may jump from the curve's end to the full rate.
            prop_assert!((ramp.amount(t) - f64::from(turns)).abs() <= 1.01, "{} by {t}", ramp.amount(t));
        }
    }
}
