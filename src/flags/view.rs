//! A flag as staff see it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::{Flag, PastEvent};

/// A flag.
#[derive(Debug, Serialize)]
pub(super) struct FlagView {
    id: Uuid,
    patient: PatientName,
    treatment_id: Uuid,
    check_in_id: Uuid,
    rule: String,
    episode: i32,
    level: String,
    status: String,
    opened_at: DateTime<Utc>,
    last_reported_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacted_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    version: i32,
}

/// Whose flag it is.
#[derive(Debug, Serialize)]
struct PatientName {
    id: Uuid,
    display_name: String,
}

/// A flag with its history.
#[derive(Debug, Serialize)]
pub(super) struct FlagHistory {
    #[serde(flatten)]
    flag: FlagView,
    events: Vec<EventView>,
}

/// Something that happened to a flag.
#[derive(Debug, Serialize)]
struct EventView {
    id: Uuid,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    check_in_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Actor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    at: DateTime<Utc>,
}

/// What somebody is called whose login was erased.
const FORMER_MEMBER: &str = "A former member";

/// Who did it.
#[derive(Debug, Serialize)]
struct Actor {
    user_id: Uuid,
    display_name: String,
}

impl FlagView {
    pub(super) fn new(flag: Flag, patient_name: String) -> Self {
        Self {
            id: flag.id,
            patient: PatientName { id: flag.patient_id, display_name: patient_name },
            treatment_id: flag.treatment_id,
            check_in_id: flag.check_in_id,
            rule: flag.rule,
            episode: flag.episode,
            level: flag.level,
            status: flag.status,
            opened_at: flag.opened_at,
            last_reported_at: flag.last_reported_at,
            acknowledged_at: flag.acknowledged_at,
            contacted_at: flag.contacted_at,
            resolved_at: flag.resolved_at,
            outcome: flag.outcome,
            version: flag.version,
        }
    }
}

impl FlagHistory {
    pub(super) fn new(flag: Flag, patient_name: String, events: Vec<PastEvent>) -> Self {
        let events = events.into_iter().map(|event| EventView {
            id: event.id,
            kind: event.kind,
            check_in_id: event.check_in_id,
            actor: event.actor_id.map(|user_id| Actor {
                user_id,
                display_name: event.actor_name.unwrap_or_else(|| FORMER_MEMBER.to_owned()),
            }),
            note: event.note,
            step: event.step,
            at: event.at,
        });
        Self { flag: FlagView::new(flag, patient_name), events: events.collect() }
    }
}
