//! Excuses as they are sent.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::ExcuseRow;

/// An excuse, as staff see it.
#[derive(Debug, Serialize)]
pub struct ExcuseView {
    #[serde(flatten)]
    excused: ExcusedView,
    reason: String,
    excused_by: Uuid,
}

/// What is excused, as the patient sees it: why is for staff.
#[derive(Debug, Serialize)]
pub struct ExcusedView {
    id: Uuid,
    treatment_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<i32>,
    from: NaiveDate,
    to: NaiveDate,
    excused_at: DateTime<Utc>,
}

impl From<ExcuseRow> for ExcuseView {
    fn from(row: ExcuseRow) -> Self {
        Self { reason: row.reason.clone(), excused_by: row.excused_by, excused: ExcusedView::from(row) }
    }
}

impl From<ExcuseRow> for ExcusedView {
    fn from(row: ExcuseRow) -> Self {
        Self {
            id: row.id,
            treatment_id: row.treatment_id,
            item_key: row.item_key,
            seq: row.seq,
            from: row.from_on,
            to: row.to_on,
            excused_at: row.excused_at,
        }
    }
}
