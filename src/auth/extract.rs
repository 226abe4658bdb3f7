//! Extractors that authenticate and authorise by role. A handler that takes none of them is public.
//! Which object a caller may touch is decided where it is loaded: by the scope that every query starts with.

use std::future::{Ready, ready};
use std::net::{IpAddr, Ipv4Addr};

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use chrono::{DateTime, Utc};
use futures_util::future::LocalBoxFuture;
use uuid::Uuid;

use super::fetch_token;
use super::store::{self, TokenHash};
use super::throttle::{client_address, network};
use super::token::{TokenError, Verified};
use crate::app::State;
use crate::db::{Scope, enter};
use crate::domain::role::Role;
use crate::error::ApiError;

/// An authenticated user with the active membership of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The login.
    pub user_id: Uuid,
    /// The active clinic.
    pub clinic_id: Uuid,
    /// The membership at that clinic.
    pub membership_id: Uuid,
    /// The role there.
    pub role: Role,
    /// The caller's own patient record there, for patients.
    pub patient_id: Option<Uuid>,
    /// The login session, which owns the device.
    pub session_id: Uuid,
}

/// The same, looking after its own login: a member of the staff may do that without the second factor that the clinic
/// wants, and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct AccountHolder(pub Caller);

/// A clinician or an administrator.
#[derive(Debug, Clone, Copy)]
pub struct Staff(pub Caller);

/// An administrator.
#[derive(Debug, Clone, Copy)]
pub struct Administrator(pub Caller);

/// A patient; `patient_id` is always there.
#[derive(Debug, Clone, Copy)]
pub struct PatientCaller(pub Caller);

/// Somebody who reads an alert: a caller, or a phone's notification extension with its fetch token. The latter stands for
/// the person at each of their clinics, and may do nothing else.
#[derive(Debug, Clone)]
pub struct AlertReader {
    /// Whose alerts may be read.
    pub readers: Vec<Caller>,
    /// Whether it is an extension, whose words end up on a lock screen.
    pub is_extension: bool,
}

/// The address at the other end, as far as proxies can be believed; a connection without one counts as our own host.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// Of this request, if these proxies are believed.
    pub fn of(request: &HttpRequest, trusted: &[IpAddr]) -> Self {
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.ip());
        let lines = request.headers().get_all("x-forwarded-for");
        let forwarded: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
        Self(client_address(peer, &forwarded, trusted))
    }

    /// The address, or of an IPv6 address the network that is given to one household or host.
    pub fn network_bits(self) -> u128 {
        match network(self.0) {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits(),
        }
    }
}

impl FromRequest for ClientAddress {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(state(request).map(|state| Self::of(request, &state.trusted_proxies)))
    }
}

/// Whose budget pays for a request.
#[derive(Debug)]
pub enum Payer {
    /// The bearer of an access token that we issued. Whether it was called back is looked at later.
    Caller(Verified),
    /// What says that it is a fetch token; nobody has looked.
    FetchToken(TokenHash),
    /// Nobody in particular.
    Nobody,
}

/// Who that is. What is found out about a token is kept with the request, so that it is verified once.
pub fn payer(request: &HttpRequest, now: DateTime<Utc>) -> Payer {
    let (Some(token), Ok(state)) = (bearer(request), state(request)) else { return Payer::Nobody };
    if let Some((_, hash)) = fetch_token::parse(token) {
        return Payer::FetchToken(hash);
    }
    let verified = state.auth.tokens.verify(token, now);
    request.extensions_mut().insert(verified);
    verified.map_or(Payer::Nobody, Payer::Caller)
}

type Extraction<T> = LocalBoxFuture<'static, Result<T, ApiError>>;

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { authenticate(&request).await })
    }
}

impl FromRequest for AccountHolder {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self(verify(&request).await?.caller)) })
    }
}

impl FromRequest for Staff {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = authenticate(&request).await?;
            if caller.role.is_staff() {
                Ok(Self(caller))
            } else {
                Err(ApiError::Forbidden("Only staff may do this.".into()))
            }
        })
    }
}

