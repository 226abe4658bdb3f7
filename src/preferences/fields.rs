//! Preferences as they are sent and received: one shape both ways, so that what was read can be edited and sent back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::body::Faults;
use crate::domain::preferences::{Choices, DEFAULT_GAP_MINUTES, MAX_DAILY_CAP, MAX_GAP_MINUTES, ZoneMode, stored_time};
use crate::domain::protocol::DayTime;
use crate::domain::reminders::{Category, DEFAULT_DAILY_CAP, QuietHours};

/// The body of `put_notification_preferences`. What is absent is as for whoever never chose.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreferencesFields {
    quiet_hours: Option<QuietFields>,
    preferred_time: Option<String>,
    #[serde(default)]
    categories_off: BTreeSet<Category>,
    #[serde(default)]
    show_details: bool,
    daily_cap: Option<i32>,
    minimum_gap_minutes: Option<i32>,
    zone_mode: Option<ZoneMode>,
    #[serde(default)]
    paused: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuietFields {
    from: String,
    to: String,
}

impl PreferencesFields {
    /// Checks the values.
    pub fn read(self, faults: &mut Faults) -> Choices {
        let daily_cap = self.daily_cap.unwrap_or(i32::from(DEFAULT_DAILY_CAP));
        if !(1..=MAX_DAILY_CAP).contains(&daily_cap) {
            faults.push("/daily_cap", format!("must be 1 to {MAX_DAILY_CAP}"));
        }
        let minimum_gap_minutes = self.minimum_gap_minutes.unwrap_or(DEFAULT_GAP_MINUTES);
        if !(0..=MAX_GAP_MINUTES).contains(&minimum_gap_minutes) {
            faults.push("/minimum_gap_minutes", format!("must be 0 to {MAX_GAP_MINUTES}"));
        }
        let quiet = self
            .quiet_hours
            .map(|quiet| (time(faults, "/quiet_hours/from", &quiet.from), time(faults, "/quiet_hours/to", &quiet.to)));
        Choices {
            quiet: quiet.map(|(from, to)| QuietHours { from, to }),
            preferred_time: self.preferred_time.map(|text| time(faults, "/preferred_time", &text)),
            off: self.categories_off,
            show_details: self.show_details,
            daily_cap,
            minimum_gap_minutes,
            zone_mode: self.zone_mode.unwrap_or(ZoneMode::Device),
            paused: self.paused,
        }
    }
}

/// A time that a clock shows.
fn time(faults: &mut Faults, pointer: &str, text: &str) -> DayTime {
    match text.parse::<DayTime>() {
        Ok(time) if stored_time(time).is_some() => time,
        _ => {
            faults.push(pointer, "is not a time of day from 00:00 to 23:59");
            DayTime::START
        }
    }
}

/// What holds for a person, as sent.
#[derive(Debug, Serialize)]
pub struct PreferencesView {
    quiet_hours: QuietView,
    preferred_time: DayTime,
    categories_off: BTreeSet<Category>,
    show_details: bool,
    daily_cap: i32,
    minimum_gap_minutes: i32,
    zone_mode: ZoneMode,
    paused: bool,
}

#[derive(Debug, Serialize)]
struct QuietView {
    from: DayTime,
    to: DayTime,
}

impl PreferencesView {
    /// The choices, with the clinic's and the house's figures where none was made.
    pub fn of(choices: Choices, clinic: QuietHours) -> Self {
        let quiet = choices.quiet_over(clinic);
        Self {
            quiet_hours: QuietView { from: quiet.from, to: quiet.to },
            preferred_time: choices.preferred_time_or_default(),
            categories_off: choices.off,
            show_details: choices.show_details,
            daily_cap: choices.daily_cap,
            minimum_gap_minutes: choices.minimum_gap_minutes,
            zone_mode: choices.zone_mode,
            paused: choices.paused,
        }
    }
}
