//! What an entry looks like: to administrators with its ids, to the patient it is about in words.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::trail::Line;
use super::words;
use crate::domain::trail::{Area, Deed, meaning};

/// What people are called today: entries hold ids alone.
#[derive(Debug)]
pub struct Names<'a> {
    /// By login.
    known: HashMap<Uuid, String>,
    /// The language of those that have no name.
    pub locale: &'a str,
}

impl<'a> Names<'a> {
    /// Names of logins, and a language for all others.
    pub fn new(known: Vec<(Uuid, String)>, locale: &'a str) -> Self {
        Self { known: known.into_iter().collect(), locale }
    }

    /// Whoever made an entry.
    pub fn of(&self, line: &Line) -> &str {
        match (line.actor_role.as_str(), line.actor_id) {
            ("calendar", _) => words::calendar(self.locale),
            (_, None) => words::operator(self.locale),
            (_, Some(login)) => self.known.get(&login).map_or(words::former_member(self.locale), String::as_str),
        }
    }
}

/// An entry as administrators see it.
#[derive(Debug, Serialize)]
pub struct EntryView {
    id: Uuid,
    at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<Uuid>,
    actor_role: String,
    actor_name: String,
    action: String,
    subject_kind: String,
    subject_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

impl EntryView {
    /// An entry, by whom it was made.
    pub fn new(line: Line, names: &Names<'_>) -> Self {
        Self {
            id: line.id,
            at: line.at,
            actor_id: line.actor_id,
            actor_name: names.of(&line).to_owned(),
            actor_role: line.actor_role,
            action: line.action,
            subject_kind: line.subject_kind,
            subject_id: line.subject_id,
            patient_id: line.patient_id,
            request_id: line.request_id,
            address: line.address,
        }
    }
}

/// An entry as the patient sees it whose record it is about.
#[derive(Debug, Serialize)]
pub struct LookView {
    id: Uuid,
    at: DateTime<Utc>,
    name: String,
    role: String,
    deed: Deed,
    area: Area,
    text: String,
}

impl LookView {
    /// An entry in words.
    pub fn new(line: Line, names: &Names<'_>) -> Self {
        // What no word was found for is still told of, as what it is at least.
        let (deed, area) = meaning(&line.action).unwrap_or((Deed::Changed, Area::Record));
        Self {
            id: line.id,
            at: line.at,
            name: names.of(&line).to_owned(),
            text: words::sentence(names.locale, deed, area),
            role: line.actor_role,
            deed,
            area,
        }
    }
}
