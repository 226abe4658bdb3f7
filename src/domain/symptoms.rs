//! What a check-in can say about skin and body: fields, their bounds, and units.
//! What follows from it is decided by `triage.rs` over the protocol's rules.

use serde::{Deserialize, Serialize};

mod field;

pub(crate) use field::centi;
pub use field::{Answer, ColourChange, Field, Pus, Temperature, TemperatureUnit};

/// The highest step of a scale; 0 means not at all.
pub const HIGHEST_STEP: u8 = 3;

/// Body temperatures outside these bounds (hundredths of a degree Celsius) are slips of the finger.
pub const TEMPERATURE_BOUNDS: (i32, i32) = (3000, 4500);

/// The longest name of a product that is reported, in characters.
pub const LONGEST_PRODUCT: usize = 200;

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
mod tests;
