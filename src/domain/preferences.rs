//! What a person chose to be told, and how, as it is stored: absent where the clinic's or the house's figure holds.
//! What the choices do to a plan is `reminders.rs`' business.

use std::collections::BTreeSet;

use chrono::{NaiveTime, Timelike};

use super::protocol::DayTime;
use super::reminders::{Category, DEFAULT_DAILY_CAP, Preferences, QuietHours};
use super::words::word_enum;

/// The most reminders a day that can be chosen: one an hour.
pub const MAX_DAILY_CAP: i32 = 24;

/// Minutes between two reminders for whoever did not choose.
pub const DEFAULT_GAP_MINUTES: i32 = 30;
/// The longest gap that can be chosen, in minutes.
pub const MAX_GAP_MINUTES: i32 = 240;

word_enum! {
    /// Which zone a person's days are counted in.
    pub enum ZoneMode {
        /// Where the phone is.
        Device = "device",
        /// The home zone, wherever the phone is.
        Home = "home",
    }
}

/// A person's own choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// Quiet hours of their own. Equal ends: none at all.
    pub quiet: Option<QuietHours>,
    /// Local time for what has no time of its own.
    pub preferred_time: Option<DayTime>,
    /// What they do not want.
    pub off: BTreeSet<Category>,
    /// They agreed to details on the lock screen.
    pub show_details: bool,
    /// At most this many reminders a day.
    pub daily_cap: i32,
    /// At least so many minutes between two reminders.
    pub minimum_gap_minutes: i32,
    /// Follow the phone or keep the home zone.
    pub zone_mode: ZoneMode,
    /// Nothing at all for now.
    pub paused: bool,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            quiet: None,
            preferred_time: None,
            off: BTreeSet::new(),
            show_details: false,
            daily_cap: i32::from(DEFAULT_DAILY_CAP),
            minimum_gap_minutes: DEFAULT_GAP_MINUTES,
            zone_mode: ZoneMode::Device,
            paused: false,
        }
    }
}

impl Choices {
    /// The quiet hours that hold where the clinic has these.
    pub fn quiet_over(&self, clinic: QuietHours) -> QuietHours {
        self.quiet.unwrap_or(clinic)
    }

    /// The preferred time that holds.
    pub fn preferred_time_or_default(&self) -> DayTime {
        self.preferred_time.unwrap_or_else(|| Preferences::default().preferred_time)
    }
}

/// A stored time of day, to the minute.
pub fn day_time(time: NaiveTime) -> DayTime {
    let minutes = u16::try_from(time.num_seconds_from_midnight() / 60).unwrap_or_default();
    DayTime::from_minutes(minutes).unwrap_or_default()
}

/// A time of day as stored; `None` for `24:00`, which no clock shows.
pub fn stored_time(time: DayTime) -> Option<NaiveTime> {
    NaiveTime::from_num_seconds_from_midnight_opt(u32::from(time.minutes()) * 60, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_person_chose_comes_before_the_clinics_and_the_houses() {
        let at = |text: &str| text.parse::<DayTime>().unwrap();
        let clinic = QuietHours { from: at("20:00"), to: at("09:00") };
        let own = QuietHours { from: at("22:00"), to: at("06:00") };
        let untouched = Choices::default();
        let house = Preferences::default();
        assert_eq!(usize::try_from(untouched.daily_cap), Ok(house.daily_cap));
        assert_eq!(i64::from(untouched.minimum_gap_minutes), house.minimum_gap.num_minutes());
        assert_eq!((untouched.quiet_over(clinic), untouched.preferred_time_or_default()), (clinic, at("09:00")));
        let chosen = Choices { quiet: Some(own), preferred_time: Some(at("07:30")), ..Choices::default() };
        assert_eq!((chosen.quiet_over(clinic), chosen.preferred_time_or_default()), (own, at("07:30")));
    }

    proptest! {
        #[test]
        fn every_time_that_a_clock_shows_is_stored_as_itself(minutes in 0..1440u16) {
            let time = DayTime::from_minutes(minutes).unwrap();
            prop_assert_eq!(day_time(stored_time(time).unwrap()), time);
        }
    }
}
