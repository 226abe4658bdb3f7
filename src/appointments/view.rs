//! Appointments as they are sent.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::Appointment;

/// An appointment, with its time as a clock at the clinic shows it.
#[derive(Debug, Serialize)]
pub struct AppointmentView {
    id: Uuid,
    patient_id: Uuid,
    kind: String,
    status: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    minutes: i32,
    date: NaiveDate,
    time: String,
    time_zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    course_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    created_at: DateTime<Utc>,
    version: i32,
}

impl From<Appointment> for AppointmentView {
    fn from(appointment: Appointment) -> Self {
        let zone = appointment.time_zone.parse().unwrap_or(chrono_tz::UTC);
        let shown = appointment.starts_at.with_timezone(&zone);
        Self {
            id: appointment.id,
            patient_id: appointment.patient_id,
            kind: appointment.kind,
            status: appointment.status,
            starts_at: appointment.starts_at,
            ends_at: appointment.starts_at + TimeDelta::minutes(i64::from(appointment.minutes)),
            minutes: appointment.minutes,
            date: shown.date_naive(),
            time: shown.format("%H:%M").to_string(),
            time_zone: appointment.time_zone,
            course_id: appointment.course_id,
            note: appointment.note,
            created_at: appointment.created_at,
            version: appointment.version,
        }
    }
}
