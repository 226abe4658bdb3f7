//! How many alerts a protocol puts on one day: counted on real plans, for treatments at every hour of a day.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use super::version::ProtocolVersion;
use crate::domain::course::WhatFollows;
use crate::domain::local_time::{ZoneHistory, day_index};
use crate::domain::reminders::{Fate, Preferences, RunningTreatment, owed};
use crate::domain::timeline::{Conditions, Overrides, Plan};

/// Alerts that are due this close to each other count once: they reach the person as one interruption.
const TOGETHER: TimeDelta = TimeDelta::minutes(30);

/// The busiest day of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busiest {
    /// Interruptions on that day: alerts close together count as one.
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
        registered_at: performed_at,
        settled: &BTreeSet::new(),
        checked_in_on: &BTreeSet::new(),
        follows: WhatFollows::default(),
    };
    let mut days: BTreeMap<NaiveDate, (usize, DateTime<Utc>)> = BTreeMap::new();
    for alert in owed(Uuid::nil(), &[running], &Preferences::default(), performed_at) {
        if alert.fate != Fate::Due {
            continue;
        }
        let (count, last) = days.entry(zones.date(alert.due_at)).or_insert((0, DateTime::<Utc>::MIN_UTC));
        if alert.due_at.signed_duration_since(*last) > TOGETHER {
            (*count, *last) = (*count + 1, alert.due_at);
        }
    }
    let fullest = days.into_iter().max_by_key(|(date, (count, _))| (*count, std::cmp::Reverse(*date)));
    fullest.map(|(date, (count, _))| (day_index(anchor_on, date), count))
}
