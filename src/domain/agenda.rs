//! What of a treatment belongs into a calendar: the days of its milestones, the ends of its waiting times, and when the next
//! session or look is due. Words and file formats are `calendar/`'s affair.

use chrono::{DateTime, NaiveDate, Utc};

use super::appointment::AppointmentKind;
use super::course::WhatFollows;
use super::local_time::day;
use super::protocol::{Actor, Item, Kind, Window};
use super::timeline::{LaidOut, Plan, Timeline};

/// When an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum When {
    /// On one of the patient's dates.
    On(NaiveDate),
    /// At a moment.
    At(DateTime<Utc>),
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What sort of entry it is.
    pub kind: Kind,
    /// The items it stands for, in the protocol's order: waits that end together are one entry. The first names it.
    pub items: Vec<&'a Item>,
    /// When it is.
    pub when: When,
}

impl Entry<'_> {
    /// Its name within the treatment, which stays the same wherever the entry moves.
    pub fn name(&self) -> &str {
        self.items.first().map_or("", |item| item.key.as_str())
    }
}

/// The entries of a laid-out treatment, in the protocol's order. What an open flag keeps back is left out.
pub fn entries<'a>(plan: &Plan<'a>, laid: &Timeline<'a>, follows: &WhatFollows<'_>) -> Vec<Entry<'a>> {
    let mut entries: Vec<Entry<'a>> = Vec::new();
    for laid in laid.items.iter().filter(|laid| laid.item.actor == Actor::Patient && !laid.skipped) {
        let Some(when) = when(plan, laid, follows) else { continue };
        let ends_with = |entry: &&mut Entry<'a>| entry.kind == Kind::Restriction && entry.when == when;
        match entries.iter_mut().find(ends_with) {
            Some(entry) if laid.item.kind == Kind::Restriction => entry.items.push(laid.item),
            _ => entries.push(Entry { kind: laid.item.kind, items: vec![laid.item], when }),
        }
    }
    entries
}

fn when(plan: &Plan<'_>, laid: &LaidOut<'_>, follows: &WhatFollows<'_>) -> Option<When> {
    let item = laid.item;
    let told_on = || When::On(told_on(plan, laid));
    let kept_back = item.hold_on_flag && plan.conditions.released(laid.open_at) != Some(laid.open_at);
    let arranged = |kind| follows.is_arranged(kind, laid.open_at);
    match item.kind {
        Kind::Restriction => laid.close_at.map(When::At),
        Kind::Milestone => (!kept_back).then(told_on),
        Kind::Session => {
            let needless = follows.continued || follows.over || arranged(AppointmentKind::Session);
            (!kept_back && !needless).then(told_on)
        }
        Kind::FollowUp => (!kept_back && !arranged(AppointmentKind::FollowUp)).then(told_on),
        _ => None,
    }
}

/// The date on which an item is told of, else the first of its window.
fn told_on(plan: &Plan<'_>, laid: &LaidOut<'_>) -> NaiveDate {
    let told = laid.item.reminders.iter().find_map(|reminder| reminder.day);
    match (told, &laid.item.window) {
        (Some(told), Some(Window::LocalDay { .. })) => day(plan.anchor_on, plan.day_of(laid.item, told)),
        _ => laid.open_on,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::local_time::ZoneHistory;
    use crate::domain::protocol::{ProtocolVersion, builtin, sample};
    use crate::domain::timeline::{Conditions, Hold, Overrides, timeline};
    use chrono::TimeDelta;
    use chrono_tz::Europe;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use uuid::Uuid;

    fn t0() -> DateTime<Utc> {
        "2026-06-01T10:00:00Z".parse().unwrap()
    }

    fn with<R>(
        version: &ProtocolVersion,
        performed_at: DateTime<Utc>,
        holds: Vec<Hold>,
        follows: &WhatFollows<'_>,
        check: impl FnOnce(Vec<Entry<'_>>) -> R,
    ) -> R {
        let (zones, overrides) = (ZoneHistory::fixed(Europe::Berlin), Overrides::default());
        let conditions = Conditions { holds, ..Conditions::default() };
        let plan = Plan {
            treatment: Uuid::from_u128(1),
            version,
            performed_at,
            anchor_on: zones.date(performed_at),
            zones: &zones,
            overrides: &overrides,
            conditions: &conditions,
        };
        let laid = timeline(&plan);
        check(entries(&plan, &laid, follows))
    }

    fn names(entries: &[Entry<'_>], kind: Kind) -> Vec<String> {
        entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.name().to_owned()).collect()
    }

    #[test]
    fn sessions_are_entered_until_one_is_arranged_held_back_or_needless() {
        let version = sample::version();
        let sessions = |holds: Vec<Hold>, follows: WhatFollows<'_>| {
            with(&version, t0(), holds, &follows, |entries| names(&entries, Kind::Session).len())
        };
        assert_eq!(sessions(vec![], WhatFollows::default()), 2);
        assert_eq!(sessions(vec![], WhatFollows { over: true, ..WhatFollows::default() }), 0);
        assert_eq!(sessions(vec![], WhatFollows { continued: true, ..WhatFollows::default() }), 0);
        assert_eq!(sessions(vec![Hold { from: t0(), to: None }], WhatFollows::default()), 0);
    }

    #[test]
    fn waits_that_end_together_are_one_entry_and_a_held_one_is_none() {
        let version = builtin().unwrap()[0].version.as_ref();
        with(version, t0(), vec![], &WhatFollows::default(), |entries| {
            let at = When::At(t0() + TimeDelta::hours(72));
            let three_days: Vec<_> = entries.iter().filter(|entry| entry.when == at).collect();
            assert_eq!(three_days.len(), 1);
            assert_eq!(three_days[0].name(), "hot_water");
            assert!(three_days[0].items.len() > 3);
        });
        with(version, t0(), vec![Hold { from: t0(), to: None }], &WhatFollows::default(), |entries| {
            assert!(!names(&entries, Kind::Restriction).contains(&"picking".to_owned()));
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn entries_keep_their_names_wherever_the_treatment_moves(protocol in 0usize..3, minutes in 0i64..60 * 24 * 400) {
            let version = builtin().unwrap()[protocol].version.as_ref();
            let read = |entries: Vec<Entry<'_>>| {
                entries.iter().map(|entry| (entry.kind.as_str(), entry.name().to_owned())).collect::<BTreeSet<_>>()
            };
            let count = |at| with(version, at, vec![], &WhatFollows::default(), |entries| entries.len());
            let here = with(version, t0(), vec![], &WhatFollows::default(), read);
            let moved_to = t0() + TimeDelta::minutes(minutes);
            let there = with(version, moved_to, vec![], &WhatFollows::default(), read);
            prop_assert_eq!(here.len(), count(t0()), "two entries of one name");
            // A day that begins late may end with a wait; then the two are one entry.
            let lost: Vec<_> = here.difference(&there).collect();
            prop_assert!(lost.iter().all(|(kind, _)| *kind == "restriction") && lost.len() <= 1, "{:?}", lost);
        }
    }
}
