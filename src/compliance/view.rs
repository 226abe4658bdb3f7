//! A whole compliance report, as sent.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::compliance::{Compliance, DayCompliance, ItemCompliance, Report};
use crate::recovery::Recovery;
use crate::recovery::compliance_view::ComplianceView;

/// Compliance to date, with the days and items it is made of.
#[derive(Debug, Serialize)]
pub struct ReportView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    treatment_id: Option<Uuid>,
    #[serde(flatten)]
    to_date: ComplianceView,
    /// The last seven local dates, today included.
    last_7_days: Compliance,
    by_day: Vec<DayCompliance>,
    by_item: Vec<ItemCompliance<'a>>,
    streak_days: u32,
}

impl<'a> ReportView<'a> {
    /// The report on one treatment.
    pub fn new(recovery: &Recovery, report: Report<'a>) -> Self {
        Self {
            treatment_id: Some(recovery.row.id),
            to_date: ComplianceView::new(recovery.reported(), report.to_date, report.since),
            last_7_days: report.last_7_days,
            by_day: report.by_day,
            by_item: report.by_item,
            streak_days: report.streak_days,
        }
    }

    /// The report on somebody who was never treated.
    pub fn nothing(since: DateTime<Utc>) -> Self {
        Self {
            treatment_id: None,
            to_date: ComplianceView::new(false, Compliance::default(), since),
            last_7_days: Compliance::default(),
            by_day: Vec::new(),
            by_item: Vec::new(),
            streak_days: 0,
        }
    }
}
