//! Tests of fields, bounds and units.

use super::*;
use proptest::prelude::*;

#[test]
fn a_hundred_point_four_fahrenheit_is_exactly_thirty_eight_celsius() {
    let fahrenheit = |value| Temperature { value, unit: TemperatureUnit::Fahrenheit }.centi_celsius();
    assert_eq!(fahrenheit(100.4), Some(3800));
    assert_eq!(fahrenheit(100.3), Some(3794));
    assert_eq!(fahrenheit(98.6), Some(3700));
    assert_eq!(Temperature { value: 37.99, unit: TemperatureUnit::Celsius }.centi_celsius(), Some(3799));
    assert_eq!(fahrenheit(f64::NAN), None);
}

#[test]
fn all_faults_come_at_once_with_their_pointers() {
    let symptoms = Symptoms {
        redness: Some(4),
        pain: Some(3),
        breakouts: Some(200),
        temperature: Some(Temperature { value: 100.4, unit: TemperatureUnit::Celsius }),
        ..Symptoms::default()
    };
    let pointers: Vec<_> = symptoms.faults().into_iter().map(|fault| fault.pointer).collect();
    assert_eq!(pointers, ["/redness", "/breakouts", "/temperature/value"]);
    assert!(Symptoms::default().faults().is_empty());
}

#[test]
fn every_field_is_readable_by_exactly_the_reader_of_its_kind() {
    let everything: Symptoms = serde_json::from_value(serde_json::json!({
        "redness": 1, "swelling": 1, "pain": 1, "burning": 1, "itching": 1, "warmth": 1, "dryness": 1,
        "tightness": 1, "flaking": 1, "sensitivity": 1, "breakouts": 1, "product_reaction": 1,
        "bleeding_or_bruising": true, "blisters": true, "spreading": true, "swollen_glands": true,
        "feels_feverish": true, "texture_change": true, "breathing_trouble": true, "lip_or_eye_swelling": true,
        "pus": "clear", "colour_change": "darker", "temperature": {"value": 37.0, "unit": "celsius"},
    }))
    .unwrap();
    for field in Field::ALL {
        let readers = [
            everything.step(*field).is_some(),
            everything.yes(*field).is_some(),
            everything.word(*field).is_some(),
            *field == Field::Temperature,
        ];
        assert_eq!(readers.iter().filter(|read| **read).count(), 1, "{field}");
    }
}

proptest! {
    #[test]
    fn a_fahrenheit_reading_lands_within_a_hundredth_of_the_true_value(tenths in 860i32..1130) {
        let value = f64::from(tenths) / 10.0;
        let centi = Temperature { value, unit: TemperatureUnit::Fahrenheit }.centi_celsius().unwrap();
        let exact = (value - 32.0) * 5.0 / 9.0 * 100.0;
        prop_assert!((f64::from(centi) - exact).abs() <= 1.0);
    }
}
