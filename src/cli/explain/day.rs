//! A day as it is told, in one piece: what `--json` prints.

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use uuid::Uuid;

use crate::domain::reminders::{LeftOut, Move};

/// The day.
#[derive(Debug, Serialize)]
pub(super) struct Day {
    pub(super) clinic_id: Uuid,
    pub(super) patient_id: Uuid,
    pub(super) on: NaiveDate,
    pub(super) time_zone: Tz,
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    pub(super) wishes: Wishes,
    pub(super) devices: Vec<Device>,
    pub(super) treatments: Vec<Treated>,
    pub(super) alerts: Vec<Told>,
    /// What the plan has a reminder for on that day, and no alert.
    pub(super) not_owed: Vec<NotOwed>,
}

/// What the patient wants, as it stands now.
#[derive(Debug, Serialize)]
pub(super) struct Wishes {
    pub(super) preferred_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) quiet_hours: Option<String>,
    pub(super) switched_off: Vec<&'static str>,
    pub(super) paused: bool,
}

/// A device as it stands now.
#[derive(Debug, Serialize)]
pub(super) struct Device {
    pub(super) id: Uuid,
    pub(super) provider: String,
    pub(super) reachable: bool,
    pub(super) permission: String,
    pub(super) registered_at: DateTime<Utc>,
    pub(super) last_seen_at: DateTime<Utc>,
}

/// A treatment that the plan is made of.
#[derive(Debug, Serialize)]
pub(super) struct Treated {
    pub(super) id: Uuid,
    pub(super) status: String,
    pub(super) performed_at: DateTime<Utc>,
    pub(super) protocol: String,
}

/// One alert of the day.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) id: Uuid,
    pub(super) key: String,
    pub(super) category: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) day_index: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) treatment_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) protocol: Option<String>,
    pub(super) plan_revision: i32,
    pub(super) state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    pub(super) due_at: DateTime<Utc>,
    pub(super) next_attempt_at: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) tries: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) opened_at: Option<DateTime<Utc>>,
    /// Why it is due then, as the plan stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) planned: Option<Planned>,
    /// Milestones that gave way to it.
    pub(super) instead_of: Vec<String>,
    pub(super) attempts: Vec<Try>,
}

/// How the plan comes to a moment.
#[derive(Debug, Serialize)]
pub(super) struct Planned {
    /// What the moment is counted from.
    pub(super) counted_from: &'static str,
    pub(super) wanted_at: DateTime<Utc>,
    pub(super) moves: Vec<Move>,
    pub(super) due_at: DateTime<Utc>,
    /// Why the plan does not owe it any more, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left_out: Option<LeftOut>,
}

/// One try at one device.
#[derive(Debug, Serialize)]
pub(super) struct Try {
    pub(super) at: DateTime<Utc>,
    pub(super) claim: i32,
    pub(super) device_id: Uuid,
    pub(super) provider: String,
    pub(super) outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) provider_message_id: Option<String>,
    pub(super) duration_ms: i32,
}

/// Something that is in the protocols for that day and no alert.
#[derive(Debug, Serialize)]
pub(super) struct NotOwed {
    pub(super) item: String,
    pub(super) category: &'static str,
    pub(super) treatment_id: Uuid,
    pub(super) day_index: i32,
    pub(super) planned: Planned,
    /// The milestone that has the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) gave_way_to: Option<String>,
}
