//! Putting an alert off over HTTP.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::TimeDelta;
use serde::Deserialize;
use uuid::Uuid;

use super::respond;
use crate::alerts::snooze::{self, MOST_TIMES, SnoozeError};
use crate::app::State;
use crate::auth::extract::PatientCaller;
use crate::body::{Body, Faults};
use crate::error::{ApiError, Conflict};
use crate::language::Wanted;

/// For how long an alert can be put off, in minutes.
const MINUTES: std::ops::RangeInclusive<i64> = 5..=24 * 60;

/// The body of [`snooze_alert`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnoozeBody {
    minutes: i64,
}

impl From<SnoozeError> for ApiError {
    fn from(error: SnoozeError) -> Self {
        match error {
            SnoozeError::NotOwed => Self::conflict(Conflict::State, "There is nothing left to be reminded of."),
            SnoozeError::OverByThen => {
                Self::conflict(Conflict::State, "It is worth nothing by then, or quiet hours outlast it.")
            }
            SnoozeError::TooOften => {
                Self::conflict(Conflict::State, format!("It was put off {MOST_TIMES} times already."))
            }
            SnoozeError::Planning(error) => error.into(),
        }
    }
}

/// `POST /v1/alerts/{id}/snooze`
pub async fn snooze_alert(
    state: Data<State>,
    caller: PatientCaller,
    wanted: Wanted,
    id: Path<Uuid>,
    body: Body<SnoozeBody>,
) -> Result<HttpResponse, ApiError> {
    let minutes = body.value.minutes;
    let mut faults = Faults::default();
    if !MINUTES.contains(&minutes) {
        faults.push("/minutes", format!("must be {} to {}", MINUTES.start(), MINUTES.end()));
    }
    faults.finish()?;
    let again = snooze::snooze(state.tools(), &caller, *id, TimeDelta::minutes(minutes)).await?;
    respond(&state, &caller.0, &wanted, again, false).await
}
