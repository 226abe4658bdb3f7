//! Tests of guidance along a treatment at noon of 1 June in Berlin.

use super::*;
use crate::domain::compliance::TaskState;
use crate::domain::protocol::{builtin, sample};
use crate::domain::timeline::{Conditions, Hold, Overrides, Plan, timeline};
use chrono::TimeDelta;
use chrono_tz::Europe;
use proptest::prelude::*;
use uuid::Uuid;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn with<R>(
    version: &ProtocolVersion,
    conditions: &Conditions,
    at: DateTime<Utc>,
    check: impl FnOnce(&Guidance<'_>) -> R,
) -> R {
    let zones = ZoneHistory::fixed(Europe::Berlin);
    let overrides = Overrides::default();
    let performed_at = utc("2026-06-01T10:00:00Z");
    let timeline = timeline(&Plan {
        treatment: Uuid::from_u128(9),
        version,
        performed_at,
        anchor_on: zones.date(performed_at),
        zones: &zones,
        overrides: &overrides,
        conditions,
    });
    let said = Said::default();
    let sources = Sources {
        version,
        texts: version.base_texts(),
        timeline: &timeline,
        zones: &zones,
        said: &said,
        starts_at: performed_at,
        ended_at: None,
    };
    check(&guidance(&sources, at))
}

fn at<R>(moment: &str, check: impl FnOnce(&Guidance<'_>) -> R) -> R {
    with(&sample::version(), &Conditions::default(), utc(moment), check)
}

fn keys<'a>(items: impl IntoIterator<Item = &'a Item>) -> Vec<&'a str> {
    items.into_iter().map(|item| item.key.as_str()).collect()
}

#[test]
fn right_after_the_treatment_everything_waits_the_soonest_first() {
    at("2026-06-01T11:30:00Z", |guidance| {
        assert_eq!(guidance.phase.as_ref().unwrap().key, "first_day");
        assert_eq!(keys(guidance.not_yet.iter().map(|entry| entry.item)), ["first_wash", "make_up", "retinoids"]);
        assert_eq!(keys(guidance.expect.iter().map(|entry| entry.item)), ["first_evening"]);
        assert_eq!(keys(guidance.advice.iter().map(|entry| entry.item)), ["compress"]);
        assert!(guidance.open_again.is_empty());
        let wash = &guidance.not_yet[0];
        assert_eq!(wash.until, Some(utc("2026-06-01T14:00:00Z")));
        assert_eq!(wash.soft_until, Some(utc("2026-06-03T10:00:00Z")));
        assert_eq!((wash.why, wash.evidence[0].id.as_str()), ("Pores are open.", "R01"));
        assert_eq!(guidance.not_yet[1].instead, Some("Nothing."));
    });
}

#[test]
fn a_hard_bound_opens_at_its_instant_and_the_soft_one_keeps_its_care() {
    at("2026-06-01T13:59:59Z", |guidance| assert!(guidance.open_again.is_empty()));
    at("2026-06-01T14:00:00Z", |guidance| {
        let wash = &guidance.open_again[0];
        assert_eq!((wash.item.key.as_str(), wash.since), ("first_wash", utc("2026-06-01T14:00:00Z")));
        assert_eq!(wash.soft, Some("Only if needed."));
    });
    at("2026-06-03T10:00:00Z", |guidance| {
        assert_eq!((guidance.open_again[0].soft, guidance.open_again[0].soft_until), (None, None));
    });
}

#[test]
fn an_open_flag_leaves_a_condition_without_an_end() {
    let held =
        Conditions { holds: vec![Hold { from: utc("2026-06-14T00:00:00Z"), to: None }], ..Conditions::default() };
    with(&sample::version(), &held, utc("2026-06-20T00:00:00Z"), |guidance| {
        let retinoids = &guidance.not_yet[0];
        assert_eq!((retinoids.item.key.as_str(), retinoids.until, retinoids.held), ("retinoids", None, true));
    });
}

#[test]
fn today_holds_the_tasks_of_the_local_date_in_order() {
    at("2026-06-04T09:30:00Z", |guidance| {
        let today: Vec<_> = guidance.today.iter().map(|today| (today.title, today.standing.state)).collect();
        assert_eq!(today, [("Kept it", TaskState::Open), ("Cleanse", TaskState::Open), ("Cleanse", TaskState::Ahead),]);
    });
    at("2026-06-03T22:00:00Z", |guidance| assert_eq!(guidance.today.len(), 3, "midnight has passed in Berlin"));
}

#[test]
fn before_the_treatment_there_is_no_phase() {
    at("2026-06-01T09:59:59Z", |guidance| assert_eq!(guidance.phase, None));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_careful_protocol_always_names_every_restriction_once_with_its_reason(minutes in 0i64..60 * 24 * 50) {
        let version = builtin().unwrap()[0].version.as_ref();
        let moment = utc("2026-06-01T10:00:00Z") + TimeDelta::minutes(minutes);
        with(version, &Conditions::default(), moment, |guidance| {
            let restrictions = version.structure.items.iter().filter(|item| item.kind == Kind::Restriction).count();
            prop_assert_eq!(guidance.not_yet.len() + guidance.open_again.len(), restrictions);
            for entry in &guidance.not_yet {
                prop_assert!(entry.until.is_some_and(|until| until > moment));
                prop_assert!(!entry.why.is_empty() && !entry.title.is_empty());
            }
            prop_assert!(guidance.open_again.iter().all(|entry| entry.since <= moment));
            prop_assert!(guidance.phase.is_some());
            Ok(())
        })?;
    }
}
