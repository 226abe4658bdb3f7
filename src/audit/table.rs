//! The trail as a table for spreadsheets: one line for an entry.

use chrono::SecondsFormat;
use uuid::Uuid;

use super::store::trail::Line;
use super::view::Names;
use crate::spreadsheet::Sheet;

/// The first line.
const COLUMNS: [&str; 11] = [
    "at",
    "id",
    "actor_id",
    "actor_role",
    "actor_name",
    "action",
    "subject_kind",
    "subject_id",
    "patient_id",
    "request_id",
    "address",
];

/// These entries, by whom they were made.
pub fn table(lines: &[Line], names: &Names<'_>) -> anyhow::Result<Vec<u8>> {
    let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
    let mut sheet = Sheet::begin(COLUMNS)?;
    for line in lines {
        sheet.line([
            line.at.to_rfc3339_opts(SecondsFormat::Micros, true).as_str(),
            &line.id.to_string(),
            &id(line.actor_id),
            &line.actor_role,
            names.of(line),
            &line.action,
            &line.subject_kind,
            &line.subject_id.to_string(),
            &id(line.patient_id),
            &id(line.request_id),
            line.address.as_deref().unwrap_or_default(),
        ])?;
    }
    sheet.end()
}
