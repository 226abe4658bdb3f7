//! An entry about a task, as sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::OutcomeRow;

/// What somebody said of a task.
#[derive(Debug, Serialize)]
pub struct OutcomeView {
    id: Uuid,
    treatment_id: Uuid,
    task_id: Uuid,
    item_key: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    recorded_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    entered_by: &'static str,
}

impl OutcomeView {
    /// The entry; `own` is the login of the patient whose task it is.
    pub fn new(row: OutcomeRow, own: Uuid) -> Self {
        Self {
            id: row.id,
            treatment_id: row.treatment_id,
            task_id: row.task_id,
            item_key: row.item_key,
            kind: row.kind,
            reason: row.reason,
            recorded_at: row.recorded_at,
            received_at: row.received_at,
            entered_by: if row.entered_by == own { "patient" } else { "staff" },
        }
    }
}
