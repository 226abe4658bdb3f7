//! Who keeps to it, over HTTP: of one treatment, and of the treatment a patient is recovering from.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::view::ReportView;
use crate::app::State;
use crate::auth::extract::Caller;
use crate::db::Scope;
use crate::domain::protocol::ProtocolVersion;
use crate::error::ApiError;
use crate::language::FALLBACK;
use crate::planning::PlanningError;
use crate::preconditions::{IfNoneMatch, computed_answer};
use crate::recovery::{Recovery, find_current, find_known_since, find_recovery};

/// `GET /v1/treatments/{id}/compliance`
pub async fn find_treatment_compliance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let mut recovery = find_recovery(conn, &caller, *path).await?;
        let version = recovery.version(conn, &state.protocols, caller.clinic_id).await?;
        Ok::<_, PlanningError>((recovery, version))
    });
    let (recovery, version) = found.await?;
    answer(&known, &recovery, &version, state.clocks.care.now())
}

/// `GET /v1/patients/{id}/compliance`
pub async fn find_patient_compliance(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    if !caller.role.is_staff() && caller.patient_id != Some(*path) {
        return Err(ApiError::NotFound);
    }
    let found = state.db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let Some(mut recovery) = find_current(conn, &caller, *path).await? else {
            return Ok(Err(find_known_since(conn, &caller, *path).await?));
        };
        let version = recovery.version(conn, &state.protocols, caller.clinic_id).await?;
        Ok::<_, PlanningError>(Ok((recovery, version)))
    });
    match found.await? {
        Ok((recovery, version)) => answer(&known, &recovery, &version, state.clocks.care.now()),
        Err(since) => computed_answer(&known, FALLBACK, &ReportView::nothing(since)),
    }
}

fn answer(
    known: &IfNoneMatch,
    recovery: &Recovery,
    version: &ProtocolVersion,
    at: DateTime<Utc>,
) -> Result<HttpResponse, ApiError> {
    let laid = recovery.timeline(version);
    computed_answer(known, FALLBACK, &ReportView::new(recovery, recovery.report(&laid.tasks, at)))
}
