//! How a patient's record looks to the outside.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::store::Patient;

/// A patient, as sent.
#[derive(Debug, Clone, Serialize)]
pub struct PatientView {
    id: Uuid,
    display_name: String,
    time_zone: String,
    locale: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// When the person's login was linked to the record; absent until an invitation is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    linked_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    /// When the person erased their login; the record is read-only since.
    #[serde(skip_serializing_if = "Option::is_none")]
    detached_at: Option<DateTime<Utc>>,
    /// When the record goes, where nobody stands behind it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_at: Option<DateTime<Utc>>,
    version: i32,
}

impl From<Patient> for PatientView {
    fn from(patient: Patient) -> Self {
        Self {
            id: patient.id,
            display_name: patient.display_name,
            time_zone: patient.time_zone,
            locale: patient.locale,
            reference: patient.reference,
            phone: patient.phone,
            linked_at: patient.linked_at,
            created_at: patient.created_at,
            detached_at: patient.detached_at,
            // A person who is about to leave is no business of the clinic's yet.
            purge_at: patient.purge_at.filter(|_| patient.user_id.is_none()),
            version: patient.version,
        }
    }
}
