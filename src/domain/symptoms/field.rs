//! The fields of a check-in and the words and units they are answered in.

use serde::{Deserialize, Serialize};

use crate::domain::words::word_enum;

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
    /// 0 to [`HIGHEST_STEP`](super::HIGHEST_STEP).
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
