//! Registering, reading and changing treatments over HTTP: shape and values are checked here, the rest is `plan.rs`.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path, Query};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::plan::{self, Change, Details, NewTreatment, OLDEST, SKEW, Tools, TreatmentError};
use super::store::{self, Treatment};
use crate::app::State;
use crate::auth::extract::{Caller, Staff};
use crate::body::{Body, Faults};
use crate::db::{DbError, Scope};
use crate::domain::role::Role;
use crate::error::{ApiError, Conflict};
use crate::idempotency::IdempotencyKey;
use crate::paging::{List, Page};
use crate::planning::PlanningError;
use crate::preconditions::{IfMatch, version_header};

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
    session_number: Option<i32>,
    clinician_id: Option<Uuid>,
    notes: Option<String>,
}

/// A protocol version by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtocolRef {
    /// The protocol.
    pub key: String,
    /// Its version.
    pub version: i32,
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
    area: String,
    modality: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    needle_depth_mm: Option<f64>,
    products: Vec<String>,
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
    /// The treatment under the name of its protocol. The clinic's notes are for staff alone.
    fn new(treatment: Treatment, protocol: ProtocolRef, caller: &Caller) -> Self {
        Self {
            id: treatment.id,
            patient_id: treatment.patient_id,
            status: treatment.status,
            performed_at: treatment.performed_at,
            anchor_on: treatment.anchor_on,
            protocol,
            area: treatment.area,
            modality: treatment.modality,
            device: treatment.device,
            needle_depth_mm: treatment.needle_depth_um.map(|um| f64::from(um) / 1000.0),
            products: treatment.products,
            session_number: treatment.session_number,
            clinician_id: treatment.clinician_id,
            notes: treatment.notes.filter(|_| caller.role.is_staff()),
            created_at: treatment.created_at,
            confirmed_at: treatment.confirmed_at,
            ended_at: treatment.ended_at,
            version: treatment.version,
            plan_revision: treatment.plan_revision,
            activity: treatment.activity,
        }
    }
}

impl From<TreatmentError> for ApiError {
    fn from(error: TreatmentError) -> Self {
        match error {
            TreatmentError::NotFound => Self::NotFound,
            TreatmentError::IdTaken => Self::conflict(Conflict::IdTaken, "Another treatment has this id."),
            TreatmentError::Duplicate => Self::conflict(
                Conflict::DuplicateTreatment,
                "The patient has a treatment of this area within a day; send allow_duplicate if both are real.",
            ),
            TreatmentError::Confirmed => {
                Self::conflict(Conflict::State, "The clinic has confirmed this treatment: ask the clinic to change it.")
            }
            TreatmentError::Ended => Self::conflict(Conflict::State, "The treatment was completed or cancelled."),
            TreatmentError::Changed => Self::PreconditionFailed,
            TreatmentError::Invalid { pointer, detail } => Self::invalid(pointer, detail),
            TreatmentError::Key(error) => error.into(),
            TreatmentError::Planning(error) => Self::Internal(error.into()),
            TreatmentError::Db(error) => error.into(),
        }
    }
}

fn tools(state: &State) -> Tools<'_> {
    Tools { db: &state.db, clocks: &state.clocks, catalogue: &state.protocols }
}

/// `POST /v1/treatments`
pub async fn create_treatment(
    state: Data<State>,
    caller: Caller,
    key: IdempotencyKey,
    body: Body<CreateTreatment>,
) -> Result<HttpResponse, ApiError> {
    let new = read_new(&state, &caller, body.value)?;
    let key = key.of(&caller, "create_treatment", &body.raw);
    // A repeated request gets the answer that the first one got, rendered anew.
    let treatment = plan::create(tools(&state), &caller, key, new).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/v1/treatments/{}", treatment.id)));
    respond(&state, &caller, answer, treatment).await
}

