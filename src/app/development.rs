//! What an app developer may do to a server of their own. These operations do not exist in production: `routes.rs` registers
//! them where `stepping.rs` gives leave, and nowhere else.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::State;
use super::stepping::{MOST_AHEAD, StepError};
use crate::auth::extract::Caller;
use crate::body::{Body, Faults};
use crate::domain::protocol::IsoDuration;
use crate::error::{ApiError, Conflict};

/// Where the care clock is to be put: one of the two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// So much further.
    advance: Option<String>,
    /// To this moment.
    to: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct Stepped {
    /// What the care clock shows now.
    care_time: DateTime<Utc>,
    /// What the wall clock shows.
    wall_time: DateTime<Utc>,
    /// Whether the care clock got where it was to be put.
    reached: bool,
}

/// Puts the care clock forward; what is due on the way is sent on the way.
pub async fn advance_clock(state: web::Data<State>, _: Caller, body: Body<Step>) -> Result<HttpResponse, ApiError> {
    let stepping = state.stepping.as_ref().ok_or(ApiError::NotFound)?;
    let busy = || ApiError::Conflict { kind: Conflict::InFlight, detail: "The clock is being put forward.".into() };
    let turn = stepping.turn().ok_or_else(busy)?;
    let clocks = &state.clocks;
    let target = body.value.target(clocks.care.now(), clocks.wall.now())?;
    let reached = turn.walk(&state.worker_db, target).await.map_err(|error| match error {
        StepError::Db(error) => error.into(),
        StepError::File(error) => ApiError::Internal(error),
    })?;
    let answer = Stepped { care_time: clocks.care.now(), wall_time: clocks.wall.now(), reached };
    Ok(crate::answer::private(HttpResponse::Ok(), &answer))
}

impl Step {
    /// The moment it asks for, if that lies ahead and not too far.
    fn target(&self, care: DateTime<Utc>, wall: DateTime<Utc>) -> Result<DateTime<Utc>, ApiError> {
        let mut faults = Faults::default();
        let (pointer, target) = match (&self.advance, self.to) {
            (Some(advance), None) => {
                let by = faults.parsed("/advance", advance.parse::<IsoDuration>());
                ("/advance", by.map_or(care, |by| care + by.delta()))
            }
            (None, Some(to)) => ("/to", to),
            (Some(_), Some(_)) => {
                faults.push("/to", "say `advance` or `to`, not both");
                ("/to", care)
            }
            (None, None) => {
                faults.push("/advance", "say how far (`advance`) or until when (`to`)");
                ("/advance", care)
            }
        };
        if target < care {
            faults.push(pointer, format!("the clock never goes back; it shows {}", care.to_rfc3339()));
        }
        if target - wall > MOST_AHEAD {
            faults.push(pointer, format!("the clock gets at most {} days ahead", MOST_AHEAD.num_days()));
        }
        faults.finish()?;
        Ok(target)
    }
}
