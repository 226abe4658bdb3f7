//! Conditions over HTTP: how they stand, and what clinicians decide about them.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use diesel_async::AsyncPgConnection;
use serde::Deserialize;
use uuid::Uuid;

use super::decide::{self, DecideError, MOST, NewDecision};
use super::store;
use super::view::ConditionView;
use crate::app::State;
use crate::audit::Entry;
use crate::auth::extract::{Caller, Staff};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::{ApiError, Conflict};
use crate::language::Wanted;
use crate::paging::List;
use crate::planning::PlanningError;
use crate::preconditions::{IfNoneMatch, computed_answer};
use crate::protocols::{Accepted, words};
use crate::recovery::find_recovery;

impl From<DecideError> for ApiError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::IdTaken => {
                Self::conflict(Conflict::IdTaken, "Another decision has this id: choose a fresh one.")
            }
            DecideError::Ended => Self::conflict(Conflict::State, "The treatment was completed or cancelled."),
            DecideError::TooMany => Self::conflict(
                Conflict::State,
                format!("The treatment has {MOST} decisions: nobody could follow more."),
            ),
            DecideError::Planning(error) => error.into(),
        }
    }
}

/// `GET /v1/treatments/{id}/conditions`
pub async fn list_conditions(
    state: Data<State>,
    caller: Caller,
    path: Path<Uuid>,
    wanted: Wanted,
    known: IfNoneMatch,
) -> Result<HttpResponse, ApiError> {
    let find = async |conn: &mut AsyncPgConnection| {
        let mut recovery = find_recovery(conn, &caller, *path).await?;
        let version = recovery.version(conn, &state.protocols, caller.clinic_id).await?;
        let decisions = store::list_decisions(conn, caller.clinic_id, *path).await?;
        Ok::<_, PlanningError>((recovery, version, decisions, Accepted::by(conn, caller.clinic_id).await?))
    };
    let (recovery, version, decisions, accepted) = state.db.scoped(Scope::Clinic(caller.clinic_id), find).await?;
    let entry = Entry::by(&caller, "condition.read", "treatment", *path).about(recovery.row.patient_id);
    state.reads.note(entry).await?;
    let texts = words(&version, accepted.of(recovery.row.protocol_version_id), &wanted, &recovery.locales());
    let laid = recovery.timeline(&version);
    let shown = caller.role.is_staff().then_some(decisions.as_slice());
    let conditions = version.structure.conditions.iter();
    let views = conditions.map(|condition| ConditionView::new(condition, &recovery, (&version, texts), &laid, shown));
    computed_answer(&known, &texts.locale, &List::whole(views.collect()))
}

/// The body of [`decide_condition`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecideCondition {
    id: Option<Uuid>,
    ended: bool,
    reason: String,
}

/// `POST /v1/treatments/{id}/conditions/{key}`
pub async fn decide_condition(
    state: Data<State>,
    Staff(caller): Staff,
    path: Path<(Uuid, String)>,
    body: Body<DecideCondition>,
) -> Result<HttpResponse, ApiError> {
    let (treatment, key) = path.into_inner();
    let mut faults = Faults::default();
    let DecideCondition { id, ended, reason } = body.value;
    let reason = faults.text("/reason", &reason, 1..=500);
    faults.finish()?;
    let new = NewDecision { id: id.unwrap_or_else(|| state.clocks.fresh_id()), ended, reason };
    decide::decide(state.tools(), &caller, treatment, &key, new).await?;
    Ok(HttpResponse::NoContent().insert_header((header::CACHE_CONTROL, "no-store")).finish())
}
