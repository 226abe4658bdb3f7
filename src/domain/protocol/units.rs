//! The units protocols are written in: ISO 8601 durations without months, and times of day.
//! Turning them into instants is `local_time.rs`'s affair.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// The longest duration a protocol may name: two years. It keeps every sum far from overflow.
const LONGEST: i64 = 2 * 366 * DAY;

/// An ISO 8601 duration of weeks, days (24 h), hours, minutes and seconds; signed, at most two years.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IsoDuration(i64);

impl IsoDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// So many hours.
    pub const fn hours(hours: i64) -> Self {
        Self(hours * HOUR)
    }

    /// So many minutes.
    pub const fn minutes(minutes: i64) -> Self {
        Self(minutes * MINUTE)
    }

    /// So many days of 24 hours.
    pub const fn days(days: i64) -> Self {
        Self(days * DAY)
    }

    /// From one moment to another, in whole seconds; none at all if the other is not later.
    pub fn between(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self((to - from).num_seconds().max(0))
    }

    /// Its length in seconds.
    pub const fn seconds(self) -> i64 {
        self.0
    }

    /// The same length for arithmetic on instants.
    pub fn delta(self) -> TimeDelta {
        TimeDelta::seconds(self.0)
    }

    /// As a person would say it: `45 min`, `4 h`, `72 h`, `5 days`, `4 weeks`.
    pub fn spoken(self) -> String {
        let (sign, s) = if self.0 < 0 { ("-", -self.0) } else { ("", self.0) };
        match s {
            s if s >= 4 * WEEK && s % WEEK == 0 => format!("{sign}{} weeks", s / WEEK),
            s if s > 3 * DAY && s % DAY == 0 => format!("{sign}{} days", s / DAY),
            s if s % HOUR == 0 => format!("{sign}{} h", s / HOUR),
            s if s >= HOUR => format!("{sign}{} h {} min", s / HOUR, s % HOUR / MINUTE),
            s => format!("{sign}{} min", s / MINUTE),
        }
    }
}

impl std::ops::Sub for IsoDuration {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl std::ops::Neg for IsoDuration {
    type Output = Self;

    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl fmt::Display for IsoDuration {
    /// Hours up to three days, then days, from four weeks on weeks: the way aftercare is spoken of.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, s) = if self.0 < 0 { ("-", -self.0) } else { ("", self.0) };
        if s >= 4 * WEEK && s % WEEK == 0 {
            return write!(f, "{sign}P{}W", s / WEEK);
        }
        if s > 3 * DAY && s % DAY == 0 {
            return write!(f, "{sign}P{}D", s / DAY);
        }
        let (hours, minutes, seconds) = (s / HOUR, s % HOUR / MINUTE, s % MINUTE);
        write!(f, "{sign}PT")?;
        if hours > 0 {
            write!(f, "{hours}H")?;
        }
        if minutes > 0 {
            write!(f, "{minutes}M")?;
        }
        if seconds > 0 || s == 0 {
            write!(f, "{seconds}S")?;
        }
        Ok(())
    }
}

impl FromStr for IsoDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no duration such as PT4H, P7D or P4W");
        let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let rest = rest.strip_prefix('P').ok_or_else(wrong)?;
        let (date, time) = match rest.split_once('T') {
            Some((_, "")) => return Err(wrong()),
            Some((date, time)) => (date, time),
            None => (rest, ""),
        };
        if date.is_empty() && time.is_empty() {
            return Err(wrong());
        }
        if date.contains('M') || date.contains('Y') {
            return Err(format!("{text:?} counts in months or years, which have no fixed length: use weeks or days"));
        }
        let days = sum(date, &[('W', WEEK), ('D', DAY)]).ok_or_else(wrong)?;
        let clock = sum(time, &[('H', HOUR), ('M', MINUTE), ('S', 1)]).ok_or_else(wrong)?;
        match days.checked_add(clock) {
            Some(total) if total <= LONGEST => Ok(Self(sign * total)),
            _ => Err(format!("{text:?} is longer than two years")),
        }
    }
}

/// Adds up number-unit pairs that must come in the order of `units`, each at most once.
fn sum(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut total: i64 = 0;
    for (unit, seconds) in units {
        if let Some((digits, rest)) = text.split_once(*unit) {
            let plain = !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit());
            let number: i64 = plain.then(|| digits.parse().ok()).flatten()?;
            total = total.checked_add(number.checked_mul(*seconds)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(total)
}

/// A time of day in minutes since midnight, `00:00` to `24:00` (the end of the day).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DayTime(u16);

impl DayTime {
    /// Midnight at the start of the day.
    pub const START: Self = Self(0);
    /// Midnight at the end of the day.
    pub const END: Self = Self(24 * 60);

    /// The time of day so many minutes after midnight; `None` past the end of the day.
    pub const fn from_minutes(minutes: u16) -> Option<Self> {
        if minutes <= Self::END.0 { Some(Self(minutes)) } else { None }
    }

    /// Minutes since midnight.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl fmt::Display for DayTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl FromStr for DayTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no time of day such as 08:00 or 24:00");
        let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
        let two = |part: &str| {
            let plain = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            plain.then(|| part.parse::<u16>().ok()).flatten()
        };
        let (hours, minutes) = two(hours).zip(two(minutes)).filter(|(_, m)| *m < 60).ok_or_else(wrong)?;
        Self::from_minutes(hours * 60 + minutes).ok_or_else(wrong)
    }
}

macro_rules! text_serde {
    ($($unit:ty),+) => {$(
        impl Serialize for $unit {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $unit {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}
text_serde!(IsoDuration, DayTime);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_written_the_way_aftercare_is_spoken_of() {
        for text in ["PT0S", "PT45M", "PT4H", "PT72H", "P5D", "P14D", "P4W", "P6W", "-PT30M", "PT1H30M"] {
            assert_eq!(text.parse::<IsoDuration>().unwrap().to_string(), text);
        }
        assert_eq!("P3D".parse::<IsoDuration>().unwrap().to_string(), "PT72H");
        assert_eq!("P1W".parse::<IsoDuration>().unwrap(), IsoDuration::days(7));
        assert_eq!("PT90M".parse::<IsoDuration>().unwrap().spoken(), "1 h 30 min");
    }

    #[test]
    fn months_and_malformed_durations_are_refused() {
        for text in ["P1M", "P1Y", "P", "PT", "P1DT", "7D", "PT1.5H", "P-1D", "PT1H1H", "PT1M1H", "P9999W", "", "P١D"]
        {
            assert!(text.parse::<IsoDuration>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_ends_at_24_00_and_not_later() {
        assert_eq!("24:00".parse::<DayTime>().unwrap(), DayTime::END);
        for text in ["24:01", "8:00", "08:60", "0800", "08:0", "+8:00"] {
            assert!(text.parse::<DayTime>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_duration_survives_writing_and_reading(seconds in -LONGEST..=LONGEST) {
            let duration = IsoDuration(seconds);
            prop_assert_eq!(duration.to_string().parse::<IsoDuration>().unwrap(), duration);
        }

        #[test]
        fn no_text_makes_the_readers_panic(text in "\\PC{0,12}") {
            let _ = text.parse::<IsoDuration>();
            let _ = text.parse::<DayTime>();
        }
    }
}
