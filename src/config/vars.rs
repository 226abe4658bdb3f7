//! Reading one variable: by name, typed, and remembering everything that is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::path::{Component, Path};
use std::str::FromStr;

use url::Url;

use super::strangers::{self, Stranger};

/// Characters of the shortest secret that is long enough: 32 bytes in base64.
const LEAST_SECRET: usize = 43;

/// A setting that stops the start, by its variable's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct Fault {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong with it and what would be right.
    pub problem: String,
}

/// The variables, which of them were asked for, and the faults found so far. `Debug` shows names alone: the values are a
/// whole environment, with the secrets of others, and faults may quote them.
pub struct Vars {
    values: BTreeMap<String, String>,
    asked: BTreeSet<&'static str>,
    faults: Vec<Fault>,
}

impl Vars {
    /// The process's environment.
    pub fn from_environment() -> Self {
        Self::from_map(std::env::vars().collect())
    }

    /// Given values: for tests.
    pub fn from_map(values: BTreeMap<String, String>) -> Self {
        Self { values, asked: BTreeSet::new(), faults: Vec::new() }
    }

    /// The value, unless it is absent or empty.
    pub fn text(&mut self, variable: &'static str) -> Option<String> {
        self.asked.insert(variable);
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

    /// An http or https URL, without a slash at its end.
    pub fn base_url(&mut self, variable: &'static str, default: &str) -> String {
        let text = self.text(variable).unwrap_or_else(|| default.to_owned());
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
            Ok(_) => self.fault(variable, "must be an http or https URL"),
            Err(error) => self.fault(variable, format!("is not a URL: {error}")),
        }
        text.trim_end_matches('/').to_owned()
    }

    /// The same, parsed; `None` where that is a fault.
    pub fn url(&mut self, variable: &'static str, default: &str) -> Option<Url> {
        Url::parse(&self.base_url(variable, default)).ok()
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
                self.fault(variable, format!("is neither the text itself nor a readable file: {error}"));
                None
            }
        }
    }

    /// A secret: given inline, or as the path of a file.
    pub fn secret(&mut self, variable: &'static str) -> Option<String> {
        let text = self.text(variable)?;
        let path = Path::new(&text);
        if !path.is_file() {
            if is_meant_as_path(path) {
                self.fault(variable, format!("there is no file {}", path.display()));
            }
            return Some(text);
        }
        let read = std::fs::read_to_string(path).map(|content| content.trim().to_owned());
        read.map_err(|error| self.fault(variable, format!("cannot be read: {error}"))).ok()
    }

    /// Notes that something is wrong.
    pub fn fault(&mut self, variable: &'static str, problem: impl Into<String>) {
        self.faults.push(Fault { variable, problem: problem.into() });
    }

    /// Every variable that was asked for, set or not.
    pub fn asked(&self) -> &BTreeSet<&'static str> {
        &self.asked
    }

    /// Variables that are set and called like ours, and that nobody asked for, once all is read.
    pub fn strangers(&self) -> Vec<Stranger> {
        strangers::among(self.values.keys().map(String::as_str), &self.asked)
    }

    /// Everything found wrong, once all is read.
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }
}

impl fmt::Debug for Vars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<_> = self.faults.iter().map(|fault| fault.variable).collect();
        f.debug_struct("Vars")
            .field("set", &self.values.keys())
            .field("asked", &self.asked)
            .field("faults", &faults)
            .finish()
    }
}

/// Whether somebody who wrote this meant a file. A secret in base64 may start with a slash too, but it is longer than
/// most paths and its first part is no directory of this machine.
fn is_meant_as_path(text: &Path) -> bool {
    let mut parts = text.components();
    match parts.next() {
        Some(Component::CurDir | Component::ParentDir) => true,
        Some(Component::RootDir) => {
            let top = parts.next().map(|part| Path::new("/").join(part));
            text.as_os_str().len() < LEAST_SECRET || top.is_some_and(|top| top.is_dir())
        }
        _ => text.starts_with("~"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> (Option<String>, Vec<Fault>) {
        let mut vars = Vars::from_map([("MENDLINE_SECRET_KEY".to_owned(), text.to_owned())].into());
        (vars.secret("MENDLINE_SECRET_KEY"), vars.into_faults())
    }

    #[test]
    fn debug_output_shows_names_alone() {
        let mut vars = Vars::from_map(
            [("AWS_SECRET", "hunter2"), ("MENDLINE_TRUSTED_PROXIES", "s3cr3t")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        );
        vars.list::<std::net::IpAddr>("MENDLINE_TRUSTED_PROXIES");
        let shown = format!("{vars:?}");
        assert!(shown.contains("AWS_SECRET") && shown.contains("MENDLINE_TRUSTED_PROXIES"), "{shown}");
        assert!(!shown.contains("hunter2") && !shown.contains("s3cr3t"), "{shown}");
    }

    #[test]
    fn a_path_without_a_file_is_not_taken_for_the_secret_itself() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("a-file-with-a-name-that-is-longer-than-any-secret-need-be");
        for path in ["/no/such/file", "./secret", "../secret", "~/secret", missing.to_str().unwrap()] {
            let faults = secret(path).1;
            assert_eq!(faults.len(), 1, "{path}");
            assert_eq!(faults[0].to_string(), format!("MENDLINE_SECRET_KEY: there is no file {path}"));
        }
        std::fs::write(&missing, "held in a file\n").unwrap();
        assert_eq!(secret(missing.to_str().unwrap()), (Some("held in a file".to_owned()), vec![]));
    }

    #[test]
    fn a_secret_that_looks_a_little_like_a_path_is_a_secret() {
        for text in ["/".repeat(43), format!("/nowhere/{}", "A".repeat(34)), "x".repeat(43)] {
            assert_eq!(secret(&text), (Some(text.clone()), vec![]));
        }
    }
}
