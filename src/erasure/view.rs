//! What a person is told of the end of their login, before and after they ask for it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

/// What becomes of a login.
#[derive(Debug, Serialize)]
pub(super) struct DeletionView {
    /// When it was asked for; absent while it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) requested_at: Option<DateTime<Utc>>,
    /// Until when it can be taken back; then it is final.
    pub(super) erase_at: DateTime<Utc>,
    /// Whether it can be asked for.
    pub(super) possible: bool,
    pub(super) clinics: Vec<PlaceView>,
}

/// What a clinic keeps, and what stands against leaving it.
#[derive(Debug, Serialize)]
pub(super) struct PlaceView {
    pub(super) clinic_id: Uuid,
    pub(super) clinic_name: String,
    pub(super) role: String,
    /// The clinic keeps the record of the person's treatments.
    pub(super) keeps_record: bool,
    /// For how long, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retention_years: Option<i32>,
    /// When the record goes, where it is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) purge_at: Option<DateTime<Utc>>,
    /// Nobody else could run the clinic.
    pub(super) last_administrator: bool,
}
