//! The built-in rules at work: a table of reports and what follows, and a row for every rule at its every bound.

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
    judged_by(conservative(), symptoms, previous, elapsed)
}

fn judged_by(
    version: &ProtocolVersion,
    symptoms: &Value,
    previous: Option<&Value>,
    elapsed: TimeDelta,
) -> TriageResult {
    let symptoms: Symptoms = serde_json::from_value(symptoms.clone()).unwrap();
    let previous: Option<Symptoms> = previous.map(|previous| serde_json::from_value(previous.clone()).unwrap());
    assert!(symptoms.faults().is_empty(), "{symptoms:?}");
    let context = Context {
        performed_at: t0(),
        recorded_at: t0() + elapsed,
        previous: previous.as_ref(),
        resolved: &BTreeMap::new(),
    };
    triage(version, &symptoms, &context)
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

/// One row for each rule: its level, from when and until when it holds, reports that meet it at its bounds (with the one
/// before, where it asks for a trend), and reports one step short of each of them.
struct Row {
    rule: &'static str,
    level: Level,
    after: Option<&'static str>,
    before: Option<&'static str>,
    meets: Vec<(Value, Value)>,
    misses: Vec<(Value, Value)>,
}

fn alone(reports: impl IntoIterator<Item = Value>) -> Vec<(Value, Value)> {
    reports.into_iter().map(|report| (report, json!({}))).collect()
}

fn degrees(value: f64, unit: &str) -> Value {
    json!({ "temperature": { "value": value, "unit": unit } })
}

fn rows() -> Vec<Row> {
    use Level::{Emergency, Routine, Soon, Urgent};
    let row = |rule, level, after, before, meets, misses| Row { rule, level, after, before, meets, misses };
    let yes = |field: &str| (alone([json!({ field: true })]), alone([json!({ field: false })]));
    let step = |field: &str, least: u8| (json!({ field: least }), json!({ field: least - 1 }));
    let steps = |fields: &[&str], least: u8| {
        let (meets, misses): (Vec<Value>, Vec<Value>) = fields.iter().map(|field| step(field, least)).unzip();
        (alone(meets), alone(misses))
    };
    let any_time = |rule, level, (meets, misses)| row(rule, level, None, None, meets, misses);
    let from = |rule, level, after, (meets, misses)| row(rule, level, Some(after), None, meets, misses);
    let word = |field: &str, words: &[&str], others: &[&str]| {
        let of = |words: &[&str]| alone(words.iter().map(|word| json!({ field: word })));
        (of(words), of(others))
    };
    let both = |(a, b): (Vec<_>, Vec<_>), (c, d): (Vec<_>, Vec<_>)| ([a, c].concat(), [b, d].concat());
    let hot = [json!({"redness": 3}), json!({"warmth": 3})];
    let risen = |now: Value| (now, json!({"redness": 1, "warmth": 1, "swelling": 0}));
    vec![
        any_time("breathing_or_face_swelling", Emergency, both(yes("breathing_trouble"), yes("lip_or_eye_swelling"))),
        any_time("coloured_pus", Urgent, word("pus", &["coloured"], &["clear", "none"])),
        any_time("clear_fluid", Soon, word("pus", &["clear"], &["coloured", "none"])),
        any_time(
            "fever",
            Urgent,
            both(
                (
                    alone([degrees(38.0, "celsius"), degrees(100.4, "fahrenheit"), degrees(45.0, "celsius")]),
                    alone([degrees(37.99, "celsius"), degrees(100.38, "fahrenheit"), degrees(30.0, "celsius")]),
                ),
                yes("feels_feverish"),
            ),
        ),
        any_time("swollen_glands", Urgent, yes("swollen_glands")),
        any_time("spreading", Urgent, yes("spreading")),
        any_time("severe_pain", Urgent, steps(&["pain", "burning"], 3)),
        any_time("severe_swelling", Urgent, steps(&["swelling"], 3)),
        any_time("product_reaction_strong", Urgent, steps(&["product_reaction"], 2)),
        any_time("product_reaction_mild", Soon, steps(&["product_reaction"], 1)),
        any_time("blisters", Soon, yes("blisters")),
        any_time("colour_change", Soon, word("colour_change", &["darker", "lighter"], &["none"])),
        any_time("texture_change", Soon, yes("texture_change")),
        any_time("breakouts", Routine, steps(&["breakouts"], 3)),
        row(
            "hot_redness_first_day",
            Soon,
            None,
            Some("PT24H"),
            alone(hot.clone()),
            alone([json!({"redness": 2, "warmth": 2})]),
        ),
        row(
            "hot_redness_first_day_not_alone",
            Urgent,
            None,
            Some("PT24H"),
            alone([
                json!({"redness": 3, "pain": 2}),
                json!({"redness": 3, "swelling": 2}),
                json!({"warmth": 3, "pain": 2}),
                json!({"warmth": 3, "swelling": 2}),
            ]),
            alone([
                json!({"redness": 3, "warmth": 3, "pain": 1, "swelling": 1}),
                json!({"redness": 2, "warmth": 2, "pain": 2, "swelling": 2}),
            ]),
        ),
        from("severe_redness", Urgent, "PT24H", (alone(hot), alone([json!({"redness": 2, "warmth": 2})]))),
        from(
            "redness_rising",
            Soon,
            "PT24H",
            (
                vec![risen(json!({"redness": 2})), risen(json!({"warmth": 2})), risen(json!({"redness": 3}))],
                vec![
                    risen(json!({"redness": 1, "warmth": 1})),
                    (json!({"redness": 2}), json!({"redness": 3})),
                    (json!({"redness": 2}), json!({"warmth": 1})),
                    (json!({"redness": 2}), json!({})),
                ],
            ),
        ),
        from(
            "redness_rising_not_alone",
            Urgent,
            "PT24H",
            (
                [
                    json!({"pain": 1}),
                    json!({"swelling": 2}),
                    json!({"swelling": 1}),
                    json!({"pus": "clear"}),
                    json!({"pus": "coloured"}),
                ]
                .into_iter()
                .flat_map(|beside| {
                    ["redness", "warmth"].map(|field| {
                        let mut report = beside.clone();
                        report[field] = json!(2);
                        risen(report)
                    })
                })
                .collect(),
                vec![
                    risen(json!({"redness": 2, "pain": 0, "swelling": 0, "pus": "none"})),
                    risen(json!({"redness": 1, "pain": 1})),
                    (json!({"redness": 2, "swelling": 1}), json!({"redness": 1, "swelling": 1})),
                    (json!({"redness": 2, "swelling": 1}), json!({"redness": 1})),
                ],
            ),
        ),
        from("lasting_pain", Soon, "PT24H", both(steps(&["pain", "burning"], 2), steps(&["sensitivity"], 3))),
        from("bleeding_or_bruising", Routine, "PT24H", yes("bleeding_or_bruising")),
        from("lasting_itching", Soon, "PT48H", steps(&["itching"], 3)),
        from("lasting_inflammation", Soon, "P3D", steps(&["redness", "warmth", "swelling"], 2)),
        from(
            "peeling_worse_after_its_peak",
            Soon,
            "P5D",
            (
                vec![(json!({"flaking": 1}), json!({"flaking": 0})), (json!({"flaking": 3}), json!({}))],
                vec![(json!({"flaking": 2}), json!({"flaking": 2})), (json!({"flaking": 2}), json!({}))],
            ),
        ),
        from("redness_after_a_week", Routine, "P7D", steps(&["redness", "warmth", "swelling"], 1)),
        from("peeling_after_a_week", Routine, "P7D", steps(&["flaking"], 1)),
        from("peeling_after_ten_days", Soon, "P10D", steps(&["flaking"], 1)),
        from("dryness_after_a_week", Routine, "P7D", steps(&["dryness", "tightness"], 2)),
        from("dryness_after_ten_days", Routine, "P10D", steps(&["dryness", "tightness"], 1)),
        from("breakouts_persist", Routine, "P10D", steps(&["breakouts"], 1)),
    ]
}

fn fires_in(version: &ProtocolVersion, row: &Row, (now, before): &(Value, Value), elapsed: TimeDelta) -> bool {
    let result = judged_by(version, now, Some(before), elapsed);
    result.flags.iter().any(|flag| flag.rule == row.rule && flag.level == row.level)
}

#[test]
fn every_rule_of_every_built_in_plan_holds_at_its_bounds_and_not_beside_them() {
    let (second, months) = (TimeDelta::seconds(1), TimeDelta::days(120));
    let delta = |text: &str| text.parse::<IsoDuration>().unwrap().delta();
    for built_in in builtin().unwrap() {
        let version = &built_in.version;
        let mut known: BTreeSet<&str> = version.structure.triage.iter().map(|rule| rule.key.as_str()).collect();
        for row in rows() {
            let name = format!("{} of {}", row.rule, version.key());
            assert!(known.remove(row.rule), "{name} is no rule");
            let first = row.after.map_or(TimeDelta::zero(), delta);
            let last = row.before.map_or(months, |before| delta(before) - second);
            for report in &row.meets {
                for at in [first, first + second, last] {
                    assert!(fires_in(version, &row, report, at), "{name}: {report:?} after {at}");
                }
                if row.after.is_some() {
                    assert!(!fires_in(version, &row, report, first - second), "{name}: {report:?} a second early");
                }
                if row.before.is_some() {
                    assert!(!fires_in(version, &row, report, last + second), "{name}: {report:?} at its end");
                }
            }
            for report in &row.misses {
                for at in [first, last] {
                    assert!(!fires_in(version, &row, report, at), "{name}: {report:?} after {at}");
                }
            }
        }
        assert_eq!(known, BTreeSet::new(), "rules of {} without a row", version.key());
    }
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