impl FromRequest for Administrator {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = authenticate(&request).await?;
            if caller.role == Role::Administrator {
                Ok(Self(caller))
            } else {
                Err(ApiError::Forbidden("Only administrators may do this.".into()))
            }
        })
    }
}

impl FromRequest for PatientCaller {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = authenticate(&request).await?;
            if caller.role == Role::Patient && caller.patient_id.is_some() {
                Ok(Self(caller))
            } else {
                Err(ApiError::Forbidden("Only patients may do this.".into()))
            }
        })
    }
}

impl FromRequest for AlertReader {
    type Error = ApiError;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            match bearer(&request).and_then(fetch_token::parse) {
                Some((device_id, hash)) => {
                    let readers = fetchers(state(&request)?, device_id, hash).await?;
                    Ok(Self { readers, is_extension: true })
                }
                None => Ok(Self { readers: vec![authenticate(&request).await?], is_extension: false }),
            }
        })
    }
}

/// The person behind a device's fetch token, at each of their clinics.
async fn fetchers(state: &State, device_id: Uuid, hash: TokenHash) -> Result<Vec<Caller>, ApiError> {
    let now = state.clocks.wall.now();
    let found = state
        .db
        .scoped(Scope::Identity, async |conn| {
            let Some(login) = store::find_fetching_login(conn, device_id, &hash).await? else { return Ok(None) };
            enter(conn, Scope::User(login)).await?;
            let behind = store::find_fetcher(conn, device_id, &hash, now - fetch_token::LIFETIME, now).await?;
            let Some((user_id, session_id)) = behind else { return Ok(None) };
            let mut memberships = store::list_memberships(conn, user_id).await?;
            // A phone that was registered before its clinic wanted a second factor does no more than its app may.
            let wanting = memberships.iter().any(|membership| membership.needs_second_factor);
            if wanting && !store::has_second_factor(conn, user_id).await? {
                memberships.retain(|membership| !membership.needs_second_factor);
            }
            let callers = memberships.into_iter().map(|membership| Caller {
                user_id,
                clinic_id: membership.clinic_id,
                membership_id: membership.id,
                role: membership.role,
                patient_id: membership.patient_id,
                session_id,
            });
            Ok::<_, ApiError>(Some(callers.collect()))
        })
        .await?;
    found.ok_or_else(|| {
        ApiError::Unauthenticated("The fetch token is not valid, or no longer: register the device again.".into())
    })
}

fn state(request: &HttpRequest) -> Result<&State, ApiError> {
    let state = request.app_data::<web::Data<State>>();
    state.map(|state| &***state).ok_or_else(|| ApiError::Internal(anyhow::anyhow!("the app has no state")))
}

/// The bearer of the request's token, who may use it for everything that the role may do.
async fn authenticate(request: &HttpRequest) -> Result<Caller, ApiError> {
    let verified = verify(request).await?;
    if verified.limited { Err(ApiError::SecondFactorMissing) } else { Ok(verified.caller) }
}

/// What the request's token says.
async fn verify(request: &HttpRequest) -> Result<Verified, ApiError> {
    let state = state(request)?;
    let token = bearer(request).ok_or(ApiError::Unauthenticated("Send an access token as a bearer token.".into()))?;
    let known = request.extensions().get::<Result<Verified, TokenError>>().copied();
    let verified = known.unwrap_or_else(|| state.auth.tokens.verify(token, state.clocks.wall.now()));
    let verified = verified.map_err(|error| {
        tracing::debug!(reason = %error, "access token refused");
        refused()
    })?;
    if state.auth.revocations.stands(&state.db, &verified).await? { Ok(verified) } else { Err(refused()) }
}

/// One answer for every unacceptable token: which check it failed is nobody's business but the log's.
fn refused() -> ApiError {
    ApiError::Unauthenticated("The access token is not valid, or no longer: refresh it.".into())
}

/// The one bearer token in the request's one `Authorization` header.
fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let value = headers.next().filter(|_| headers.next().is_none())?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
