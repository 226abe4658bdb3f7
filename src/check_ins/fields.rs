//! A check-in as an app sends it, and the checks of its values: everything that is wrong is said at once, field by field.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::submit::{NewCheckIn, SKEW};
use crate::body::Faults;
use crate::domain::symptoms::{Answer, Field, HIGHEST_STEP, LONGEST_PRODUCT, Symptoms, Temperature, TemperatureUnit};

/// The one thing a check-in may name in words: what the skin reacted to.
const PRODUCT: &str = "product_reaction_to";
/// The most characters of a note.
pub const LONGEST_NOTE: usize = 2000;

/// The body of `create_check_in`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckInFields {
    id: Option<Uuid>,
    recorded_at: DateTime<Utc>,
    symptoms: Map<String, Value>,
    note: Option<String>,
}

impl CheckInFields {
    /// Checks the values. A check-in that lies before its treatment is found out later, where the treatment is known.
    pub(super) fn read(self, faults: &mut Faults, now: DateTime<Utc>, fresh_id: Uuid) -> NewCheckIn {
        if self.recorded_at > now + SKEW {
            let latest = (now + SKEW).to_rfc3339_opts(SecondsFormat::Secs, true);
            faults.push("/recorded_at", format!("lies in the future: at most {latest}"));
        }
        NewCheckIn {
            id: self.id.unwrap_or(fresh_id),
            recorded_at: DateTime::from_timestamp_micros(self.recorded_at.timestamp_micros())
                .unwrap_or(self.recorded_at),
            symptoms: symptoms(faults, &self.symptoms),
            note: faults.optional_text("/note", self.note.as_deref(), 1..=LONGEST_NOTE),
        }
    }
}

/// The answers, each checked by itself. `null` is no answer, like a field that is left out.
fn symptoms(faults: &mut Faults, given: &Map<String, Value>) -> Symptoms {
    let mut answers = Map::new();
    for (name, value) in given {
        if let Some(answer) = answer(faults, name, value) {
            answers.insert(name.clone(), answer);
        }
    }
    if given.values().all(Value::is_null) {
        faults.push("/symptoms", "must answer at least one question");
    }
    let symptoms: Symptoms = serde_json::from_value(Value::Object(answers)).unwrap_or_else(|error| {
        faults.push("/symptoms", error.to_string());
        Symptoms::default()
    });
    for fault in symptoms.faults() {
        faults.push(format!("/symptoms{}", fault.pointer), fault.detail);
    }
    symptoms
}

/// The value as [`Symptoms`] takes it, if it has the right form; bounds are [`Symptoms::faults`]' business, except those
/// that its types cannot hold.
fn answer(faults: &mut Faults, name: &str, value: &Value) -> Option<Value> {
    let pointer = format!("/symptoms/{}", name.replace('~', "~0").replace('/', "~1"));
    if name == PRODUCT && !value.is_null() {
        let Some(text) = value.as_str() else {
            faults.push(pointer, "must be a text");
            return None;
        };
        return faults.optional_text(&pointer, Some(text), 1..=LONGEST_PRODUCT).map(Value::String);
    }
    let field = name.parse::<Field>();
    if field.is_err() && name != PRODUCT {
        faults.push(&pointer, "is nothing that a check-in asks about");
    }
    let field = field.ok().filter(|_| !value.is_null())?;
    let (fits, expected) = match field.answer() {
        Answer::Scale => {
            (value.as_u64().is_some_and(|step| step <= u64::from(HIGHEST_STEP)), "0, 1, 2 or 3".to_owned())
        }
        Answer::YesNo => (value.is_boolean(), "true or false".to_owned()),
        Answer::Choice(words) => (value.as_str().is_some_and(|word| words.contains(&word)), words.join(", ")),
        Answer::Temperature => return temperature(faults, &pointer, value),
    };
    if !fits {
        faults.push(pointer, format!("must be {expected}"));
    }
    fits.then(|| value.clone())
}

fn temperature(faults: &mut Faults, pointer: &str, value: &Value) -> Option<Value> {
    let Some(given) = value.as_object() else {
        faults.push(pointer, "must have a value and a unit");
        return None;
    };
    for name in given.keys().filter(|name| !matches!(name.as_str(), "value" | "unit")) {
        faults.push(format!("{pointer}/{name}"), "is not part of a temperature");
    }
    let number = given.get("value").and_then(Value::as_f64);
    if number.is_none() {
        faults.push(format!("{pointer}/value"), "must be a number");
    }
    let unit = given.get("unit").and_then(Value::as_str).and_then(|unit| unit.parse::<TemperatureUnit>().ok());
    if unit.is_none() {
        faults.push(format!("{pointer}/unit"), "must be celsius or fahrenheit");
    }
    serde_json::to_value(Temperature { value: number?, unit: unit? }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ApiError;
    use proptest::prelude::*;
    use serde_json::json;

    fn read(given: &Value) -> (Symptoms, Vec<String>) {
        let mut faults = Faults::default();
        let read = symptoms(&mut faults, given.as_object().unwrap());
        let mut pointers: Vec<String> = match faults.finish() {
            Err(ApiError::Invalid(errors)) => errors.into_iter().map(|error| error.pointer).collect(),
            _ => Vec::new(),
        };
        pointers.sort();
        (read, pointers)
    }

    #[test]
    fn what_is_not_answered_is_not_zero() {
        let (symptoms, faults) = read(&json!({ "redness": 0, "pain": null, "pus": "none" }));
        assert_eq!((faults.len(), symptoms.redness, symptoms.pain), (0, Some(0), None));
    }

    #[test]
    fn everything_that_is_wrong_is_named_at_once() {
        let given = json!({
            "redness": 4, "pain": -1, "burning": 1.5, "itching": 999, "pus": "green", "blisters": "yes",
            "temperature": { "value": 500, "unit": "celsius" }, "mood": null, "product_reaction_to": "x".repeat(201),
        });
        let expected = [
            "/symptoms/blisters",
            "/symptoms/burning",
            "/symptoms/itching",
            "/symptoms/mood",
            "/symptoms/pain",
            "/symptoms/product_reaction_to",
            "/symptoms/pus",
            "/symptoms/redness",
            "/symptoms/temperature/value",
        ];
        let mut faults = read(&given).1;
        faults.dedup();
        assert_eq!(faults, expected);
        let halves = json!({ "temperature": { "value": "warm", "unit": "kelvin", "at": "noon" } });
        let expected = ["/symptoms/temperature/at", "/symptoms/temperature/unit", "/symptoms/temperature/value"];
        assert_eq!(read(&halves).1, expected);
        assert_eq!(read(&json!({})).1, ["/symptoms"]);
        assert_eq!(read(&json!({ "pain": null })).1, ["/symptoms"]);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z~/]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                proptest::collection::btree_map("value|unit|x", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_either_within_bounds_or_refused(
            answers in proptest::collection::vec((proptest::sample::select(Field::ALL), any_json()), 1..6),
        ) {
            let given: Map<String, Value> =
                answers.into_iter().map(|(field, value)| (field.as_str().to_owned(), value)).collect();
            let (symptoms, faults) = read(&Value::Object(given));
            if faults.is_empty() {
                prop_assert!(symptoms.faults().is_empty());
                let stored = serde_json::to_value(&symptoms).unwrap();
                prop_assert_eq!(serde_json::from_value::<Symptoms>(stored).unwrap(), symptoms);
            }
        }
    }
}
