//! Patients over HTTP: making, reading and editing records.

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use uuid::Uuid;

use super::extract::VisiblePatient;
use super::fields::{PatientChanges, PatientFields};
use super::record::{self, CreateError, Created};
use super::store::{self, Patient};
use super::view::PatientView;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::Staff;
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::{ApiError, Conflict};
use crate::preconditions::{IfMatch, IfNoneMatch, version_header, version_tag};

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::IdTaken => {
                Self::conflict(Conflict::IdTaken, "Another record has this id: choose a fresh one.")
            }
            CreateError::Query(error) => error.into(),
        }
    }
}

/// Makes a record; 200 instead of 201 where the same request made it before.
pub async fn create_patient(
    state: web::Data<State>,
    Staff(caller): Staff,
    body: Body<PatientFields>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let new = body.value.read(&mut faults, "", state.clocks.fresh_id(), Some(caller.user_id));
    faults.finish()?;
    let created = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            Ok::<_, ApiError>(record::create(conn, &state.clocks, &caller, &new).await?)
        })
        .await?;
    Ok(match created {
        Created::New(patient) => answer(&mut HttpResponse::Created(), patient),
        Created::Before(patient) => answer(&mut HttpResponse::Ok(), patient),
    })
}

/// One record: for staff of the clinic, and for the person it is about.
pub async fn find_patient(
    state: web::Data<State>,
    seen: VisiblePatient,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let id = seen.patient.id;
    state.reads.note(Entry::by(&seen.caller, "patient.read", "patient", id).about(id)).await?;
    let tag = version_tag(seen.patient.version);
    Ok(known.not_modified(&tag).unwrap_or_else(|| answer(&mut HttpResponse::Ok(), seen.patient)))
}

/// Edits a record. The edit names the version that it was made on.
pub async fn update_patient(
    state: web::Data<State>,
    Staff(caller): Staff,
    id: web::Path<Uuid>,
    if_match: IfMatch,
    body: Body<PatientChanges>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let changes = body.value.read(&mut faults);
    faults.finish()?;
    let patient = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let locked = store::lock_patient(conn, caller.clinic_id, *id).await?;
            if_match.require(locked.patient.version)?;
            Ok::<_, ApiError>(record::edit(conn, &state.clocks, &state.protocols, &caller, locked, changes).await?)
        })
        .await?;
    Ok(answer(&mut HttpResponse::Ok(), patient))
}

fn answer(response: &mut HttpResponseBuilder, patient: Patient) -> HttpResponse {
    response
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((LOCATION, format!("/v1/patients/{}", patient.id)))
        .insert_header(version_header(patient.version))
        .json(PatientView::from(patient))
}