/// `GET /v1/treatments/{id}`
pub async fn find_treatment(state: Data<State>, caller: Caller, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let treatment = load(&state, &caller, path.into_inner()).await?;
    respond(&state, &caller, HttpResponse::Ok(), treatment).await
}

/// A treatment that the caller may see; any other is not found.
pub(super) async fn load(state: &State, caller: &Caller, id: Uuid) -> Result<Treatment, ApiError> {
    let scope = Scope::Clinic(caller.clinic_id);
    let treatment: Treatment = state
        .db
        .scoped(scope, async |conn| Ok::<_, DbError>(store::find_treatment(conn, caller.clinic_id, id).await?))
        .await?;
    permit(caller, &treatment)?;
    Ok(treatment)
}

/// Patients see their own treatments.
pub(super) fn permit(caller: &Caller, treatment: &Treatment) -> Result<(), ApiError> {
    let own = caller.patient_id == Some(treatment.patient_id);
    if own || caller.role.is_staff() { Ok(()) } else { Err(ApiError::NotFound) }
}

/// Query of a list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListTreatments {
    patient_id: Option<Uuid>,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// `GET /v1/treatments`
pub async fn list_treatments(
    state: Data<State>,
    caller: Caller,
    query: Query<ListTreatments>,
) -> Result<HttpResponse, ApiError> {
    let page: Page<store::Position> = Page::read(query.limit, query.cursor.as_deref())?;
    let patient = match caller.role {
        Role::Patient => Some(caller.patient_id.unwrap_or_default()),
        Role::Clinician | Role::Administrator => query.patient_id,
    };
    let (rows, names) = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let rows = store::list_treatments(conn, caller.clinic_id, patient, page.after, page.fetch()).await?;
            let mut names = Vec::with_capacity(rows.len());
            for row in &rows {
                names.push(name(&state, conn, row).await?);
            }
            Ok::<_, ApiError>((rows, names))
        })
        .await?;
    let pairs: Vec<_> = rows.into_iter().zip(names).collect();
    let list: List<(Treatment, ProtocolRef)> = page.cut(pairs, |(row, _)| (row.performed_at, row.id));
    let list = list.map(|(row, protocol)| TreatmentView::new(row, protocol, &caller));
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(list))
}

/// `PATCH /v1/treatments/{id}`
pub async fn update_treatment(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    seen: IfMatch,
    body: Body<UpdateTreatment>,
) -> Result<HttpResponse, ApiError> {
    let before = load(&state, &caller, path.into_inner()).await?;
    seen.require(before.version)?;
    let details = read_edit(&state, &caller, &before, body.value)?;
    let change = Change::Edit(Box::new(details));
    let treatment = plan::change(tools(&state), &caller, before.id, Some(before.version), change).await?;
    respond(&state, &caller, HttpResponse::Ok(), treatment).await
}

/// `DELETE /v1/treatments/{id}`
pub async fn cancel_treatment(state: Data<State>, caller: Caller, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    plan::change(tools(&state), &caller, path.into_inner(), None, Change::Cancel).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}

/// `POST /v1/treatments/{id}/complete`
pub async fn complete_treatment(state: Data<State>, staff: Staff, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let treatment = plan::change(tools(&state), &staff.0, path.into_inner(), None, Change::Complete).await?;
    respond(&state, &staff.0, HttpResponse::Ok(), treatment).await
}

/// `POST /v1/treatments/{id}/confirm`
pub async fn confirm_treatment(state: Data<State>, staff: Staff, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let treatment = plan::change(tools(&state), &staff.0, path.into_inner(), None, Change::Confirm).await?;
    respond(&state, &staff.0, HttpResponse::Ok(), treatment).await
}

