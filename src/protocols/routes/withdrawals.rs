//! Retiring and recalling a version, for administrators.

use actix_web::HttpResponse;
use actix_web::http::header;
use actix_web::web::{Data, Path};
use serde::Deserialize;

use super::named;
use crate::app::State;
use crate::auth::extract::{Administrator, Caller};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::{ApiError, Conflict};
use crate::protocols::Published;
use crate::protocols::withdraw::{WithdrawError, recall, retire};
use crate::protocols::withdrawal_view::{RecalledView, WithdrawalView};

impl From<WithdrawError> for ApiError {
    fn from(error: WithdrawError) -> Self {
        match error {
            WithdrawError::Default => Self::conflict(
                Conflict::State,
                "The clinic's default protocol would have no version left: choose another default first.",
            ),
            WithdrawError::Protocol(error) => error.into(),
            WithdrawError::Db(error) => error.into(),
        }
    }
}

/// Why a version is withdrawn.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Because {
    reason: String,
}

impl Because {
    fn read(&self) -> Result<String, ApiError> {
        let mut faults = Faults::default();
        let reason = faults.text("/reason", &self.reason, 1..=500);
        faults.finish()?;
        Ok(reason)
    }
}

/// `POST /v1/protocols/{key}/versions/{number}/retire`
pub async fn retire_protocol_version(
    state: Data<State>,
    Administrator(caller): Administrator,
    path: Path<(String, i32)>,
    body: Body<Because>,
) -> Result<HttpResponse, ApiError> {
    let reason = body.value.read()?;
    let version = find(&state, &caller, path.into_inner()).await?;
    let withdrawal = retire(state.tools(), &caller, &version, &reason).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(WithdrawalView::from(withdrawal)))
}

/// `POST /v1/protocols/{key}/versions/{number}/recall`
pub async fn recall_protocol_version(
    state: Data<State>,
    Administrator(caller): Administrator,
    path: Path<(String, i32)>,
    body: Body<Because>,
) -> Result<HttpResponse, ApiError> {
    let reason = body.value.read()?;
    let version = find(&state, &caller, path.into_inner()).await?;
    let recalled = recall(state.tools(), &caller, &version, &reason).await?;
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(RecalledView::from(recalled)))
}

async fn find(state: &State, caller: &Caller, (key, number): (String, i32)) -> Result<Published, ApiError> {
    let find = async |conn: &mut diesel_async::AsyncPgConnection| {
        named(conn, &state.protocols, caller.clinic_id, &key, number).await
    };
    state.db.scoped(Scope::Clinic(caller.clinic_id), find).await
}
