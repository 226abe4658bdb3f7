//! What is recorded of a session, whoever records it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::store::Treatment;

/// What is recorded of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// T0.
    pub performed_at: DateTime<Utc>,
    /// Why the protocol is used outside the areas and modalities it was written for; staff say so.
    pub protocol_reason: Option<String>,
    /// Treated area.
    pub area: String,
    /// Plain microneedling or a combination.
    pub modality: String,
    /// Device used.
    pub device: Option<String>,
    /// Needle depth in micrometres.
    pub needle_depth_um: Option<i32>,
    /// Products used.
    pub products: Vec<String>,
    /// The course it is a session of.
    pub course_id: Option<Uuid>,
    /// Which session it was; of a course this follows from the sessions themselves.
    pub session_number: Option<i32>,
    /// Membership of the treating clinician.
    pub clinician_id: Option<Uuid>,
    /// The clinic's notes.
    pub notes: Option<String>,
}

impl Details {
    /// What is recorded of a stored treatment.
    pub fn of(treatment: &Treatment) -> Self {
        Self {
            performed_at: treatment.performed_at,
            protocol_reason: treatment.protocol_reason.clone(),
            area: treatment.area.clone(),
            modality: treatment.modality.clone(),
            device: treatment.device.clone(),
            needle_depth_um: treatment.needle_depth_um,
            products: treatment.products.clone(),
            course_id: treatment.course_id,
            session_number: treatment.session_number,
            clinician_id: treatment.clinician_id,
            notes: treatment.notes.clone(),
        }
    }
}
