//! Reading one variable: by name, typed, and remembering everything that is wrong with it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// A setting that stops the start, by its variable's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct Fault {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

/// The variables, and the faults found so far.
#[derive(Debug)]
pub struct Vars {
    values: BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl Vars {
    /// The process's environment.
    pub fn from_environment() -> Self {
        Self::from_map(std::env::vars().collect())
    }

    /// Given values: for tests.
    pub fn from_map(values: BTreeMap<String, String>) -> Self {
        Self { values, faults: Vec::new() }
    }

    /// The value, unless it is absent or empty.
    pub fn text(&self, variable: &'static str) -> Option<String> {
        self.values.get(variable).map(|value| value.trim()).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// The value parsed, or `default` where it is absent; a fault where it does not parse.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, variable: &'static str, default: T) -> T {
        match self.text(variable).map(|text| text.parse()) {
            None => default,
            Some(Ok(value)) => value,
            Some(Err(error)) => {
                self.fault(variable, format!("cannot be read: {error}"));
                default
            }
        }
    }

    /// A whole number within bounds.
    pub fn number(&mut self, variable: &'static str, default: u32, least: u32, most: u32) -> u32 {
        let value = self.parsed(variable, default);
        if (least..=most).contains(&value) {
            return value;
        }
        self.fault(variable, format!("must lie between {least} and {most}, is {value}"));
        default
    }

    /// Parts of a comma-separated list, each parsed.
    pub fn list<T: FromStr<Err: Display>>(&mut self, variable: &'static str) -> Vec<T> {
        let text = self.text(variable).unwrap_or_default();
        let mut parts = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.parse() {
                Ok(value) => parts.push(value),
                Err(error) => self.fault(variable, format!("{part:?} cannot be read: {error}")),
            }
        }
        parts
    }

    /// A PEM text: given inline, or as the path of a file.
    pub fn pem(&mut self, variable: &'static str) -> Option<String> {
        let text = self.text(variable)?;
        if text.contains("-----BEGIN") || text.starts_with('{') {
            return Some(text);
        }
        match std::fs::read_to_string(&text) {
            Ok(content) => Some(content),
            Err(error) => {
                self.fault(variable, format!("is neither PEM text nor a readable file: {error}"));
                None
            }
        }
    }

    /// A text: given inline, or as the path of a file.
    pub fn text_or_file(&mut self, variable: &'static str) -> Option<String> {
        let text = self.text(variable)?;
        if !std::path::Path::new(&text).is_file() {
            return Some(text);
        }
        let read = std::fs::read_to_string(&text).map(|content| content.trim().to_owned());
        read.map_err(|error| self.fault(variable, format!("cannot be read: {error}"))).ok()
    }

    /// Notes that something is wrong.
    pub fn fault(&mut self, variable: &'static str, problem: impl Into<String>) {
        self.faults.push(Fault { variable, problem: problem.into() });
    }

    /// Everything found wrong, once all is read.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }
}
