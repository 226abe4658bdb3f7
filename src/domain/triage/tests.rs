//! Tests of the evaluation, on the sample's rules. The careful protocol's own rules have a table of their own.

use super::*;
use crate::domain::protocol::sample;
use crate::domain::symptoms::{Pus, Temperature, TemperatureUnit};
use proptest::prelude::*;

fn t0() -> DateTime<Utc> {
    "2026-06-01T10:00:00Z".parse().unwrap()
}

fn judged(symptoms: &Symptoms, previous: Option<&Symptoms>, after: &str) -> TriageResult {
    let after: IsoDuration = after.parse().unwrap();
    let context =
        Context { performed_at: t0(), recorded_at: t0() + after.delta(), previous, resolved: &BTreeMap::new() };
    triage(&sample::version(), symptoms, &context)
}

fn rules(result: &TriageResult) -> Vec<&str> {
    result.flags.iter().map(|flag| flag.rule.as_str()).collect()
}

#[test]
fn nothing_matching_is_level_none_with_its_own_advice() {
    let result = judged(&Symptoms { redness: Some(1), ..Symptoms::default() }, None, "P2D");
    assert_eq!((result.level, result.advice.as_slice()), (Level::None, ["none".to_owned()].as_slice()));
    assert!(result.flags.is_empty());
}

#[test]
fn times_include_their_start_and_exclude_their_end() {
    let peeling = Symptoms { flaking: Some(1), ..Symptoms::default() };
    let level = |after: &str| judged(&peeling, None, after).level;
    assert_eq!(level("PT167H59M59S"), Level::None);
    assert_eq!(level("P7D"), Level::Routine);
    assert_eq!(level("PT239H59M59S"), Level::Routine);
    assert_eq!(level("P10D"), Level::None);
}

#[test]
fn rising_needs_a_check_in_before_and_a_higher_step() {
    let now = Symptoms { redness: Some(2), ..Symptoms::default() };
    let before = |step| Symptoms { redness: Some(step), ..Symptoms::default() };
    assert_eq!(judged(&now, None, "P2D").level, Level::None);
    assert_eq!(judged(&now, Some(&before(2)), "P2D").level, Level::None);
    assert_eq!(judged(&now, Some(&before(1)), "P2D").level, Level::Soon);
    assert_eq!(judged(&now, Some(&before(1)), "PT23H").level, Level::None);
    assert_eq!(judged(&now, Some(&Symptoms::default()), "P2D").level, Level::None, "not asked is not zero");
}

#[test]
fn the_highest_level_leads_and_advice_comes_once() {
    let now = Symptoms {
        redness: Some(3),
        pain: Some(2),
        pus: Some(Pus::Coloured),
        breathing_trouble: Some(true),
        ..Symptoms::default()
    };
    let before = Symptoms { redness: Some(1), ..Symptoms::default() };
    let result = judged(&now, Some(&before), "P2D");
    assert_eq!(result.level, Level::Emergency);
    assert_eq!(rules(&result), ["breathing", "redness_rising_with_pain", "redness_rising"]);
    assert_eq!(result.advice, ["call_now", "call_today"]);
}

#[test]
fn a_fever_counts_in_either_unit_and_when_only_felt() {
    let fever = |value, unit| Symptoms { temperature: Some(Temperature { value, unit }), ..Symptoms::default() };
    assert_eq!(judged(&fever(37.99, TemperatureUnit::Celsius), None, "P1D").level, Level::None);
    assert_eq!(judged(&fever(38.0, TemperatureUnit::Celsius), None, "P1D").level, Level::Urgent);
    assert_eq!(judged(&fever(100.3, TemperatureUnit::Fahrenheit), None, "P1D").level, Level::None);
    assert_eq!(judged(&fever(100.4, TemperatureUnit::Fahrenheit), None, "P1D").level, Level::Urgent);
    let felt = Symptoms { feels_feverish: Some(true), ..Symptoms::default() };
    assert_eq!(judged(&felt, None, "P1D").level, Level::Urgent);
}

#[test]
fn a_rule_may_ask_for_another_look() {
    let hot = Symptoms { redness: Some(3), warmth: Some(2), ..Symptoms::default() };
    assert_eq!(judged(&hot, None, "PT6H").recheck, Some(IsoDuration::hours(4)));
    assert_eq!(judged(&hot, None, "PT24H").recheck, None);
}

#[test]
fn a_resolved_flag_that_comes_back_is_a_new_episode() {
    let felt = Symptoms { feels_feverish: Some(true), ..Symptoms::default() };
    let resolved = BTreeMap::from([("fever".to_owned(), 2)]);
    let context = Context { performed_at: t0(), recorded_at: t0(), previous: None, resolved: &resolved };
    assert_eq!(triage(&sample::version(), &felt, &context).flags[0].episode, 3);
}

proptest! {
    #[test]
    fn unanswered_questions_never_raise_a_flag(after in 0i64..60 * 24 * 40) {
        let context = Context {
            performed_at: t0(), recorded_at: t0() + TimeDelta::minutes(after), previous: None, resolved: &BTreeMap::new(),
        };
        let result = triage(&sample::version(), &Symptoms::default(), &context);
        prop_assert_eq!(result.level, Level::None);
    }
}
