//! Treatments as they are sent.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::Treatment;
use crate::domain::protocol::ProtocolVersion;

/// A protocol version by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtocolRef {
    /// The protocol.
    pub key: String,
    /// Its version.
    pub version: i32,
}

impl ProtocolRef {
    /// The name of a version.
    pub fn of(version: &ProtocolVersion) -> Self {
        Self { key: version.key().to_owned(), version: version.number() }
    }
}

/// A treatment as sent.
#[derive(Debug, Serialize)]
pub struct TreatmentView {
    id: Uuid,
    patient_id: Uuid,
    status: String,
    performed_at: DateTime<Utc>,
    anchor_on: NaiveDate,
    protocol: ProtocolRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol_reason: Option<String>,
    area: String,
    modality: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needle_depth_mm: Option<f64>,
    products: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    course_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_number: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    clinician_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<DateTime<Utc>>,
    version: i32,
    plan_revision: i32,
    activity: i32,
}

impl TreatmentView {
    /// The treatment under the name of its protocol. What the clinic notes is for staff alone.
    pub fn new(treatment: Treatment, protocol: ProtocolRef, for_staff: bool) -> Self {
        Self {
            id: treatment.id,
            patient_id: treatment.patient_id,
            status: treatment.status,
            performed_at: treatment.performed_at,
            anchor_on: treatment.anchor_on,
            protocol,
            protocol_reason: treatment.protocol_reason.filter(|_| for_staff),
            area: treatment.area,
            modality: treatment.modality,
            device: treatment.device,
            needle_depth_mm: treatment.needle_depth_um.map(|um| f64::from(um) / 1000.0),
            products: treatment.products,
            course_id: treatment.course_id,
            session_number: treatment.session_number,
            clinician_id: treatment.clinician_id,
            notes: treatment.notes.filter(|_| for_staff),
            created_at: treatment.created_at,
            confirmed_at: treatment.confirmed_at,
            ended_at: treatment.ended_at,
            version: treatment.version,
            plan_revision: treatment.plan_revision,
            activity: treatment.activity,
        }
    }
}
