//! Loading the patient that a path names, for whoever may see the record.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use super::store::{self, Patient};
use crate::app::State;
use crate::auth::extract::Caller;
use crate::db::Scope;
use crate::domain::role::Role;
use crate::error::ApiError;

/// The patient of `/v1/patients/{id}...`, and who asks: staff of the patient's clinic, or the person themselves.
/// For everybody else there is no such patient.
#[derive(Debug, Clone)]
pub struct VisiblePatient {
    /// Who asks.
    pub caller: Caller,
    /// The record.
    pub patient: Patient,
}

impl FromRequest for VisiblePatient {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let caller = caller.await?;
            let id = path_id(&request)?;
            if !sees(&caller, id) {
                return Err(ApiError::NotFound);
            }
            let state = request
                .app_data::<web::Data<State>>()
                .ok_or_else(|| ApiError::Internal(anyhow::anyhow!("the app has no state")))?;
            let scope = Scope::Clinic(caller.clinic_id);
            let patient = state
                .db
                .scoped(scope, async |conn| Ok::<_, ApiError>(store::find_patient(conn, caller.clinic_id, id).await?))
                .await?;
            Ok(Self { caller, patient })
        })
    }
}

/// Whether the caller may see this patient of their clinic: staff see all, a patient their own record.
pub fn sees(caller: &Caller, patient_id: Uuid) -> bool {
    match caller.role {
        Role::Clinician | Role::Administrator => true,
        Role::Patient => caller.patient_id == Some(patient_id),
    }
}

/// The `{id}` of the path. What is not an id names nothing.
fn path_id(request: &HttpRequest) -> Result<Uuid, ApiError> {
    request.match_info().get("id").and_then(|id| Uuid::try_parse(id).ok()).ok_or(ApiError::NotFound)
}
