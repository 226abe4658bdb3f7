//! When the clinic is told that a patient keeps to little of what was asked, and when that has passed. Decisions over
//! values; counting is `compliance.rs`, telling is `nudges/`.
//!
//! At most one nudge per patient is live. It is not repeated until somebody has seen it or the share has risen; after
//! somebody has seen it the patient has as many days as are counted to do better.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::compliance::Compliance;
use super::words::word_enum;

/// The category of what staff are told of nudges.
pub const ALERT_CATEGORY: &str = "nudge";
/// What the names of such alerts begin with.
const PREFIX: &str = "n:";

/// The name under which a member of the staff is told once of a nudge.
pub fn alert_key(nudge: Uuid) -> String {
    format!("{PREFIX}{nudge}")
}

/// The nudge that an alert of this name is about.
pub fn of_alert(key: &str) -> Option<Uuid> {
    key.strip_prefix(PREFIX)?.parse().ok()
}

/// A clinic's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Whether staff want to be told.
    pub enabled: bool,
    /// Below this share done at all, in basis points.
    pub below_bp: i64,
    /// Over how many of the patient's last days, today included.
    pub days: i32,
    /// So many tasks must have closed on them.
    pub min_tasks: i64,
}

word_enum! {
    /// How a nudge ended.
    pub enum Ending {
        /// Somebody of the staff has seen it.
        Acknowledged = "acknowledged",
        /// The share has risen.
        Recovered = "recovered",
        /// The treatment has ended, or the clinic no longer wants to be told.
        Over = "over",
    }
}

/// The patient's last nudge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// There was none.
    None,
    /// Nobody has seen it yet.
    Live,
    /// It ended.
    Ended(Ending, DateTime<Utc>),
}

/// What is to be done about a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Staff are told.
    Raise {
        /// The share done at all, in basis points.
        completion_bp: i64,
    },
    /// The live one ends.
    End(Ending),
    /// Nothing.
    Leave,
}

/// What is to be done about a patient who is recovering. `window` counts the days that the figures name; of whom nothing
/// was ever heard is a stranger to the app, and nobody is told of that.
pub fn decide(figures: Figures, window: &Compliance, reported: bool, last: Last, now: DateTime<Utc>) -> Verdict {
    if !figures.enabled {
        return if last == Last::Live { Verdict::End(Ending::Over) } else { Verdict::Leave };
    }
    let share = window.completion_bp.filter(|_| reported && window.counts.closed >= figures.min_tasks);
    let low = share.filter(|share| *share < figures.below_bp);
    match (last, share, low) {
        (Last::Live, Some(_), None) => Verdict::End(Ending::Recovered),
        (Last::Live, ..) => Verdict::Leave,
        (Last::Ended(Ending::Acknowledged, at), ..) if now < at + TimeDelta::days(i64::from(figures.days)) => {
            Verdict::Leave
        }
        (_, _, Some(completion_bp)) => Verdict::Raise { completion_bp },
        _ => Verdict::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::compliance::Counts;
    use proptest::prelude::*;

    const FIGURES: Figures = Figures { enabled: true, below_bp: 5000, days: 7, min_tasks: 10 };

    fn window(closed: i64, completion_bp: i64) -> Compliance {
        let counts = Counts { closed, ..Counts::default() };
        Compliance { counts, completion_bp: Some(completion_bp), ..Compliance::default() }
    }

    fn now() -> DateTime<Utc> {
        "2026-06-20T06:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_patient_is_told_of_once_and_again_only_after_days_of_their_own() {
        let low = |last| decide(FIGURES, &window(10, 4999), true, last, now());
        let raise = Verdict::Raise { completion_bp: 4999 };
        assert_eq!(low(Last::None), raise);
        assert_eq!(low(Last::Live), Verdict::Leave);
        let seen = |days| Last::Ended(Ending::Acknowledged, now() - TimeDelta::days(days));
        assert_eq!((low(seen(6)), low(seen(7))), (Verdict::Leave, raise));
        assert_eq!(low(Last::Ended(Ending::Recovered, now() - TimeDelta::days(1))), raise);
    }

    #[test]
    fn few_tasks_and_silence_say_nothing_and_a_share_that_rose_ends_it() {
        assert_eq!(decide(FIGURES, &window(9, 0), true, Last::None, now()), Verdict::Leave);
        assert_eq!(decide(FIGURES, &window(50, 0), false, Last::None, now()), Verdict::Leave);
        assert_eq!(decide(FIGURES, &window(9, 9000), true, Last::Live, now()), Verdict::Leave);
        assert_eq!(decide(FIGURES, &window(10, 5000), true, Last::Live, now()), Verdict::End(Ending::Recovered));
        let off = Figures { enabled: false, ..FIGURES };
        assert_eq!(decide(off, &window(50, 0), true, Last::None, now()), Verdict::Leave);
        assert_eq!(decide(off, &window(50, 0), true, Last::Live, now()), Verdict::End(Ending::Over));
    }

    proptest! {
        #[test]
        fn there_is_never_a_second_live_one(steps in proptest::collection::vec((0i64..20, 0i64..=10_000, any::<bool>(), any::<bool>()), 0..40)) {
            let (mut last, mut at) = (Last::None, now());
            for (closed, share, reported, seen) in steps {
                at += TimeDelta::days(1);
                match decide(FIGURES, &window(closed, share), reported, last, at) {
                    Verdict::Raise { completion_bp } => {
                        prop_assert!(last != Last::Live && completion_bp < FIGURES.below_bp && closed >= FIGURES.min_tasks);
                        last = Last::Live;
                    }
                    Verdict::End(ending) => {
                        prop_assert_eq!(last, Last::Live);
                        last = Last::Ended(ending, at);
                    }
                    Verdict::Leave => {}
                }
                if seen && last == Last::Live {
                    last = Last::Ended(Ending::Acknowledged, at);
                }
            }
        }
    }
}
