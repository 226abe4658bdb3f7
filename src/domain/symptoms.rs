//! What a check-in can say about skin and body: fields, their bounds, and units.
//! What follows from it is decided by `triage.rs` over the protocol's rules.

use serde::{Deserialize, Serialize};

use super::words::word_enum;

/// The highest step of a scale; 0 means not at all.
pub const HIGHEST_STEP: u8 = 3;

/// Body temperatures outside these bounds (hundredths of a degree Celsius) are slips of the finger.
pub const TEMPERATURE_BOUNDS: (i32, i32) = (3000, 4500);

/// The longest name of a product that is reported, in characters.
pub const LONGEST_PRODUCT: usize = 200;

word_enum! {
    /// Something a check-in asks about.
    pub enum Field {
        /// Redness, 0-3.
        Redness = "redness",
        /// Swelling, 0-3.
        Swelling = "swelling",
        /// Pain, 0-3.
        Pain = "pain",
        /// Burning, 0-3.
        Burning = "burning",
        /// Itching, 0-3.
        Itching = "itching",
        /// Warmth, 0-3.
        Warmth = "warmth",
        /// Dryness, 0-3.
        Dryness = "dryness",
        /// Tightness, 0-3.
        Tightness = "tightness",
        /// Flaking or peeling, 0-3.
        Flaking = "flaking",
        /// Sensitivity, 0-3.
        Sensitivity = "sensitivity",
        /// Breakouts, 0-3.
        Breakouts = "breakouts",
        /// A reaction to a product, 0-3.
        ProductReaction = "product_reaction",
        /// Bleeding or bruising, yes or no.
        BleedingOrBruising = "bleeding_or_bruising",
        /// Blisters, yes or no.
        Blisters = "blisters",
        /// Redness or swelling that spreads, yes or no.
        Spreading = "spreading",
        /// Swollen glands, yes or no.
        SwollenGlands = "swollen_glands",
        /// Feels feverish, yes or no.
        FeelsFeverish = "feels_feverish",
        /// Leathery, rough or scar-like texture, yes or no.
        TextureChange = "texture_change",
        /// Trouble breathing, yes or no.
        BreathingTrouble = "breathing_trouble",
        /// Swollen lips or eyes, yes or no.
        LipOrEyeSwelling = "lip_or_eye_swelling",
        /// Pus: none, clear or coloured.
        Pus = "pus",
        /// Change of colour: none, darker or lighter.
        ColourChange = "colour_change",
        /// Body temperature.
        Temperature = "temperature",
    }
}

/// How a field is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// 0 to [`HIGHEST_STEP`].
    Scale,
    /// Yes or no.
    YesNo,
    /// One of these words; the first means no.
    Choice(&'static [&'static str]),
    /// A body temperature.
    Temperature,
}

impl Field {
    /// How this field is answered.
    pub const fn answer(self) -> Answer {
        match self {
            Self::Redness
            | Self::Swelling
            | Self::Pain
            | Self::Burning
            | Self::Itching
            | Self::Warmth
            | Self::Dryness
            | Self::Tightness
            | Self::Flaking
            | Self::Sensitivity
            | Self::Breakouts
            | Self::ProductReaction => Answer::Scale,
            Self::BleedingOrBruising
            | Self::Blisters
            | Self::Spreading
            | Self::SwollenGlands
            | Self::FeelsFeverish
            | Self::TextureChange
            | Self::BreathingTrouble
            | Self::LipOrEyeSwelling => Answer::YesNo,
            Self::Pus => Answer::Choice(&["none", "clear", "coloured"]),
            Self::ColourChange => Answer::Choice(&["none", "darker", "lighter"]),
            Self::Temperature => Answer::Temperature,
        }
    }
}

word_enum! {
    /// What comes out of the skin.
    pub enum Pus {
        /// Nothing.
        None = "none",
        /// Clear fluid.
        Clear = "clear",
        /// Yellow or green.
        Coloured = "coloured",
    }
}

word_enum! {
    /// How the skin's colour changed.
    pub enum ColourChange {
        /// It did not.
        None = "none",
        /// Darker.
        Darker = "darker",
        /// Lighter.
        Lighter = "lighter",
    }
}

word_enum! {
    /// The unit a thermometer shows.
    pub enum TemperatureUnit {
        /// Degrees Celsius.
        Celsius = "celsius",
        /// Degrees Fahrenheit.
        Fahrenheit = "fahrenheit",
    }
}

/// A temperature as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperature {
    /// What the thermometer shows.
    pub value: f64,
    /// In which unit.
    pub unit: TemperatureUnit,
}

impl Temperature {
    /// In hundredths of a degree Celsius; `None` for a value that is no number or beyond all measure.
    /// 100.4 F is exactly 38.00 C.
    pub fn centi_celsius(self) -> Option<i32> {
        let hundredths = centi(self.value)?;
        Some(match self.unit {
            TemperatureUnit::Celsius => hundredths,
            TemperatureUnit::Fahrenheit => ((hundredths - 3200) * 5).div_euclid(9),
        })
    }
}