async fn respond(
    state: &State,
    caller: &Caller,
    mut answer: actix_web::HttpResponseBuilder,
    treatment: Treatment,
) -> Result<HttpResponse, ApiError> {
    let protocol = match state.protocols.cached(treatment.protocol_version_id) {
        Some(version) => ProtocolRef { key: version.key().to_owned(), version: version.number() },
        None => {
            let scope = Scope::Clinic(caller.clinic_id);
            state.db.scoped(scope, async |conn| name(state, conn, &treatment).await).await?
        }
    };
    answer.insert_header(version_header(treatment.version)).insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(answer.json(TreatmentView::new(treatment, protocol, caller)))
}

async fn name(
    state: &State,
    conn: &mut diesel_async::AsyncPgConnection,
    treatment: &Treatment,
) -> Result<ProtocolRef, ApiError> {
    let version = state.protocols.version(conn, treatment.protocol_version_id).await;
    let version = version.map_err(|error| TreatmentError::from(PlanningError::from(error)))?;
    Ok(ProtocolRef { key: version.key().to_owned(), version: version.number() })
}

fn read_new(state: &State, caller: &Caller, body: CreateTreatment) -> Result<NewTreatment, ApiError> {
    let mut faults = Faults::default();
    let patient_id = match (caller.role, body.patient_id) {
        (Role::Patient, Some(id)) if caller.patient_id != Some(id) => return Err(ApiError::NotFound),
        (Role::Patient, _) => caller.patient_id.unwrap_or_default(),
        (_, Some(id)) => id,
        (_, None) => {
            faults.push("/patient_id", "is required from staff");
            Uuid::nil()
        }
    };
    if !caller.role.is_staff() {
        let reserved = [
            ("/protocol", body.protocol.is_some()),
            ("/protocol_reason", body.protocol_reason.is_some()),
            ("/clinician_id", body.clinician_id.is_some()),
            ("/notes", body.notes.is_some()),
        ];
        for (pointer, _) in reserved.iter().filter(|(_, given)| *given) {
            faults.push(*pointer, "is for the clinic's staff to choose");
        }
    }
    let details = Details {
        performed_at: performed_at(state, &mut faults, body.performed_at),
        area: faults.text("/area", body.area.as_deref().unwrap_or("face"), 1..=60),
        modality: faults.text("/modality", body.modality.as_deref().unwrap_or("microneedling"), 1..=60),
        device: faults.optional_text("/device", body.device.as_deref(), 1..=120),
        needle_depth_um: needle_depth(&mut faults, body.needle_depth_mm),
        products: products(&mut faults, body.products.unwrap_or_default()),
        session_number: session_number(&mut faults, body.session_number),
        clinician_id: body.clinician_id,
        notes: faults.optional_text("/notes", body.notes.as_deref(), 1..=4000),
    };
    let protocol_reason = faults.optional_text("/protocol_reason", body.protocol_reason.as_deref(), 1..=500);
    faults.finish()?;
    Ok(NewTreatment {
        id: body.id,
        patient_id,
        protocol: body.protocol,
        protocol_reason,
        details,
        allow_duplicate: body.allow_duplicate,
    })
}

fn read_edit(state: &State, caller: &Caller, before: &Treatment, body: UpdateTreatment) -> Result<Details, ApiError> {
    let mut faults = Faults::default();
    if !caller.role.is_staff() && (body.clinician_id.is_some() || body.notes.is_some()) {
        faults.push("", "clinician_id and notes are for the clinic's staff");
    }
    let mut details = Details::of(before);
    if let Some(at) = body.performed_at {
        details.performed_at = performed_at(state, &mut faults, at);
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
    if body.session_number.is_some() {
        details.session_number = session_number(&mut faults, body.session_number);
    }
    if let Some(notes) = body.notes {
        details.notes = faults.optional_text("/notes", Some(&notes), 1..=4000);
    }
    details.clinician_id = body.clinician_id.or(details.clinician_id);
    faults.finish()?;
    Ok(details)
}

fn performed_at(state: &State, faults: &mut Faults, at: DateTime<Utc>) -> DateTime<Utc> {
    let now = state.clocks.care.now();
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
