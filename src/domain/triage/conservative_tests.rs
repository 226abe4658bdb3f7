//! The careful protocol's rules at work: a table of reports and what follows, and every rule at its every bound.

use super::*;
use crate::domain::protocol::builtin;
use crate::domain::symptoms::{Answer, HIGHEST_STEP};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

fn conservative() -> &'static ProtocolVersion {
    &builtin().unwrap()[0].version
}

fn t0() -> DateTime<Utc> {
    "2026-06-01T10:00:00Z".parse().unwrap()
}

fn judged(symptoms: &Value, previous: Option<&Value>, elapsed: TimeDelta) -> TriageResult {
    let symptoms: Symptoms = serde_json::from_value(symptoms.clone()).unwrap();
    let previous: Option<Symptoms> = previous.map(|previous| serde_json::from_value(previous.clone()).unwrap());
    assert!(symptoms.faults().is_empty(), "{symptoms:?}");
    let context = Context {
        performed_at: t0(),
        recorded_at: t0() + elapsed,
        previous: previous.as_ref(),
        resolved: &BTreeMap::new(),
    };
    triage(conservative(), &symptoms, &context)
}

#[test]
fn reports_are_judged_as_decided() {
    let day = "P1D";
    let table = [
        // The first day: bright red and warm is expected, and looked at again.
        ("PT1H", json!({"redness": 2, "warmth": 2, "swelling": 1}), json!({}), Level::None),
        ("PT6H", json!({"redness": 3, "warmth": 3}), json!({}), Level::Soon),
        ("PT6H", json!({"redness": 3, "warmth": 3, "pain": 2}), json!({}), Level::Urgent),
        ("PT23H59M", json!({"redness": 3}), json!({}), Level::Soon),
        (day, json!({"redness": 3}), json!({}), Level::Urgent),
        // Pain and burning.
        ("PT1H", json!({"pain": 3}), json!({}), Level::Urgent),
        ("PT1H", json!({"burning": 3}), json!({}), Level::Urgent),
        ("PT23H59M", json!({"pain": 2}), json!({}), Level::None),
        (day, json!({"pain": 2}), json!({}), Level::Soon),
        (day, json!({"burning": 2}), json!({}), Level::Soon),
        (day, json!({"pain": 1}), json!({}), Level::None),
        // Rising redness or warmth.
        ("PT23H59M", json!({"redness": 2}), json!({"redness": 1}), Level::None),
        (day, json!({"redness": 2}), json!({"redness": 1}), Level::Soon),
        (day, json!({"warmth": 2}), json!({"warmth": 1}), Level::Soon),
        (day, json!({"redness": 2}), json!({"redness": 2}), Level::None),
        (day, json!({"redness": 2, "pain": 1}), json!({"redness": 1}), Level::Urgent),
        (day, json!({"redness": 2, "swelling": 2}), json!({"redness": 1, "swelling": 2}), Level::Urgent),
        (day, json!({"redness": 2, "pus": "clear"}), json!({"redness": 1}), Level::Urgent),
        // Urgent at any time, whatever else.
        ("PT1H", json!({"pus": "coloured"}), json!({}), Level::Urgent),
        ("P14D", json!({"pus": "coloured"}), json!({}), Level::Urgent),
        ("PT1H", json!({"swollen_glands": true}), json!({}), Level::Urgent),
        ("PT1H", json!({"spreading": true}), json!({}), Level::Urgent),
        ("PT1H", json!({"feels_feverish": true}), json!({}), Level::Urgent),
        ("PT1H", json!({"temperature": {"value": 38.0, "unit": "celsius"}}), json!({}), Level::Urgent),
        ("PT1H", json!({"temperature": {"value": 100.4, "unit": "fahrenheit"}}), json!({}), Level::Urgent),
        ("PT1H", json!({"temperature": {"value": 37.9, "unit": "celsius"}}), json!({}), Level::None),
        ("PT1H", json!({"temperature": {"value": 100.3, "unit": "fahrenheit"}}), json!({}), Level::None),
        // Emergencies come before everything.
        ("PT1H", json!({"breathing_trouble": true, "pus": "coloured"}), json!({}), Level::Emergency),
        ("P20D", json!({"lip_or_eye_swelling": true}), json!({}), Level::Emergency),
        // Peeling is expected, then worth a mention, then worth a call.
        ("P3D", json!({"flaking": 3}), json!({}), Level::None),
        ("PT167H59M", json!({"flaking": 2}), json!({}), Level::None),
        ("P7D", json!({"flaking": 1}), json!({}), Level::Routine),
        ("PT239H59M", json!({"flaking": 1}), json!({}), Level::Routine),
        ("P10D", json!({"flaking": 1}), json!({}), Level::Soon),
        ("P10D", json!({"dryness": 1}), json!({}), Level::Routine),
        // Colour, texture, products, breakouts.
        ("PT1H", json!({"colour_change": "darker"}), json!({}), Level::Soon),
        ("P30D", json!({"colour_change": "lighter"}), json!({}), Level::Soon),
        ("P30D", json!({"texture_change": true}), json!({}), Level::Soon),
        ("P2D", json!({"product_reaction": 1, "product_reaction_to": "a serum"}), json!({}), Level::Soon),
        ("P2D", json!({"product_reaction": 2}), json!({}), Level::Urgent),
        ("P2D", json!({"breakouts": 2}), json!({}), Level::None),
        ("P2D", json!({"breakouts": 3}), json!({}), Level::Routine),
        // A calm recovery.
        ("P2D", json!({"redness": 1, "flaking": 2, "itching": 1, "pus": "none"}), json!({"redness": 2}), Level::None),
    ];
    let mut wrong = Vec::new();
    for (after, now, before, level) in table {
        let elapsed: IsoDuration = after.parse().unwrap();
        let result = judged(&now, Some(&before), elapsed.delta());
        if result.level != level {
            wrong.push(format!("{after} {now} after {before}: {} instead of {level}", result.level));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The least that fulfils a condition: the first way of every `any`.
fn least(when: &When, now: &mut Map<String, Value>, before: &mut Map<String, Value>) {
    match when {
        When::All { all } => all.iter().for_each(|part| least(part, now, before)),
        When::Any { any } => least(&any[0], now, before),
        When::Test(test) => {
            let field = test.field().to_string();
            let value = match test {
                Test::AtLeast { at_least, .. } => json!(at_least),
                Test::Warm { at_least, .. } => json!({"value": f64::from(*at_least) / 100.0, "unit": "celsius"}),
                Test::Is { is, .. } => json!(is),
                Test::Word { is, .. } => json!(is),
                Test::Rising { rising, .. } => {
                    before.insert(field.clone(), json!(0));
                    json!(rising)
                }
            };
            now.insert(field, value);
        }
    }
}

fn fires(rule: &Rule, now: &Value, before: &Value, elapsed: TimeDelta) -> bool {
    judged(now, Some(before), elapsed).flags.iter().any(|flag| flag.rule == rule.key && flag.level == rule.level)
}

#[test]
fn every_rule_fires_on_the_least_it_asks_for_and_within_its_time_only() {
    for rule in &conservative().structure.triage {
        let (mut now, mut before) = (Map::new(), Map::new());
        least(&rule.when, &mut now, &mut before);
        let (now, before) = (Value::Object(now), Value::Object(before));
        let after = rule.after.map_or(TimeDelta::zero(), IsoDuration::delta);
        let second = TimeDelta::seconds(1);
        assert!(fires(rule, &now, &before, after), "{} at its start", rule.key);
        assert!(!fires(rule, &json!({}), &json!({}), after), "{} without a report", rule.key);
        if rule.after.is_some() {
            assert!(!fires(rule, &now, &before, after - second), "{} a second early", rule.key);
        }
        match rule.before {
            Some(end) => {
                assert!(fires(rule, &now, &before, end.delta() - second), "{} at its last second", rule.key);
                assert!(!fires(rule, &now, &before, end.delta()), "{} at its end", rule.key);
            }
            None => assert!(fires(rule, &now, &before, TimeDelta::days(120)), "{} months later", rule.key),
        }
    }
}

#[test]
fn every_step_below_what_a_rule_asks_for_leaves_it_silent() {
    for rule in &conservative().structure.triage {
        for test in rule.when.tests() {
            let field = test.field().to_string();
            let below = match test {
                Test::AtLeast { at_least, .. } => json!(at_least - 1),
                Test::Warm { at_least, .. } => json!({"value": f64::from(at_least - 1) / 100.0, "unit": "celsius"}),
                Test::Is { is, .. } => json!(!is),
                Test::Word { .. } => json!("none"),
                Test::Rising { .. } => json!(0),
            };
            let now = json!({ field.clone(): below });
            let before = if matches!(test, Test::Rising { .. }) { json!({ field: 0 }) } else { json!({}) };
            let after = rule.after.map_or(TimeDelta::zero(), IsoDuration::delta);
            assert!(!fires(rule, &now, &before, after), "{} on {now}", rule.key);
        }
    }
}

#[test]
fn the_worst_of_everything_leads_to_an_emergency_with_each_advice_once() {
    let worst: Map<String, Value> = conservative()
        .structure
        .check_in_fields
        .iter()
        .map(|field| {
            let value = match field.answer() {
                Answer::Scale => json!(HIGHEST_STEP),
                Answer::YesNo => json!(true),
                Answer::Choice(words) => json!(words.last().unwrap()),
                Answer::Temperature => json!({"value": 41, "unit": "celsius"}),
            };
            (field.to_string(), value)
        })
        .collect();
    let result = judged(&Value::Object(worst), None, TimeDelta::days(11));
    assert_eq!(result.level, Level::Emergency);
    assert_eq!(result.advice.iter().collect::<BTreeSet<_>>().len(), result.advice.len());
    let levels: Vec<Level> = result.flags.iter().map(|flag| flag.level).collect();
    assert!(levels.windows(2).all(|pair| pair[0] >= pair[1]), "{levels:?}");
}
