//! Asking for a code by mail over HTTP. What it does for a new password is `reset_password`'s business.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use uuid::Uuid;

use crate::app::State;
use crate::auth::email;
use crate::auth::extract::ClientAddress;
use crate::body::{Body, Faults};
use crate::error::ApiError;
use crate::mail::Errand;

/// Whose password is forgotten.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgottenBody {
    email: String,
}

/// Has a code sent to the address, if somebody has a login by it: the answer is the same, and so is its time.
pub async fn create_password_reset(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    body: Body<ForgottenBody>,
) -> Result<HttpResponse, ApiError> {
    let errands = state.mail.as_ref().ok_or(ApiError::NotFound)?;
    let mut faults = Faults::default();
    let email = email::check(&mut faults, "/email", &body.value.email);
    faults.finish()?;
    let paid = state.auth.throttle.pay(&format!("forgotten:{email}"), address, state.clocks.wall.now());
    paid.map_err(|retry_after| ApiError::TooMany { retry_after })?;
    // Whether there is room says how many letters wait, and so who has a login: that is for the operator alone.
    if let Err(full) = errands.leave(Errand::Forgotten { email }) {
        tracing::error!(error = %full, "a code for a forgotten password was not written");
    }
    Ok(HttpResponse::Accepted().finish())
}

/// Has somebody told by mail that the password was changed, where mail is sent at all. The change itself stands.
pub(super) fn tell_of_change(state: &State, user_id: Uuid) {
    let Some(errands) = &state.mail else { return };
    if let Err(full) = errands.leave(Errand::PasswordChanged { user_id }) {
        tracing::error!(user.id = %user_id, error = %full, "a notice of a changed password was not written");
    }
}
