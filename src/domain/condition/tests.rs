//! Tests of who ends a condition, and of what the timeline makes of it.

use super::*;
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{ProtocolVersion, Window, builtin, sample};
use crate::domain::timeline::{Conditions, Hold, Overrides, Plan, timeline};
use chrono::TimeDelta;
use chrono_tz::Europe;
use proptest::prelude::*;
use uuid::Uuid;

const KEY: &str = "flaking_ended";

fn t0() -> DateTime<Utc> {
    "2026-06-01T10:00:00Z".parse().unwrap()
}

fn on(day: i64) -> DateTime<Utc> {
    t0() + TimeDelta::days(day)
}

fn flaking(step: u8) -> Symptoms {
    Symptoms { flaking: Some(step), ..Symptoms::default() }
}

fn ends(reports: &[(i64, Symptoms)], decisions: &[(i64, bool)]) -> Option<DateTime<Utc>> {
    let answers: Vec<_> = reports.iter().map(|(day, symptoms)| (on(*day), symptoms.clone())).collect();
    let decisions: Vec<_> =
        decisions.iter().map(|(day, ended)| Decision { key: KEY.to_owned(), ended: *ended, at: on(*day) }).collect();
    ended(&sample::version().structure.conditions, t0(), &answers, &decisions).get(KEY).copied()
}

#[test]
fn it_ends_with_the_last_unbroken_run_of_reports_of_absence() {
    let (none, some, silent) = (flaking(0), flaking(2), Symptoms::default());
    let by_reports = |reports: &[(i64, &Symptoms)]| {
        let reports: Vec<_> = reports.iter().map(|(day, symptoms)| (*day, (*symptoms).clone())).collect();
        ends(&reports, &[])
    };
    assert_eq!(by_reports(&[(1, &none)]), None, "it may not have begun");
    assert_eq!(by_reports(&[(3, &some), (6, &none), (7, &silent), (8, &none)]), Some(on(6)));
    assert_eq!(by_reports(&[(6, &none), (8, &some)]), None, "it came back");
    assert_eq!(by_reports(&[(9, &none), (6, &none), (8, &some)]), Some(on(9)), "in any order");
}

#[test]
fn a_clinician_ends_it_and_the_latest_word_of_anybody_counts() {
    assert_eq!(ends(&[], &[(3, true)]), Some(on(3)), "who has seen the skin need not wait for the rule's day");
    assert_eq!(ends(&[(6, flaking(0))], &[(7, false)]), None, "the clinician saw flakes");
    assert_eq!(ends(&[(6, flaking(0)), (9, flaking(0))], &[(7, false)]), Some(on(9)));
    assert_eq!(ends(&[(8, flaking(1))], &[(7, true)]), None, "it came back after the clinician had looked");
    assert_eq!(ends(&[(7, flaking(1))], &[(7, true)]), Some(on(7)), "at one moment the clinician's word counts");
    let of_another = [Decision { key: "something_else".to_owned(), ended: true, at: on(7) }];
    assert!(ended(&sample::version().structure.conditions, t0(), &[], &of_another).is_empty());
}

/// Every item of a version that waits for a condition: its key and its bounds in real time.
fn waiting(version: &ProtocolVersion) -> Vec<(&str, DateTime<Utc>, DateTime<Utc>)> {
    let items = version.structure.items.iter();
    items
        .filter_map(|item| match &item.window {
            Some(Window::Condition { minimum, cap, .. }) => {
                Some((item.key.as_str(), t0() + minimum.delta(), t0() + cap.delta()))
            }
            _ => None,
        })
        .collect()
}

fn any_hold() -> impl Strategy<Value = Hold> {
    (0i64..20 * 24, proptest::option::of(0i64..20 * 24)).prop_map(|(from, lasts)| {
        let from = t0() + TimeDelta::hours(from);
        Hold { from, to: lasts.map(|hours| from + TimeDelta::hours(hours)) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever anybody says and whenever: no wait ends before its minimum, none outlasts its cap unless a flag was open
    /// then, and a flag alone never shortens one.
    #[test]
    fn no_word_ends_a_wait_too_early_and_only_a_flag_outlasts_the_cap(
        reports in proptest::collection::vec((0i64..25 * 24, proptest::option::of(0u8..4)), 0..8),
        decisions in proptest::collection::vec((0i64..25 * 24, any::<bool>()), 0..4),
        holds in proptest::collection::vec(any_hold(), 0..3),
        protocol in 0usize..3,
    ) {
        let version = builtin().unwrap()[protocol].version.as_ref();
        let at = |hours: i64| t0() + TimeDelta::hours(hours);
        let answers: Vec<_> =
            reports.iter().map(|(hours, flaking)| (at(*hours), Symptoms { flaking: *flaking, ..Symptoms::default() })).collect();
        let decisions: Vec<_> =
            decisions.iter().map(|(hours, ended)| Decision { key: KEY.to_owned(), ended: *ended, at: at(*hours) }).collect();
        let ended = ended(&version.structure.conditions, t0(), &answers, &decisions);
        let word = ended.get(KEY).copied();
        let mut holds = holds;
        holds.sort_by_key(|hold| hold.from);
        let conditions = Conditions { ended, holds };
        let (zones, overrides) = (ZoneHistory::fixed(Europe::Berlin), Overrides::default());
        let laid = timeline(&Plan {
            treatment: Uuid::from_u128(1), version, performed_at: t0(), anchor_on: zones.date(t0()), zones: &zones,
            overrides: &overrides, conditions: &conditions,
        });
        for (key, minimum, cap) in waiting(version) {
            let item = laid.item(key).unwrap();
            let open_at_cap = conditions.released(cap) != Some(cap);
            match item.close_at {
                Some(close) => {
                    prop_assert!(close >= minimum, "{key} ended before its minimum");
                    prop_assert!(close <= cap || open_at_cap, "{key} outlasted its cap without a flag");
                    prop_assert!(close >= cap || word.is_some_and(|word| close == word.max(minimum)), "{key}: nobody said so");
                }
                None => prop_assert!(open_at_cap && word.is_none(), "{key} has no end although nothing keeps it"),
            }
            prop_assert_eq!(item.earliest_close_at, Some(minimum));
        }
    }
}
