//! Registering, logging in and out, refreshing, resetting, switching, accepting invitations; the public keys.

pub mod forgotten;
pub mod own_sessions;
pub mod second_factor;

use std::net::IpAddr;

use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};
use serde::Deserialize;
use uuid::Uuid;

use super::ending::{self, Which};
use super::entry::{self, Login, Registration, Tools};
use super::extract::{AccountHolder, ClientAddress};
use super::refusal::Refusal;
use super::sessions;
use super::{email, password};
use crate::answer::private;
use crate::app::State;
use crate::body::{Body, Faults};
use crate::error::ApiError;

/// A new login.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    invitation_code: String,
    email: String,
    password: String,
    display_name: String,
    time_zone: String,
    locale: String,
    device_name: Option<String>,
}

/// Makes a login from an invitation. Wrong codes cost a wait after a hundred.
pub async fn register_user(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    body: Body<RegisterBody>,
) -> Result<HttpResponse, ApiError> {
    let body = body.value;
    let mut faults = Faults::default();
    let email = email::check(&mut faults, "/email", &body.email);
    password::check(&mut faults, "/password", &body.password, &[&email, &body.display_name]);
    let form = Registration {
        invitation_code: faults.text("/invitation_code", &body.invitation_code, 1..=100),
        display_name: faults.text("/display_name", &body.display_name, 1..=200),
        time_zone: faults.time_zone("/time_zone", &body.time_zone),
        locale: faults.locale("/locale", &body.locale),
        device_name: device_name(&mut faults, body.device_name.as_deref()),
        password: body.password,
        email,
    };
    faults.finish()?;
    let opened = trying_a_code(&state, address, entry::register(tools(&state), form)).await?;
    Ok(private(HttpResponse::Created(), &opened))
}

/// What an app calls the phone or browser it runs on.
fn device_name(faults: &mut Faults, name: Option<&str>) -> Option<String> {
    faults.optional_text("/device_name", name, 1..=100)
}

/// Does what a one-time code is for. A wrong code costs the address it comes from, and so does learning who has a login.
async fn trying_a_code<T>(
    state: &State,
    address: IpAddr,
    work: impl Future<Output = Result<T, Refusal>>,
) -> Result<T, Refusal> {
    let throttle = &state.auth.throttle;
    throttle.pay_address(address, state.clocks.wall.now()).map_err(Refusal::Wait)?;
    let done = work.await;
    if !matches!(done, Err(Refusal::Code(_) | Refusal::OtherAddress(_) | Refusal::EmailTaken)) {
        throttle.refund_address(address);
    }
    done
}

/// Address and password, a code where there is a second factor, and an invitation to accept on the way in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    email: String,
    password: String,
    code: Option<String>,
    invitation_code: Option<String>,
    device_name: Option<String>,
}

/// Opens a session. Wrong passwords and codes cost a wait after a few.
pub async fn create_session(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    body: Body<LoginBody>,
) -> Result<HttpResponse, ApiError> {
    let LoginBody { email, password, code, invitation_code, device_name: name } = body.value;
    let mut faults = Faults::default();
    let device_name = device_name(&mut faults, name.as_deref());
    faults.finish()?;
    let email = email::normalised(&email);
    let (code, invitation_code) = (code.as_deref(), invitation_code.as_deref());
    let cancels_deletion = false;
    let login = Login { email: &email, password: &password, code, invitation_code, device_name, cancels_deletion };
    Ok(private(HttpResponse::Ok(), &throttled(&state, address, login).await?))
}

/// Logs in, and counts what does not fit for the account and the address it comes from.
async fn throttled(state: &State, address: IpAddr, login: Login<'_>) -> Result<sessions::Opened, Refusal> {
    let (throttle, email) = (&state.auth.throttle, login.email);
    throttle.pay(email, address, state.clocks.wall.now()).map_err(Refusal::Wait)?;
    let opened = entry::log_in(tools(state), login).await;
    if !matches!(opened, Err(Refusal::Credentials | Refusal::Wait(_) | Refusal::Code(_) | Refusal::OtherAddress(_))) {
        throttle.refund(email, address);
    }
    opened
}

