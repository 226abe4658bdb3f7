//! Registering, reading and changing treatments over HTTP: bodies are read in `fields.rs`, the rest is `plan.rs` and
//! `change.rs`.

mod overrides;
mod preview;
mod transfers;

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use serde::Deserialize;
use uuid::Uuid;

use super::change::{self, Change};
use super::fields::{Asking, CreateTreatment, UpdateTreatment, read_edit, read_new};
use super::plan;
use super::refusal::TreatmentError;
use super::store::{self, Treatment};
use super::view::{ProtocolRef, TreatmentView};
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, Staff};
use crate::body::Body;
use crate::db::{DbError, Scope};
use crate::domain::role::Role;
use crate::error::{ApiError, Conflict, FieldError};
use crate::idempotency::IdempotencyKey;
use crate::paging::{At, InTime, List, Page};
use crate::preconditions::{IfMatch, version_header};
use crate::query::Query;

pub use overrides::{delete_override, list_overrides, put_override};
pub use preview::preview_draft;
pub use transfers::{create_transfer, create_transfers, list_transfers, list_treated, preview_transfer};

impl From<TreatmentError> for ApiError {
    fn from(error: TreatmentError) -> Self {
        match error {
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
            TreatmentError::Unfit(all) => Self::Invalid(
                all.into_iter().map(|unfit| FieldError { pointer: unfit.pointer, detail: unfit.reason }).collect(),
            ),
            TreatmentError::TooMany => Self::conflict(
                Conflict::State,
                format!("The patient has {} treatments: correct one of those.", store::MOST_TREATMENTS),
            ),
            TreatmentError::TooManyChanges => {
                Self::conflict(Conflict::State, "What the treatment follows was changed a hundred times.")
            }
            TreatmentError::Key(error) => error.into(),
            TreatmentError::Planning(error) => error.into(),
        }
    }
}

fn asking(state: &State, caller: &Caller) -> Asking {
    Asking { role: caller.role, patient_id: caller.patient_id, now: state.clocks.care.now() }
}

/// `POST /v1/treatments`
pub async fn create_treatment(
    state: Data<State>,
    caller: Caller,
    key: IdempotencyKey,
    body: Body<CreateTreatment>,
) -> Result<HttpResponse, ApiError> {
    let new = read_new(asking(&state, &caller), body.value)?;
    let key = key.of(&caller, "create_treatment", &body.raw);
    // A repeated request gets the answer that the first one got, rendered anew.
    let treatment = plan::create(state.tools(), &caller, key, new).await?;
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("/v1/treatments/{}", treatment.id)));
    respond(&state, &caller, answer, treatment).await
}

/// `GET /v1/treatments/{id}`
pub async fn find_treatment(state: Data<State>, caller: Caller, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let treatment = load(&state, &caller, path.into_inner()).await?;
    let entry = Entry::by(&caller, "treatment.read", "treatment", treatment.id).about(treatment.patient_id);
    state.reads.note(entry).await?;
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
    let page: Page<InTime> = Page::read(query.limit, query.cursor.as_deref())?;
    let patient = match caller.role {
        Role::Patient => Some(caller.patient_id.unwrap_or_default()),
        Role::Clinician | Role::Administrator => query.patient_id,
    };
    state.reads.note(Entry::of_list(&caller, "treatment.read", patient)).await?;
    let (rows, names) = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let rows = store::list_treatments(conn, caller.clinic_id, patient, page.after_time(), page.fetch()).await?;
            let mut names = Vec::with_capacity(rows.len());
            for row in &rows {
                names.push(name(&state, conn, row).await?);
            }
            Ok::<_, ApiError>((rows, names))
        })
        .await?;
    let pairs: Vec<_> = rows.into_iter().zip(names).collect();
    let list: List<(Treatment, ProtocolRef)> = page.cut(pairs, |(row, _)| (At(row.performed_at), row.id));
    let list = list.map(|(row, protocol)| TreatmentView::new(row, protocol, caller.role.is_staff()));
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
    let change = read_edit(asking(&state, &caller), &before, body.value)?;
    let treatment = change::change(state.tools(), &caller, before.id, Some(before.version), change).await?;
    respond(&state, &caller, HttpResponse::Ok(), treatment).await
}

/// `DELETE /v1/treatments/{id}`
pub async fn cancel_treatment(state: Data<State>, caller: Caller, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    change::change(state.tools(), &caller, path.into_inner(), None, Change::Cancel).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}

/// `POST /v1/treatments/{id}/complete`
pub async fn complete_treatment(state: Data<State>, staff: Staff, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let treatment = change::change(state.tools(), &staff.0, path.into_inner(), None, Change::Complete).await?;
    respond(&state, &staff.0, HttpResponse::Ok(), treatment).await
}

/// `POST /v1/treatments/{id}/confirm`
pub async fn confirm_treatment(state: Data<State>, staff: Staff, path: Path<Uuid>) -> Result<HttpResponse, ApiError> {
    let treatment = change::change(state.tools(), &staff.0, path.into_inner(), None, Change::Confirm).await?;
    respond(&state, &staff.0, HttpResponse::Ok(), treatment).await
}

async fn respond(
    state: &State,
    caller: &Caller,
    mut answer: actix_web::HttpResponseBuilder,
    treatment: Treatment,
) -> Result<HttpResponse, ApiError> {
    let protocol = match state.protocols.cached(treatment.protocol_version_id) {
        Some(version) => ProtocolRef::of(&version),
        None => {
            let scope = Scope::Clinic(caller.clinic_id);
            state.db.scoped(scope, async |conn| name(state, conn, &treatment).await).await?
        }
    };
    answer.insert_header(version_header(treatment.version)).insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(answer.json(TreatmentView::new(treatment, protocol, caller.role.is_staff())))
}

async fn name(
    state: &State,
    conn: &mut diesel_async::AsyncPgConnection,
    treatment: &Treatment,
) -> Result<ProtocolRef, ApiError> {
    Ok(ProtocolRef::of(&*state.protocols.version(conn, treatment.protocol_version_id).await?))
}
