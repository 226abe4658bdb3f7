//! The bodies of registrations and edits: shape, bounds, and what only the clinic may say.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use uuid::Uuid;

use super::change::Change;
use super::details::Details;
use super::plan::NewTreatment;
use super::store::Treatment;
use crate::body::Faults;
use crate::domain::role::Role;
use crate::error::ApiError;

/// How far back a treatment may be recorded.
pub const OLDEST: TimeDelta = TimeDelta::days(180);
/// How far a phone's clock may run ahead.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Body of a registration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTreatment {
    id: Option<Uuid>,
    patient_id: Option<Uuid>,
    performed_at: DateTime<Utc>,
    protocol: Option<String>,
    protocol_reason: Option<String>,
    area: Option<String>,
    modality: Option<String>,
    device: Option<String>,
    needle_depth_mm: Option<f64>,
    products: Option<Vec<String>>,
    course_id: Option<Uuid>,
    session_number: Option<i32>,
    clinician_id: Option<Uuid>,
    notes: Option<String>,
    #[serde(default)]
    allow_duplicate: bool,
}

/// Body of an edit: what is absent stays.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateTreatment {
    performed_at: Option<DateTime<Utc>>,
    area: Option<String>,
    modality: Option<String>,
    device: Option<String>,
    needle_depth_mm: Option<f64>,
    products: Option<Vec<String>>,
    course_id: Option<Uuid>,
    #[serde(default)]
    leave_course: bool,
    session_number: Option<i32>,
    clinician_id: Option<Uuid>,
    notes: Option<String>,
    protocol_reason: Option<String>,
    #[serde(default)]
    allow_duplicate: bool,
}

/// Who sends a body, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asking {
    /// As what.
    pub(super) role: Role,
    /// Their own record, if they are a patient.
    pub(super) patient_id: Option<Uuid>,
    /// The care clock.
    pub(super) now: DateTime<Utc>,
}

/// A registration, with everything that is wrong with it said at once.
pub(super) fn read_new(asking: Asking, body: CreateTreatment) -> Result<NewTreatment, ApiError> {
    let mut faults = Faults::default();
    let patient_id = match (asking.role, body.patient_id) {
        (Role::Patient, Some(id)) if asking.patient_id != Some(id) => return Err(ApiError::NotFound),
        (Role::Patient, _) => asking.patient_id.unwrap_or_default(),
        (_, Some(id)) => id,
        (_, None) => {
            faults.push("/patient_id", "is required from staff");
            Uuid::nil()
        }
    };
    let reserved = [
        ("/protocol", body.protocol.is_some()),
        ("/protocol_reason", body.protocol_reason.is_some()),
        ("/clinician_id", body.clinician_id.is_some()),
        ("/notes", body.notes.is_some()),
    ];
    refuse_reserved(asking, &mut faults, &reserved);
    let details = Details {
        performed_at: performed_at(asking.now, &mut faults, body.performed_at),
        protocol_reason: faults.optional_text("/protocol_reason", body.protocol_reason.as_deref(), 1..=500),
        area: faults.text("/area", body.area.as_deref().unwrap_or("face"), 1..=60),
        modality: faults.text("/modality", body.modality.as_deref().unwrap_or("microneedling"), 1..=60),
        device: faults.optional_text("/device", body.device.as_deref(), 1..=120),
        needle_depth_um: needle_depth(&mut faults, body.needle_depth_mm),
        products: products(&mut faults, body.products.unwrap_or_default()),
        course_id: body.course_id,
        session_number: session_number(&mut faults, body.session_number),
        clinician_id: body.clinician_id,
        notes: faults.optional_text("/notes", body.notes.as_deref(), 1..=4000),
    };
    faults.finish()?;
    Ok(NewTreatment {
        id: body.id,
        patient_id,
        protocol: body.protocol,
        details,
        allow_duplicate: body.allow_duplicate,
    })
}

/// An edit: what is left out stays as it is.
pub(super) fn read_edit(asking: Asking, before: &Treatment, body: UpdateTreatment) -> Result<Change, ApiError> {
    let mut faults = Faults::default();
    let reserved = [
        ("/clinician_id", body.clinician_id.is_some()),
        ("/notes", body.notes.is_some()),
        ("/protocol_reason", body.protocol_reason.is_some()),
    ];
    refuse_reserved(asking, &mut faults, &reserved);
    let mut details = Details::of(before);
    if let Some(at) = body.performed_at {
        details.performed_at = performed_at(asking.now, &mut faults, at);
    }
    if let Some(area) = body.area {
        details.area = faults.text("/area", &area, 1..=60);
    }
    if let Some(modality) = body.modality {
        details.modality = faults.text("/modality", &modality, 1..=60);
    }
    if let Some(device) = body.device {
        details.device = faults.optional_text("/device", Some(&device), 1..=120);
    }
    if body.needle_depth_mm.is_some() {
        details.needle_depth_um = needle_depth(&mut faults, body.needle_depth_mm);
    }
    if let Some(list) = body.products {
        details.products = products(&mut faults, list);
    }
    if body.leave_course && body.course_id.is_some() {
        faults.push("/leave_course", "cannot go with course_id");
    }
    if body.leave_course {
        (details.course_id, details.session_number) = (None, None);
    }
    details.course_id = body.course_id.or(details.course_id);
    if body.session_number.is_some() {
        details.session_number = session_number(&mut faults, body.session_number);
    }
    if let Some(reason) = body.protocol_reason {
        details.protocol_reason = faults.optional_text("/protocol_reason", Some(&reason), 1..=500);
    }
    if let Some(notes) = body.notes {
        details.notes = faults.optional_text("/notes", Some(&notes), 1..=4000);
    }
    details.clinician_id = body.clinician_id.or(details.clinician_id);
    faults.finish()?;
    Ok(Change::Edit { details: Box::new(details), allow_duplicate: body.allow_duplicate })
}

fn refuse_reserved(asking: Asking, faults: &mut Faults, given: &[(&str, bool)]) {
    for (pointer, _) in given.iter().filter(|(_, given)| *given && !asking.role.is_staff()) {
        faults.push(*pointer, "is for the clinic's staff to choose");
    }
}

fn performed_at(now: DateTime<Utc>, faults: &mut Faults, at: DateTime<Utc>) -> DateTime<Utc> {
    if !(now - OLDEST..=now + SKEW).contains(&at) {
        let (from, to) = (now - OLDEST, now + SKEW);
        let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        faults.push("/performed_at", format!("must lie between {} and {}", text(from), text(to)));
    }
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

fn needle_depth(faults: &mut Faults, mm: Option<f64>) -> Option<i32> {
    let mm = mm?;
    if !(0.1..=5.0).contains(&mm) {
        faults.push("/needle_depth_mm", "must lie between 0.1 and 5 mm");
        return None;
    }
    // Within the bounds above the number of micrometres has at most four digits.
    format!("{:.0}", mm * 1000.0).parse().ok()
}

fn products(faults: &mut Faults, list: Vec<String>) -> Vec<String> {
    if list.len() > 20 {
        faults.push("/products", format!("must have at most 20 entries, has {}", list.len()));
        return Vec::new();
    }
    list.iter()
        .enumerate()
        .map(|(index, product)| faults.text(&format!("/products/{index}"), product, 1..=120))
        .collect()
}

fn session_number(faults: &mut Faults, number: Option<i32>) -> Option<i32> {
    if number.is_some_and(|number| !(1..=50).contains(&number)) {
        faults.push("/session_number", "must lie between 1 and 50");
    }
    number
}
