//! Putting an alert off over HTTP.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use chrono::{DateTime, TimeDelta, Utc};
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

/// The body of [`snooze_alert`]: for how long from now, or until when.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnoozeBody {
    minutes: Option<i64>,
    until: Option<DateTime<Utc>>,
}

impl SnoozeBody {
    fn read(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, ApiError> {
        let mut faults = Faults::default();
        let longest = TimeDelta::minutes(*MINUTES.end());
        let until = match (self.minutes, self.until) {
            (Some(minutes), None) if MINUTES.contains(&minutes) => Some(now + TimeDelta::minutes(minutes)),
            (Some(_), None) => {
                faults.push("/minutes", format!("must be {} to {}", MINUTES.start(), MINUTES.end()));
                None
            }
            // As Postgres keeps it, so that a replay is recognised.
            (None, Some(until)) if until <= now + longest => DateTime::from_timestamp_micros(until.timestamp_micros()),
            (None, Some(_)) => {
                faults.push("/until", format!("must lie at most {} hours ahead", longest.num_hours()));
                None
            }
            (Some(_), Some(_)) => {
                faults.push("/until", "stands alone: minutes do not go with it");
                None
            }
            (None, None) => {
                faults.push("/minutes", "is missing: say for how long, or until when");
                None
            }
        };
        faults.finish()?;
        until.ok_or_else(|| ApiError::invalid("/until", "is no moment that can be kept"))
    }
}

impl From<SnoozeError> for ApiError {
    fn from(error: SnoozeError) -> Self {
        match error {
            SnoozeError::NotPlanned => Self::conflict(
                Conflict::State,
                "Only what a treatment's plan tells can be put off: no test, and nothing about an appointment.",
            ),
            SnoozeError::NotOwed => Self::conflict(Conflict::State, "There is nothing left to be reminded of."),
            SnoozeError::NoLater => {
                Self::conflict(Conflict::State, "It is not due before then: there is nothing to put off.")
            }
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
    let absolute = body.value.until.is_some();
    let until = body.value.read(state.clocks.care.now())?;
    let again = snooze::snooze(state.tools(), &caller, *id, until, absolute).await?;
    respond(&state, &caller.0, &wanted, again, false).await
}
