//! The caller's second factor over HTTP.

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::answer::private;
use crate::app::State;
use crate::auth::extract::{AccountHolder, ClientAddress};
use crate::auth::fields::ProofBody;
use crate::auth::reauthentication::prove;
use crate::auth::{second_factor, store};
use crate::body::Body;
use crate::db::Scope;
use crate::error::ApiError;

#[derive(Debug, Serialize)]
struct SecondFactorView {
    enabled: bool,
    /// Whether the clinic that the caller acts at asks for one.
    required: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes_left: Option<i64>,
}

/// Whether there is a second factor.
pub async fn find_second_factor(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
) -> Result<HttpResponse, ApiError> {
    let view = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            let factor = store::find_second_factor(conn, caller.user_id).await?;
            let enabled_at = factor.and_then(|factor| factor.confirmed_at);
            let memberships = store::list_memberships(conn, caller.user_id).await?;
            let active = memberships.iter().find(|membership| membership.id == caller.membership_id);
            let left = match enabled_at {
                Some(_) => Some(store::count_recovery_codes(conn, caller.user_id).await?),
                None => None,
            };
            Ok::<_, ApiError>(SecondFactorView {
                enabled: enabled_at.is_some(),
                required: active.is_some_and(|membership| membership.needs_second_factor),
                enabled_at,
                recovery_codes_left: left,
            })
        })
        .await?;
    Ok(private(HttpResponse::Ok(), &view))
}

#[derive(Serialize)]
struct EnrolmentView {
    secret: String,
    uri: String,
}

/// Begins to set one up: a secret for the authenticator app, shown this once.
pub async fn create_second_factor(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<ProofBody>,
) -> Result<HttpResponse, ApiError> {
    prove(&state.db, &state.clocks, &state.auth, &caller, body.value.proof(address)).await?;
    let begun = second_factor::begin(&state.db, &state.clocks, &state.auth, &caller).await?;
    Ok(private(HttpResponse::Created(), &EnrolmentView { secret: begun.secret, uri: begun.uri }))
}

/// The app's first code.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmBody {
    code: String,
}

#[derive(Serialize)]
struct RecoveryCodesView {
    recovery_codes: Vec<String>,
}

/// Shows that the app has the secret: from now on a code is asked for.
pub async fn confirm_second_factor(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<ConfirmBody>,
) -> Result<HttpResponse, ApiError> {
    let (db, clocks, auth) = (&state.db, &state.clocks, &state.auth);
    let account = format!("confirm:{}", caller.user_id);
    let paid = auth.throttle.pay(&account, address, clocks.wall.now());
    paid.map_err(|retry_after| ApiError::TooMany { retry_after })?;
    let recovery_codes = second_factor::confirm(db, clocks, auth, &caller, &body.value.code).await?;
    auth.throttle.refund(&account, address);
    Ok(private(HttpResponse::Ok(), &RecoveryCodesView { recovery_codes }))
}

/// Fresh recovery codes in place of those there are.
pub async fn renew_recovery_codes(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<ProofBody>,
) -> Result<HttpResponse, ApiError> {
    prove(&state.db, &state.clocks, &state.auth, &caller, body.value.proof(address)).await?;
    let recovery_codes = second_factor::renew_codes(&state.db, &state.clocks, &state.auth, &caller).await?;
    Ok(private(HttpResponse::Ok(), &RecoveryCodesView { recovery_codes }))
}

/// Takes it away.
pub async fn disable_second_factor(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<ProofBody>,
) -> Result<HttpResponse, ApiError> {
    prove(&state.db, &state.clocks, &state.auth, &caller, body.value.proof(address)).await?;
    second_factor::disable(&state.db, &state.clocks, &state.auth, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}
