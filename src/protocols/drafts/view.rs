//! A draft, as sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::read::{DraftFault, Reading};
use super::store::{Draft, Listed};

/// A draft whole, with everything that is wrong with it.
#[derive(Debug, Serialize)]
pub struct DraftView {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i32>,
    structure: String,
    texts: Vec<TextsView>,
    /// It could be published as it is.
    sound: bool,
    faults: Vec<FaultView>,
    version: i32,
    created_by: Uuid,
    created_at: DateTime<Utc>,
    updated_by: Uuid,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct TextsView {
    locale: String,
    toml: String,
}

#[derive(Debug, Serialize)]
struct FaultView {
    pointer: String,
    line: usize,
    detail: String,
}

/// A draft in a list.
#[derive(Debug, Serialize)]
pub struct ListedView {
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<i32>,
    locales: Vec<String>,
    size_bytes: i64,
    version: i32,
    updated_by: Uuid,
    updated_at: DateTime<Utc>,
}

impl DraftView {
    /// The draft and what was made of it.
    pub fn new(draft: Draft, reading: Reading) -> Self {
        let faults = match reading {
            Reading::Sound(_) => Vec::new(),
            Reading::Faulty(faults) => faults,
        };
        let texts = draft.locales.into_iter().zip(draft.texts);
        Self {
            id: draft.id,
            key: draft.key,
            number: draft.number,
            structure: draft.structure,
            texts: texts.map(|(locale, toml)| TextsView { locale, toml }).collect(),
            sound: faults.is_empty(),
            faults: faults.into_iter().map(FaultView::from).collect(),
            version: draft.version,
            created_by: draft.created_by,
            created_at: draft.created_at,
            updated_by: draft.updated_by,
            updated_at: draft.updated_at,
        }
    }
}

impl From<DraftFault> for FaultView {
    fn from(fault: DraftFault) -> Self {
        let DraftFault { pointer, line, reason } = fault;
        Self { pointer, line, detail: reason }
    }
}

impl From<Listed> for ListedView {
    fn from(listed: Listed) -> Self {
        let Listed { id, key, number, locales, size_bytes, version, updated_by, updated_at } = listed;
        Self { id, key, number, locales, size_bytes, version, updated_by, updated_at }
    }
}
