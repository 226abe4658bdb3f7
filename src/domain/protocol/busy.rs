//! How many alerts a protocol puts on one day: counted on real plans, for treatments at every hour of a day.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::version::ProtocolVersion;
use crate::domain::course::WhatFollows;
use crate::domain::local_time::{ZoneHistory, day_index};
use crate::domain::reminders::{Fate, History, Preferences, RunningTreatment, owed};
use crate::domain::timeline::{Conditions, Overrides, Plan, timeline};

/// The busiest day of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busiest {
    /// Interruptions on that day: what is told together counts as one.
    pub alerts: usize,
    /// Its day index.
    pub day_index: i32,
    /// The hour at which the treatment ended.
    pub hour: u32,
}

/// The busiest day that any treatment of this version can have, with default preferences.
pub fn busiest(version: &ProtocolVersion) -> Option<Busiest> {
    // Any date without a change of clocks would do; UTC has none.
    let midnight = NaiveDate::from_ymd_opt(2026, 6, 1)?.and_hms_opt(0, 0, 0)?.and_utc();
    let days = (0..24u32).filter_map(|hour| {
        let performed_at = midnight + TimeDelta::hours(i64::from(hour));
        let (day_index, alerts) = day_of(version, performed_at)?;
        Some(Busiest { alerts, day_index, hour })
    });
    // Of equals the earliest hour.
    days.max_by_key(|busiest| (busiest.alerts, std::cmp::Reverse(busiest.hour)))
}

fn day_of(version: &ProtocolVersion, performed_at: DateTime<Utc>) -> Option<(i32, usize)> {
    let zones = ZoneHistory::fixed(Tz::UTC);
    let (overrides, conditions) = (Overrides::default(), Conditions::default());
    let anchor_on = zones.date(performed_at);
    let plan = Plan {
        treatment: Uuid::nil(),
        version,
        performed_at,
        anchor_on,
        zones: &zones,
        overrides: &overrides,
        conditions: &conditions,
    };
    let running = RunningTreatment {
        plan,
        laid: timeline(&plan),
        registered_at: performed_at,
        settled: &BTreeSet::new(),
        checked_in_on: &BTreeSet::new(),
        follows: WhatFollows::default(),
        completed: false,
        recalled: false,
    };
    // What the plan is without the cap that it is to be held against.
    let uncapped = Preferences { daily_cap: usize::MAX, ..Preferences::default() };
    let mut days: BTreeMap<NaiveDate, usize> = BTreeMap::new();
    for alert in owed(Uuid::nil(), &[running], &uncapped, &History::default(), performed_at) {
        if alert.fate == Fate::Due && !alert.asked_for {
            *days.entry(zones.date(alert.due_at)).or_default() += 1;
        }
    }
    let fullest = days.into_iter().max_by_key(|(date, count)| (*count, std::cmp::Reverse(*date)));
    fullest.map(|(date, count)| (day_index(anchor_on, date), count))
}