/// A reading in hundredths, rounded.
pub(crate) fn centi(value: f64) -> Option<i32> {
    if !value.is_finite() || value.abs() > 1000.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "at most 100,000 after the check above")]
    let hundredths = (value * 100.0).round() as i32;
    Some(hundredths)
}

/// What a check-in reports. A field that is absent was not answered, which is not the same as "no".
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Symptoms {
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redness: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swelling: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pain: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burning: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub itching: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warmth: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dryness: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tightness: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaking: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensitivity: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breakouts: Option<u8>,
    /// 0-3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_reaction: Option<u8>,
    /// Which product the skin reacted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_reaction_to: Option<String>,
    /// Bleeding or bruising.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bleeding_or_bruising: Option<bool>,
    /// Blisters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blisters: Option<bool>,
    /// Redness or swelling that spreads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spreading: Option<bool>,
    /// Swollen glands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swollen_glands: Option<bool>,
    /// Feels feverish.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feels_feverish: Option<bool>,
    /// Leathery, rough or scar-like texture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texture_change: Option<bool>,
    /// Trouble breathing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breathing_trouble: Option<bool>,
    /// Swollen lips or eyes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lip_or_eye_swelling: Option<bool>,
    /// What comes out of the skin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pus: Option<Pus>,
    /// How the skin's colour changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colour_change: Option<ColourChange>,
    /// Body temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Temperature>,
}

/// A value out of bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SymptomFault {
    /// JSON pointer below the symptoms, such as `/redness`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Symptoms {
    /// The step of a scale field.
    pub fn step(&self, field: Field) -> Option<u8> {
        match field {
            Field::Redness => self.redness,
            Field::Swelling => self.swelling,
            Field::Pain => self.pain,
            Field::Burning => self.burning,
            Field::Itching => self.itching,
            Field::Warmth => self.warmth,
            Field::Dryness => self.dryness,
            Field::Tightness => self.tightness,
            Field::Flaking => self.flaking,
            Field::Sensitivity => self.sensitivity,
            Field::Breakouts => self.breakouts,
            Field::ProductReaction => self.product_reaction,
            _ => None,
        }
    }

    /// The answer to a yes/no field.
    pub fn yes(&self, field: Field) -> Option<bool> {
        match field {
            Field::BleedingOrBruising => self.bleeding_or_bruising,
            Field::Blisters => self.blisters,
            Field::Spreading => self.spreading,
            Field::SwollenGlands => self.swollen_glands,
            Field::FeelsFeverish => self.feels_feverish,
            Field::TextureChange => self.texture_change,
            Field::BreathingTrouble => self.breathing_trouble,
            Field::LipOrEyeSwelling => self.lip_or_eye_swelling,
            _ => None,
        }
    }

    /// The word of a choice field.
    pub fn word(&self, field: Field) -> Option<&'static str> {
        match field {
            Field::Pus => self.pus.map(Pus::as_str),
            Field::ColourChange => self.colour_change.map(ColourChange::as_str),
            _ => None,
        }
    }

    /// Whether the field was answered, and if so whether with anything but "no".
    pub fn present(&self, field: Field) -> Option<bool> {
        match field.answer() {
            Answer::Scale => self.step(field).map(|step| step > 0),
            Answer::YesNo => self.yes(field),
            Answer::Choice(_) => self.word(field).map(|word| word != "none"),
            Answer::Temperature => None,
        }
    }

    /// Everything out of bounds, all at once.
    pub fn faults(&self) -> Vec<SymptomFault> {
        let mut faults: Vec<SymptomFault> = Field::ALL
            .iter()
            .filter(|field| self.step(**field).is_some_and(|step| step > HIGHEST_STEP))
            .map(|field| SymptomFault { pointer: format!("/{field}"), detail: "must be 0, 1, 2 or 3".to_owned() })
            .collect();
        if let Some(temperature) = self.temperature {
            let (low, high) = TEMPERATURE_BOUNDS;
            if !temperature.centi_celsius().is_some_and(|centi| (low..=high).contains(&centi)) {
                faults.push(SymptomFault {
                    pointer: "/temperature/value".to_owned(),
                    detail: "must be a body temperature: 30 to 45 C, 86 to 113 F".to_owned(),
                });
            }
        }
        if self.product_reaction_to.as_ref().is_some_and(|name| name.chars().count() > LONGEST_PRODUCT) {
            faults.push(SymptomFault {
                pointer: "/product_reaction_to".to_owned(),
                detail: format!("must have at most {LONGEST_PRODUCT} characters"),
            });
        }
        faults
    }
}

#[cfg(test)]
mod tests {
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
}
