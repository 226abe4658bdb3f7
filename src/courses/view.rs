//! Courses as they are sent.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::{CourseRow, Session};
use crate::domain::course::{Due, Spacing};
use crate::domain::local_time::ZoneHistory;
use crate::recovery::compliance_view::ComplianceView;

/// A course with how far it has come.
#[derive(Debug, Serialize)]
pub struct CourseView {
    id: Uuid,
    patient_id: Uuid,
    status: String,
    area: String,
    protocol: String,
    planned_sessions: i32,
    earlier_sessions: i32,
    interval_min_days: i32,
    interval_max_days: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    progress: Progress,
    /// Where one course is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<Vec<SessionView>>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    version: i32,
}

#[derive(Debug, Serialize)]
struct Progress {
    /// Sessions that took place, earlier ones included.
    done: i32,
    planned: i32,
    /// When the next one should be; absent before the first, after the last, and once the course has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
    /// The next session that is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    appointment: Option<AppointmentRef>,
}

#[derive(Debug, Serialize)]
struct Next {
    number: i32,
    due_on: NaiveDate,
    overdue_on: NaiveDate,
    standing: Due,
}

#[derive(Debug, Serialize)]
struct AppointmentRef {
    id: Uuid,
    starts_at: DateTime<Utc>,
}

/// One session of a course.
#[derive(Debug, Serialize)]
pub struct SessionView {
    treatment_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_number: Option<i32>,
    performed_at: DateTime<Utc>,
    status: String,
    compliance: ComplianceView,
}

impl SessionView {
    /// A session with who kept to it.
    pub fn new(session: Session, compliance: ComplianceView) -> Self {
        Self {
            treatment_id: session.id,
            session_number: session.session_number,
            performed_at: session.performed_at,
            status: session.status,
            compliance,
        }
    }
}

impl CourseView {
    /// The course at a moment. What the clinic notes is for staff alone.
    pub fn new(row: CourseRow, sessions: Option<Vec<SessionView>>, now: DateTime<Utc>, for_staff: bool) -> Self {
        Self {
            progress: Progress::of(&row, now),
            id: row.id,
            patient_id: row.patient_id,
            status: row.status,
            area: row.area,
            protocol: row.protocol_key,
            planned_sessions: row.planned_sessions,
            earlier_sessions: row.earlier_sessions,
            interval_min_days: row.interval_min_days,
            interval_max_days: row.interval_max_days,
            notes: row.notes.filter(|_| for_staff),
            sessions,
            created_at: row.created_at,
            ended_at: row.ended_at,
            version: row.version,
        }
    }
}

impl Progress {
    fn of(row: &CourseRow, now: DateTime<Utc>) -> Self {
        let done = i32::try_from(row.recorded).unwrap_or(i32::MAX).saturating_add(row.earlier_sessions);
        let goes_on = row.ended_at.is_none() && done < row.planned_sessions;
        let spacing = Spacing { min_days: row.interval_min_days, max_days: row.interval_max_days };
        let next = row.last_on.filter(|_| goes_on).map(|last_on| {
            let due = spacing.after(last_on);
            let zone = row.time_zone.parse().unwrap_or(chrono_tz::UTC);
            let standing = due.on(ZoneHistory::fixed(zone).date(now));
            Next { number: done + 1, due_on: due.due_on, overdue_on: due.overdue_on, standing }
        });
        let appointment = row.appointment_id.zip(row.appointment_at);
        Self {
            done,
            planned: row.planned_sessions,
            next,
            appointment: appointment.map(|(id, starts_at)| AppointmentRef { id, starts_at }),
        }
    }
}