/// What opens a session, in place of the session that the deletion has ended.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelBody {
    email: String,
    password: String,
    code: Option<String>,
    device_name: Option<String>,
}

/// Takes the deletion of a login back and opens a session. Wrong passwords and codes cost what they cost at the login.
pub async fn cancel_deletion(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    body: Body<CancelBody>,
) -> Result<HttpResponse, ApiError> {
    let CancelBody { email, password, code, device_name: name } = body.value;
    let mut faults = Faults::default();
    let device_name = device_name(&mut faults, name.as_deref());
    faults.finish()?;
    let login = Login {
        email: &email::normalised(&email),
        password: &password,
        code: code.as_deref(),
        invitation_code: None,
        device_name,
        cancels_deletion: true,
    };
    Ok(private(HttpResponse::Ok(), &throttled(&state, address, login).await?))
}

/// The refresh token to exchange.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    refresh_token: String,
}

/// Exchanges a refresh token for the next pair.
pub async fn refresh_session(state: web::Data<State>, body: Body<RefreshBody>) -> Result<HttpResponse, ApiError> {
    let opened = sessions::refresh(&state.db, &state.clocks, &state.auth, &body.value.refresh_token).await?;
    Ok(private(HttpResponse::Ok(), &opened))
}

/// The refresh token whose session ends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogoutBody {
    refresh_token: Option<String>,
}

/// Ends the session of the refresh token in the body or, where there is none, that of the access token.
pub async fn delete_session(
    request: HttpRequest,
    state: web::Data<State>,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let mut payload = payload.into_inner();
    let mut refresh_token = None;
    if request.headers().contains_key(header::CONTENT_TYPE) {
        refresh_token = Body::<LogoutBody>::from_request(&request, &mut payload).await?.value.refresh_token;
    }
    match refresh_token {
        Some(token) => ending::end(&state.db, &state.clocks, &state.auth, Which::Refresh(&token)).await?,
        None => {
            let AccountHolder(caller) = AccountHolder::from_request(&request, &mut payload).await?;
            ending::end(&state.db, &state.clocks, &state.auth, Which::Caller(&caller)).await?;
        }
    }
    Ok(HttpResponse::NoContent().finish())
}

/// A one-time code and the new password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    code: String,
    password: String,
}

/// Sets a new password by a one-time code. Wrong codes cost a wait after a hundred.
pub async fn reset_password(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    body: Body<ResetBody>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let code = faults.text("/code", &body.value.code, 1..=100);
    password::check(&mut faults, "/password", &body.value.password, &[]);
    faults.finish()?;
    let user_id = trying_a_code(&state, address, entry::reset(tools(&state), &code, &body.value.password)).await?;
    forgotten::tell_of_change(&state, user_id);
    Ok(HttpResponse::NoContent().finish())
}

/// Where to act from now on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchBody {
    clinic_id: Uuid,
}

/// Changes the clinic that the session acts at.
pub async fn switch_clinic(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<SwitchBody>,
) -> Result<HttpResponse, ApiError> {
    let clinic = body.value.clinic_id;
    let opened = sessions::switch(&state.db, &state.clocks, &state.auth, &caller, clinic).await?;
    Ok(private(HttpResponse::Ok(), &opened))
}

/// A code, and the zone of the phone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    invitation_code: String,
    time_zone: Option<String>,
}

/// Makes an existing login a member of another clinic. Wrong codes cost a wait after a hundred.
pub async fn accept_invitation(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<AcceptBody>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let code = faults.text("/invitation_code", &body.value.invitation_code, 1..=100);
    let zone = body.value.time_zone.as_deref().map(|zone| faults.time_zone("/time_zone", zone));
    faults.finish()?;
    let accepting = entry::accept(tools(&state), caller.user_id, &code, zone);
    let joined = trying_a_code(&state, address, accepting).await?;
    Ok(private(HttpResponse::Created(), &joined))
}

/// The public keys that verify access tokens.
pub async fn list_keys(state: web::Data<State>) -> HttpResponse {
    // Short enough that a rotated key is known everywhere before it signs.
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(state.keys.jwks())
}

fn tools(state: &State) -> Tools<'_> {
    Tools { db: &state.db, clocks: &state.clocks, auth: &state.auth, catalogue: &state.protocols }
}
