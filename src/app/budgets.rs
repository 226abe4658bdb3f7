//! What one caller may ask of this process. Every request is paid for before it is looked at: from the budget of the person
//! behind an access token, by role, reads and writes apart; else from that of the address it comes from. Requests marked
//! `costly` in the route table are paid for once more, and only so many go on at once. What an answer says of it are the
//! header fields of draft-ietf-httpapi-ratelimit-headers-11. Why it is done so stands in ADR 49.

mod ledger;
mod places;

use std::sync::Arc;

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, ResponseError, web};
use chrono::{DateTime, Utc};

use super::State;
use crate::auth::codes::sha256;
use crate::auth::extract::{ClientAddress, Payer, payer};
use crate::auth::token::{TokenError, Verified};
use crate::config;
use crate::domain::pace::Pace;
use crate::domain::role::Role;
use crate::error::ApiError;
use crate::sending::Sending;
use crate::telemetry::BudgetLabels;
pub use ledger::Ledger;
use places::{Full, Places};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STANDING: HeaderName = HeaderName::from_static("ratelimit");

/// What costs next to nothing and must be answered whatever else goes on: whoever balances load would take a server away
/// that is well, and the others would have its load as well.
pub const FREE: [&str; 2] = ["/healthz", "/readyz"];

/// Where feeds are: their addresses are their keys.
const FEEDS: &str = "/v1/calendar/";

/// One budget for many accounts, and what it is called.
#[derive(Debug)]
struct Policy {
    name: &'static str,
    labels: BudgetLabels,
    /// `RateLimit-Policy`, which is the same for every answer.
    terms: HeaderValue,
    pace: Pace,
    ledger: Ledger,
}

/// Why a request is refused before it is looked at.
struct Refusal<'a> {
    policy: &'a Policy,
    /// Seconds.
    wait: u32,
}

/// How many an answer says are left.
struct Told(u64);

impl Policy {
    /// `None` where there is no limit.
    fn new(name: &'static str, role: &'static str, class: &'static str, requests: u32) -> Option<Self> {
        let pace = Pace::per_minute(requests)?;
        let terms = HeaderValue::from_str(&format!("\"{name}\";q={requests};w=60")).ok()?;
        let labels = BudgetLabels { role, class };
        Some(Self { name, labels, terms, pace, ledger: Ledger::new(pace) })
    }

    /// Pays for one request: how many are left.
    fn pay(&self, account: u128, now: DateTime<Utc>) -> Result<u64, Refusal<'_>> {
        self.ledger.pay(account, now).map_err(|wait| Refusal { policy: self, wait })
    }

    /// What an answer says of it, unless another has spoken already of which no more is left.
    fn tell<B>(&self, response: &mut ServiceResponse<B>, left: u64, seconds: u64) {
        if response.request().extensions().get::<Told>().is_some_and(|Told(least)| *least <= left) {
            return;
        }
        if let Ok(standing) = HeaderValue::from_str(&format!("\"{}\";r={left};t={seconds}", self.name)) {
            response.request().extensions_mut().insert(Told(left));
            response.headers_mut().insert(POLICY, self.terms.clone());
            response.headers_mut().insert(STANDING, standing);
        }
    }
}

/// Reading, and everything else.
#[derive(Debug)]
struct ByMethod {
    read: Option<Policy>,
    write: Option<Policy>,
}

impl ByMethod {
    fn new(names: [&'static str; 2], role: &'static str, requests: u32) -> Self {
        // Half, but not none: that would be no limit.
        let writes = if requests == 0 { 0 } else { (requests / 2).max(1) };
        Self {
            read: Policy::new(names[0], role, "read", requests),
            write: Policy::new(names[1], role, "write", writes),
        }
    }

    fn of(&self, method: &Method) -> Option<&Policy> {
        if matches!(*method, Method::GET | Method::HEAD) { self.read.as_ref() } else { self.write.as_ref() }
    }
}

/// All budgets of one process. Cheap to clone; all clones share them.
#[derive(Debug, Clone)]
pub struct Budgets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    patient: ByMethod,
    clinician: ByMethod,
    administrator: ByMethod,
    anonymous: Option<Policy>,
    token: Option<Policy>,
    costly: Option<Policy>,
    places: Places,
}

impl Budgets {
    /// As the settings say.
    pub fn new(settings: &config::Budgets) -> Self {
        let names = ["administrator-read", "administrator-write"];
        Self(Arc::new(Inner {
            patient: ByMethod::new(["patient-read", "patient-write"], "patient", settings.patient),
            clinician: ByMethod::new(["clinician-read", "clinician-write"], "clinician", settings.clinician),
            administrator: ByMethod::new(names, "administrator", settings.administrator),
            anonymous: Policy::new("anonymous", "anonymous", "any", settings.anonymous),
            token: Policy::new("token", "token", "any", settings.token),
            costly: Policy::new("costly", "any", "costly", settings.costly),
            places: Places::new(settings.costly_clinic, settings.costly_node),
        }))
    }

