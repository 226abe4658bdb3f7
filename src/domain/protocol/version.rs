//! The whole of one protocol version, its look-ups and its canonical rendering.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::item::Item;
use super::rule::{Condition, Rule};
use super::texts::{AlertText, ItemText, Texts};
use super::units::IsoDuration;
use crate::domain::symptoms::Field;

/// What a protocol was written for; anything else needs a clinician's reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppliesTo {
    /// Areas of the body.
    pub areas: Vec<String>,
    /// Ways of treating.
    pub modalities: Vec<String>,
}

/// A course of treatments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// How many treatments are usual.
    pub sessions: u8,
    /// The most that may be planned.
    pub most: u8,
    /// The shortest interval between two.
    pub interval_min: IsoDuration,
    /// The longest.
    pub interval_max: IsoDuration,
}

/// A stretch of the recovery; it lasts until the next phase starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// Its name within the protocol.
    pub key: String,
    /// When it starts.
    #[serde(flatten)]
    pub from: PhaseStart,
}

/// When a phase starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PhaseStart {
    /// So long after T0.
    Elapsed {
        /// Counted from T0.
        from: IsoDuration,
    },
    /// At the start of a local day.
    Day {
        /// Day index.
        from_day: i32,
    },
}

/// Facts that no item carries, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCarried {
    /// Their ids.
    pub facts: Vec<String>,
    /// Why not.
    pub reason: String,
}

/// The structure of one protocol version: everything but words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Structure {
    /// The protocol's key.
    pub key: String,
    /// The version's number, from 1.
    pub version: i32,
    /// The language its words were written in first.
    pub base_locale: String,
    /// The most alerts on one day.
    pub alerts_a_day: u8,
    /// What it was written for.
    pub applies_to: AppliesTo,
    /// The course it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Series>,
    /// Facts that no item carries.
    pub not_carried: Vec<NotCarried>,
    /// Phases in order.
    pub phases: Vec<Phase>,
    /// What windows may end with.
    pub conditions: Vec<Condition>,
    /// What check-ins ask, in order.
    pub check_in_fields: Vec<Field>,
    /// The entries.
    pub items: Vec<Item>,
    /// The triage rules.
    pub triage: Vec<Rule>,
}

/// One immutable protocol version with its words and the facts behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolVersion {
    /// Everything but words.
    pub structure: Structure,
    /// Words by language; the base language is always there.
    pub texts: BTreeMap<String, Texts>,
    /// The facts that evidence ids refer to.
    pub facts: Facts,
}

impl ProtocolVersion {
    /// The protocol's key.
    pub fn key(&self) -> &str {
        &self.structure.key
    }

    /// The version's number.
    pub fn number(&self) -> i32 {
        self.structure.version
    }

    /// The item of that key.
    pub fn item(&self, key: &str) -> Option<&Item> {
        self.structure.items.iter().find(|item| item.key == key)
    }

    /// The words in the first of the wanted languages that exists and is reviewed or accepted, else in the base language.
    /// `de-CH` falls back to `de`.
    pub fn texts_for<'a>(&'a self, wanted: &[&str], accepted: impl Fn(&Texts) -> bool) -> &'a Texts {
        let served = |tag: &str| {
            let mut fitting = self.texts.values().filter(|texts| texts.locale.eq_ignore_ascii_case(tag));
            fitting.find(|texts| texts.reviewed || accepted(texts))
        };
        wanted
            .iter()
            .find_map(|tag| served(tag).or_else(|| tag.split_once('-').and_then(|(language, _)| served(language))))
            .unwrap_or_else(|| self.base_texts())
    }

    /// The words in the base language.
    pub fn base_texts(&self) -> &Texts {
        static NOTHING: Texts = Texts {
            locale: String::new(),
            reviewed: false,
            name: String::new(),
            phases: BTreeMap::new(),
            items: BTreeMap::new(),
            advice: BTreeMap::new(),
            check_in: BTreeMap::new(),
        };
        self.texts.get(&self.structure.base_locale).unwrap_or(&NOTHING)
    }

    /// One item's words.
    pub fn item_text<'a>(&'a self, texts: &'a Texts, key: &str) -> Option<&'a ItemText> {
        texts.items.get(key).or_else(|| self.base_texts().items.get(key))
    }

    /// An item's alert in these words, else in the base language.
    pub fn alert_text<'a>(&'a self, texts: &'a Texts, key: &str, name: Option<&str>) -> Option<&'a AlertText> {
        let find = |texts: &'a Texts| texts.items.get(key).and_then(|item| item.alert_text(name));
        find(texts).or_else(|| find(self.base_texts()))
    }

    /// The one rendering of structure and base words that the content hash is taken over: independent of comments,
    /// order of keys and spelling of durations in the file.
    ///
    /// # Errors
    /// When a value cannot be written as TOML, which validation rules out.
    pub fn canonical(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{}\n# texts\n{}", toml::to_string(&self.structure)?, self.base_texts().canonical()?))
    }
}
