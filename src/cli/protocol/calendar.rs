//! One treatment's recovery in plain text, day by day: what begins, which waits end, which alerts are due. What a
//! protocol says as a plan, without dates, is `domain::protocol::show`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use uuid::Uuid;

use crate::domain::course::WhatFollows;
use crate::domain::local_time::{ZoneHistory, day_index};
use crate::domain::protocol::{Item, Kind, ProtocolVersion, Texts};
use crate::domain::reminders::{Fate, History, Preferences, RunningTreatment, Unsaid, owed};
use crate::domain::timeline::{Conditions, Overrides, Plan, timeline};

/// The timeline of a treatment that ended at `performed_at`, for a patient in `zone` who reports nothing.
pub(super) fn render(version: &ProtocolVersion, texts: &Texts, performed_at: DateTime<Utc>, zone: Tz) -> String {
    let zones = ZoneHistory::fixed(zone);
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
    let nothing = (BTreeSet::new(), BTreeSet::new());
    let running = RunningTreatment {
        plan,
        laid: timeline(&plan),
        registered_at: performed_at,
        settled: &nothing.0,
        checked_in_on: &nothing.1,
        follows: WhatFollows::default(),
        completed: false,
        recalled: false,
    };
    let page = Page { version, texts, zones: &zones, anchor_on, performed_at, running };
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = page.head(&mut out);
    let _ = page.days(&mut out, &page.events());
    out
}

struct Page<'a> {
    version: &'a ProtocolVersion,
    texts: &'a Texts,
    zones: &'a ZoneHistory,
    anchor_on: NaiveDate,
    performed_at: DateTime<Utc>,
    running: RunningTreatment<'a>,
}

/// What happens at one moment, in the order in which it is told.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at: DateTime<Utc>,
    order: u8,
    line: String,
}

impl Page<'_> {
    fn title<'a>(&'a self, item: &'a Item) -> &'a str {
        self.version.item_text(self.texts, &item.key).map_or(item.key.as_str(), |text| &text.title)
    }

    fn head(&self, out: &mut String) -> std::fmt::Result {
        let local = self.zones.local(self.performed_at).format("%a %-d %b %Y, %H:%M");
        let (key, number, name) = (self.version.key(), self.version.number(), &self.texts.name);
        writeln!(out, "{name} ({key} version {number}), in {}", self.texts.locale)?;
        writeln!(out, "Treatment ended {local} ({}); nothing reported, usual preferences", self.zones.last())
    }

    fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for phase in &self.running.laid.phases {
            let title = self.texts.phases.get(&phase.phase.key).map_or(phase.phase.key.as_str(), |text| &text.title);
            events.push(Event { at: phase.open_at, order: 0, line: format!("== {title}") });
        }
        for laid in &self.running.laid.items {
            let title = self.title(laid.item);
            match laid.item.kind {
                Kind::Milestone | Kind::FollowUp | Kind::Session => {
                    let until = laid.close_at.map_or(String::new(), |close| format!(", until {}", self.moment(close)));
                    let line = format!("{}: {title}{until}", laid.item.kind.as_str().replace('_', "-"));
                    events.push(Event { at: laid.open_at, order: 1, line });
                }
                Kind::Restriction => {
                    let mut over = |at: Option<DateTime<Utc>>, what: &str| {
                        events.extend(at.map(|at| Event { at, order: 2, line: format!("{what}: {title}") }));
                    };
                    over(laid.earliest_close_at, "may end, if reported");
                    let ends = if laid.earliest_close_at.is_some() { "ends at the latest" } else { "wait is over" };
                    over(laid.close_at, ends);
                    over(laid.soft_close_at, "no more care needed");
                }
                Kind::Routine
                | Kind::CheckIn
                | Kind::RedFlag
                | Kind::ProductAdvice
                | Kind::Faq
                | Kind::ClinicPrevention => {}
            }
        }
        let running = std::slice::from_ref(&self.running);
        for alert in owed(Uuid::nil(), running, &Preferences::default(), &History::default(), self.performed_at) {
            let Some(item) = self.version.item(&alert.item_key) else { continue };
            let name = item.reminder_of(alert.seq).and_then(|reminder| reminder.text.as_deref());
            let Some(text) = self.version.alert_text(self.texts, &item.key, name) else { continue };
            let unsent = match alert.fate {
                Fate::Due => "",
                Fate::Merged { .. } => " (told with a later one)",
                Fate::Suppressed(Unsaid::QuietHours) => " (not sent: quiet hours outlast it)",
                Fate::Suppressed(Unsaid::MinimumGap) => " (not sent: too close to another)",
                Fate::Suppressed(Unsaid::DailyCap) => " (not sent: the day is full)",
            };
            let line = format!("-> {}: {}{unsent}", text.title, text.body);
            events.push(Event { at: alert.due_at, order: 3, line });
        }
        events.sort();
        events
    }

    fn days(&self, out: &mut String, events: &[Event]) -> std::fmt::Result {
        let mut days: BTreeMap<NaiveDate, Vec<&Event>> = BTreeMap::new();
        for event in events {
            days.entry(self.zones.date(event.at)).or_default().push(event);
        }
        for (date, events) in days {
            writeln!(out, "\nDay {} - {}", day_index(self.anchor_on, date), date.format("%a %-d %b %Y"))?;
            for event in events {
                writeln!(out, "  {}  {}", self.zones.local(event.at).format("%H:%M"), event.line)?;
            }
        }
        Ok(())
    }

    /// A moment as a day index and a time of day; the end of a day belongs to that day.
    fn moment(&self, at: DateTime<Utc>) -> String {
        let local = self.zones.local(at);
        let of_day = if local.time() == chrono::NaiveTime::MIN { local - TimeDelta::days(1) } else { local };
        let index = day_index(self.anchor_on, of_day.date());
        if of_day == local {
            format!("day {index} {}", local.format("%H:%M"))
        } else {
            format!("the end of day {index}")
        }
    }
}