    fn of(&self, role: Role) -> &ByMethod {
        match role {
            Role::Patient => &self.0.patient,
            Role::Clinician => &self.0.clinician,
            Role::Administrator => &self.0.administrator,
        }
    }

    /// Pays for a request: from which budget, and what is left of that; where there are two, of the one with less.
    fn charge(
        &self,
        request: &ServiceRequest,
        address: ClientAddress,
        now: DateTime<Utc>,
    ) -> Result<Option<(&Policy, u64)>, Refusal<'_>> {
        let token = match payer(request.request(), now) {
            Payer::Caller(verified) => {
                let policy = self.of(verified.caller.role).of(request.method());
                return pay(policy, verified.caller.user_id.as_u128(), now);
            }
            Payer::FetchToken(hash) => Some(hash),
            Payer::Nobody if request.path().starts_with(FEEDS) => Some(sha256(request.path().as_bytes())),
            Payer::Nobody => None,
        };
        // Anybody can make up tokens: that they are many must not help.
        let of_token = match token {
            Some(hash) => pay(self.0.token.as_ref(), account_of(&hash), now)?,
            None => None,
        };
        let of_address = pay(self.0.anonymous.as_ref(), address.network_bits(), now)?;
        Ok([of_token, of_address].into_iter().flatten().min_by_key(|(_, left)| *left))
    }
}

fn pay(policy: Option<&Policy>, account: u128, now: DateTime<Utc>) -> Result<Option<(&Policy, u64)>, Refusal<'_>> {
    let Some(policy) = policy else { return Ok(None) };
    policy.pay(account, now).map(|left| Some((policy, left)))
}

/// Half of a hash is still nobody else's.
fn account_of(hash: &[u8; 32]) -> u128 {
    hash.first_chunk().map_or(0, |half| u128::from_be_bytes(*half))
}

/// Middleware: pays for a request, or answers that there is nothing left to pay with.
pub async fn charge<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let state = request.app_data::<web::Data<State>>().cloned();
    let Some(state) = state.filter(|_| !FREE.contains(&request.path())) else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let address = ClientAddress::of(request.request(), &state.trusted_proxies);
    match state.budgets.charge(&request, address, state.clocks.wall.now()) {
        Err(refusal) => Ok(refuse(&state, request, refusal).map_into_right_body()),
        Ok(paid) => {
            let mut response = next.call(request).await?.map_into_left_body();
            if let Some((policy, left)) = paid {
                policy.tell(&mut response, left, whole_seconds(policy.pace.interval()));
            }
            Ok(response)
        }
    }
}

/// Middleware of routes marked `costly`: pays once more, waits a moment for a place, and keeps it until the answer is sent. Who
/// is not known is let through, to be refused by the handler.
pub async fn costly<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse, Error> {
    let verified = request.extensions().get::<Result<Verified, TokenError>>().copied();
    let state = request.app_data::<web::Data<State>>().cloned();
    let (Some(Ok(Verified { caller, .. })), Some(state)) = (verified, state) else {
        return Ok(next.call(request).await?.map_into_boxed_body());
    };
    let budgets = &state.budgets.0;
    let paid = match pay(budgets.costly.as_ref(), caller.user_id.as_u128(), state.clocks.wall.now()) {
        Ok(paid) => paid,
        Err(refusal) => return Ok(refuse(&state, request, refusal)),
    };
    let place = match budgets.places.take(caller.clinic_id).await {
        Ok(place) => place,
        Err(full) => {
            let (role, error) = match full {
                Full::Clinic => ("clinic", ApiError::TooMany { retry_after: places::WAIT_SECONDS }),
                Full::Node => ("node", ApiError::Unavailable("every place for costly requests is taken".to_owned())),
            };
            state.metrics.over_budget.get_or_create(&BudgetLabels { role, class: "costly" }).inc();
            return Ok(request.into_response(error.error_response()));
        }
    };
    let response = next.call(request).await?;
    let mut response = response.map_body(|_, body| Sending::new(body, place)).map_into_boxed_body();
    if let Some((policy, left)) = paid {
        policy.tell(&mut response, left, whole_seconds(policy.pace.interval()));
    }
    Ok(response)
}

fn refuse(state: &State, request: ServiceRequest, refusal: Refusal<'_>) -> ServiceResponse {
    let Refusal { policy, wait } = refusal;
    state.metrics.over_budget.get_or_create(&policy.labels).inc();
    let response = ApiError::TooMany { retry_after: wait }.error_response();
    let mut response = request.into_response(response);
    policy.tell(&mut response, 0, u64::from(wait));
    response
}

fn whole_seconds(time: std::time::Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
