//! What a person wants to be told, and when, as planning needs it. What is stored of it is `domain/preferences.rs`.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Category, QuietHours};
use crate::domain::protocol::DayTime;

/// Reminders a day for whoever did not choose.
pub const DEFAULT_DAILY_CAP: u8 = 4;
/// Time between two reminders for whoever did not choose.
pub const DEFAULT_MINIMUM_GAP: TimeDelta = TimeDelta::minutes(30);

/// What a person wants to be told, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// Local time for what has no time of its own.
    pub preferred_time: DayTime,
    /// When to be left alone.
    pub quiet: Option<QuietHours>,
    /// Categories that are not wanted.
    pub off: BTreeSet<Category>,
    /// Nothing at all for now.
    pub paused: bool,
    /// At most this many alerts on a local date, those that were asked for aside.
    pub daily_cap: usize,
    /// At least this long between two of them.
    pub minimum_gap: TimeDelta,
}

impl Default for Preferences {
    /// 09:00, quiet from 21:00 to 08:00, everything on, four a day, half an hour apart.
    fn default() -> Self {
        let hour = |hour: u16| DayTime::from_minutes(hour * 60).unwrap_or(DayTime::START);
        Self {
            preferred_time: hour(9),
            quiet: Some(QuietHours { from: hour(21), to: hour(8) }),
            off: BTreeSet::new(),
            paused: false,
            daily_cap: usize::from(DEFAULT_DAILY_CAP),
            minimum_gap: DEFAULT_MINIMUM_GAP,
        }
    }
}
