//! The words of a protocol in one language, by key. Which of them must exist is checked in `validate.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The texts of one protocol version in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Texts {
    /// The language tag, such as `en` or `de-CH`.
    pub locale: String,
    /// Whether a professional has reviewed this translation.
    pub reviewed: bool,
    /// The protocol's name.
    pub name: String,
    /// By phase key.
    pub phases: BTreeMap<String, PlainText>,
    /// By item key.
    pub items: BTreeMap<String, ItemText>,
    /// By advice key.
    pub advice: BTreeMap<String, PlainText>,
    /// By check-in field.
    pub check_in: BTreeMap<String, FieldText>,
}

impl Texts {
    /// The one rendering that this language's hash is taken over.
    ///
    /// # Errors
    /// When a value cannot be written as TOML, which no string is.
    pub fn canonical(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// A title with an optional body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainText {
    /// The title.
    pub title: String,
    /// The body.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
}

/// What an app shows for an alert once it is unlocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertText {
    /// The title.
    pub title: String,
    /// The body.
    pub body: String,
}

/// The words of one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemText {
    /// What it is called.
    pub title: String,
    /// What it says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<String>,
    /// Why it should wait.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub why: Option<String>,
    /// What is fine meanwhile.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub instead: Option<String>,
    /// What still holds between the hard and the soft bound.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub soft: Option<String>,
    /// Its alert.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub alert: Option<AlertText>,
    /// Alerts of reminders that name their text.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub alerts: BTreeMap<String, AlertText>,
}

impl ItemText {
    /// The alert text of that name, or the item's own.
    pub fn alert_text(&self, name: Option<&str>) -> Option<&AlertText> {
        match name {
            Some(name) => self.alerts.get(name),
            None => self.alert.as_ref(),
        }
    }
}

/// How a check-in field is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldText {
    /// The question.
    pub question: String,
    /// One lay description per step or choice, in order; empty for yes/no and temperature.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub anchors: Vec<String>,
}
