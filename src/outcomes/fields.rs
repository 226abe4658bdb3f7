//! The body of a batch of outcomes and the checks of its entries. Each entry is read on its own, so that one that cannot
//! be read fails alone.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::judge::Entry;
use crate::body::{Faults, shape};
use crate::domain::compliance::OutcomeKind;
use crate::error::ApiError;

/// The most entries of a batch.
pub const MOST: usize = 100;

/// The body of `create_outcomes`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomesFields {
    /// Read one by one.
    pub outcomes: Vec<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryFields {
    id: Uuid,
    task_id: Uuid,
    kind: OutcomeKind,
    recorded_at: DateTime<Utc>,
    reason: Option<String>,
}

/// An entry, or what is wrong with it, under the id that it came with.
#[derive(Debug)]
pub struct ReadEntry {
    /// The id as it was sent, so that the answer can be matched; absent where there was none to read.
    pub id: Option<Value>,
    /// The entry.
    pub entry: Result<Entry, ApiError>,
}

/// Reads one entry.
pub fn read(value: &Value) -> ReadEntry {
    let id = value.get("id").filter(|id| id.as_str().is_some_and(|text| text.len() <= 64)).cloned();
    ReadEntry { id, entry: entry(value) }
}

fn entry(value: &Value) -> Result<Entry, ApiError> {
    let fields: EntryFields = shape::read(value).map_err(|(fault, _)| ApiError::Malformed {
        detail: "the entry does not have the expected shape".to_owned(),
        errors: vec![fault],
    })?;
    let mut faults = Faults::default();
    let reason = faults.optional_text("/reason", fields.reason.as_deref(), 1..=500);
    faults.finish()?;
    Ok(Entry {
        id: fields.id,
        task_id: fields.task_id,
        kind: fields.kind,
        // As Postgres keeps it, so that a replay is recognised.
        recorded_at: DateTime::from_timestamp_micros(fields.recorded_at.timestamp_micros())
            .unwrap_or(fields.recorded_at),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_cannot_be_read_is_named_and_keeps_its_id() {
        let good =
            json!({ "id": Uuid::nil(), "task_id": Uuid::nil(), "kind": "done", "recorded_at": "2026-02-02T12:00:00Z" });
        assert!(read(&good).entry.is_ok());
        for (key, value) in [
            ("kind", json!("eaten")),
            ("kind", json!(null)),
            ("recorded_at", json!("soon")),
            ("task_id", json!(7)),
            ("more", json!(1)),
            ("reason", json!("x".repeat(501))),
        ] {
            let mut entry = good.clone();
            entry[key] = value;
            let read = read(&entry);
            assert_eq!(read.id, Some(json!(Uuid::nil())));
            let (ApiError::Malformed { errors, .. } | ApiError::Invalid(errors)) = read.entry.unwrap_err() else {
                panic!("another error")
            };
            assert_eq!(errors[0].pointer, format!("/{key}"));
        }
        assert!(read(&json!("nothing")).entry.is_err());
        assert!(read(&json!({})).id.is_none());
    }

    proptest! {
        #[test]
        fn no_moment_makes_the_reading_fall_over(moment in "[-+0-9T:Z.]{0,40}") {
            let entry = json!({ "id": Uuid::nil(), "task_id": Uuid::nil(), "kind": "done", "recorded_at": moment });
            let _ = read(&entry);
        }
    }
}
