//! Compliance reports, as sent: of a treatment, of a course.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::table::{Part, Table};
use crate::domain::compliance::{Compliance, DayCompliance, Depth, ItemCompliance, Report, WeekCompliance};
use crate::recovery::Recovery;
use crate::recovery::compliance_view::ComplianceView;

/// Compliance to date, with the days, weeks and items it is made of and what lies behind it.
#[derive(Debug, Serialize)]
pub struct ReportView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    treatment_id: Option<Uuid>,
    #[serde(flatten)]
    to_date: ComplianceView,
    /// The last seven local dates, today included.
    last_7_days: Compliance,
    by_day: Vec<DayCompliance>,
    by_week: Vec<WeekCompliance>,
    by_item: Vec<ItemCompliance<'a>>,
    streak_days: u32,
    longest_streak_days: u32,
    #[serde(flatten)]
    depth: Depth<'a>,
}

impl<'a> ReportView<'a> {
    /// The report on one treatment.
    pub fn new(recovery: &Recovery, report: Report<'a>, by_week: Vec<WeekCompliance>, depth: Depth<'a>) -> Self {
        Self {
            treatment_id: Some(recovery.row.id),
            to_date: ComplianceView::new(recovery.reported(), report.to_date, report.since),
            last_7_days: report.last_7_days,
            by_day: report.by_day,
            by_week,
            by_item: report.by_item,
            streak_days: report.streak.current,
            longest_streak_days: report.streak.longest,
            depth,
        }
    }

    /// The report on somebody who was never treated.
    pub fn nothing(since: DateTime<Utc>) -> Self {
        Self {
            treatment_id: None,
            to_date: ComplianceView::new(false, Compliance::default(), since),
            last_7_days: Compliance::default(),
            by_day: Vec::new(),
            by_week: Vec::new(),
            by_item: Vec::new(),
            streak_days: 0,
            longest_streak_days: 0,
            depth: Depth::default(),
        }
    }

    /// The same as a table.
    pub fn table(&self) -> anyhow::Result<Vec<u8>> {
        let mut table = Table::begin()?;
        table.line(Part::of("total"), self.to_date.compliance())?;
        table.line(Part::of("last_7_days"), &self.last_7_days)?;
        lines(&mut table, &self.depth, &self.by_item)?;
        for week in &self.by_week {
            let (key, from) = (week.week_index.to_string(), Some(week.from.to_string()));
            let part = Part { key: &key, from, to: Some(week.to.to_string()), ..Part::of("week") };
            table.line(part, &week.compliance)?;
        }
        for day in &self.by_day {
            let date = day.date.to_string();
            let part = Part { key: &date, from: Some(date.clone()), to: Some(date.clone()), ..Part::of("day") };
            table.line(part, &day.compliance)?;
        }
        table.end()
    }
}

/// What both reports have.
fn lines(table: &mut Table, depth: &Depth<'_>, by_item: &[ItemCompliance<'_>]) -> anyhow::Result<()> {
    table.line(Part::of("previous_7_days"), &depth.previous_7_days)?;
    if let Some(since) = &depth.since_last_visit {
        let visit = Some(since.visit.at.to_rfc3339());
        table.line(Part { to: visit.clone(), ..Part::of("before_last_visit") }, &since.before)?;
        table.line(Part { from: visit, ..Part::of("after_last_visit") }, &since.after)?;
    }
    for group in &depth.by_group {
        table.line(Part { key: group.group, ..Part::of("group") }, &group.compliance)?;
    }
    for item in by_item {
        table.line(Part { key: item.item_key, ..Part::of("item") }, &item.compliance)?;
    }
    Ok(())
}

/// A session of a course.
#[derive(Debug, Serialize)]
pub struct SessionCompliance {
    /// The treatment.
    pub treatment_id: Uuid,
    /// Which session it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_number: Option<i32>,
    /// When.
    pub performed_at: DateTime<Utc>,
    /// Its tasks.
    #[serde(flatten)]
    pub compliance: ComplianceView,
}

/// A course's sessions together, as far as anything was heard of them.
#[derive(Debug, Serialize)]
pub struct CourseReportView<'a> {
    /// The course.
    pub course_id: Uuid,
    /// All sessions of which anything was heard.
    #[serde(flatten)]
    pub to_date: ComplianceView,
    /// Their last seven local dates, today included.
    pub last_7_days: Compliance,
    /// Each session by itself.
    pub by_session: Vec<SessionCompliance>,
    /// By item, over sessions.
    pub by_item: Vec<ItemCompliance<'a>>,
    /// What lies behind.
    #[serde(flatten)]
    pub depth: Depth<'a>,
}

impl CourseReportView<'_> {
    /// The same as a table.
    pub fn table(&self) -> anyhow::Result<Vec<u8>> {
        let mut table = Table::begin()?;
        table.line(Part::of("total"), self.to_date.compliance())?;
        table.line(Part::of("last_7_days"), &self.last_7_days)?;
        lines(&mut table, &self.depth, &self.by_item)?;
        for session in &self.by_session {
            let id = session.treatment_id.to_string();
            let number = session.session_number.map(|number| number.to_string()).unwrap_or_default();
            let from = Some(session.performed_at.to_rfc3339());
            let part = Part { key: &id, label: &number, from, ..Part::of("session") };
            table.line(part, session.compliance.compliance())?;
        }
        table.end()
    }
}
