//! "Outdoors" over HTTP: a patient's own, at the active clinic.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::switch::{self, LONGEST, MOST, SwitchError};
use crate::app::State;
use crate::auth::extract::PatientCaller;
use crate::body::{Body, Faults};
use crate::error::{ApiError, Conflict};

/// The body of [`put_outdoors`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutdoorsBody {
    until: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct OutdoorsView {
    on: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
}

impl From<SwitchError> for ApiError {
    fn from(error: SwitchError) -> Self {
        match error {
            SwitchError::End => {
                let mut faults = Faults::default();
                faults.push("/until", format!("must lie ahead, at most {} hours", LONGEST.num_hours()));
                faults.finish().err().unwrap_or(Self::NotFound)
            }
            SwitchError::TooOften => Self::conflict(
                Conflict::State,
                format!("It was switched on {MOST} times within {} hours: leave it on.", LONGEST.num_hours()),
            ),
            SwitchError::Planning(error) => error.into(),
        }
    }
}

fn answer(span: Option<(DateTime<Utc>, DateTime<Utc>)>) -> HttpResponse {
    let (from, until) = span.unzip();
    let view = OutdoorsView { on: span.is_some(), from, until };
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(view)
}

/// `GET /v1/me/outdoors`
pub async fn find_outdoors(state: web::Data<State>, caller: PatientCaller) -> Result<HttpResponse, ApiError> {
    Ok(answer(switch::look(state.tools(), &caller).await?))
}

/// `PUT /v1/me/outdoors`
pub async fn put_outdoors(
    state: web::Data<State>,
    caller: PatientCaller,
    body: Body<OutdoorsBody>,
) -> Result<HttpResponse, ApiError> {
    Ok(answer(Some(switch::on(state.tools(), &caller, body.value.until).await?)))
}

/// `DELETE /v1/me/outdoors`
pub async fn delete_outdoors(state: web::Data<State>, caller: PatientCaller) -> Result<HttpResponse, ApiError> {
    switch::off(state.tools(), &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
