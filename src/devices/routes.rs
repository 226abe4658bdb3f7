//! Devices over HTTP: every route is about the caller's own.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::fields::DeviceFields;
use super::register::{self, RegisterError, Registered};
use super::sealed::SealedAddress;
use super::store::{self, Device};
use crate::app::State;
use crate::auth::extract::Caller;
use crate::auth::fetch_token;
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::{ApiError, Conflict};
use crate::paging::List;

/// A device, as sent. Its address is never sent back.
#[derive(Debug, Serialize)]
struct DeviceView {
    id: Uuid,
    provider: String,
    address_kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    app_id: String,
    environment: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vapid_key_id: Option<String>,
    locale: String,
    time_zone: String,
    permission: String,
    /// Whether messages go to it: the person lets the app notify and the address is not suspect.
    reachable: bool,
    /// Whether this very login registered it.
    current: bool,
    registered_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
}

/// A device that was just registered, with what its notification extension needs.
#[derive(Debug, Serialize)]
struct RegisteredView {
    #[serde(flatten)]
    device: DeviceView,
    /// Reads `GET /v1/alerts/{id}` and nothing else.
    fetch_token: String,
    fetch_token_expires_at: DateTime<Utc>,
}

impl DeviceView {
    fn of(device: Device, caller: &Caller) -> Self {
        Self {
            reachable: device.is_reachable(),
            id: device.id,
            provider: device.provider,
            address_kind: device.address_kind,
            app_id: device.app_id,
            environment: device.environment,
            vapid_key_id: device.vapid_key_id,
            locale: device.locale,
            time_zone: device.time_zone,
            permission: device.permission,
            current: device.session_id == Some(caller.session_id),
            registered_at: device.registered_at,
            last_seen_at: device.last_seen_at,
        }
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::IdTaken => {
                Self::conflict(Conflict::IdTaken, "Another login's device has this id: choose a fresh one.")
            }
            RegisterError::SessionEnded => Self::Unauthenticated("The session has ended: log in again.".into()),
            RegisterError::Token => Self::Internal(anyhow::anyhow!("no fetch token could be drawn")),
            RegisterError::Planning(error) => error.into(),
            RegisterError::Query(error) => error.into(),
        }
    }
}

/// The caller's devices, the last used first.
pub async fn list_devices(state: web::Data<State>, caller: Caller) -> Result<HttpResponse, ApiError> {
    let devices = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            Ok::<_, ApiError>(store::list_devices(conn, caller.user_id).await?)
        })
        .await?;
    let list = List::whole(devices).map(|device| DeviceView::of(device, &caller));
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(list))
}

/// Registers a device, or tells that it is in use: an app does so whenever it comes to the foreground.
pub async fn put_device(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<Uuid>,
    body: Body<DeviceFields>,
) -> Result<HttpResponse, ApiError> {
    let mut faults = Faults::default();
    let vapid_keys = state.about.vapid_key_ids();
    let device = body.value.read(&mut faults, &state.providers, &state.push_hosts, vapid_keys)?;
    faults.finish()?;
    let address = SealedAddress { address: device.address.expose().to_owned(), keys: device.keys.clone() };
    let sealed = address.seal(&state.keys, *id)?;
    let Registered { device, is_new, fetch_token } = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            Ok::<_, ApiError>(
                register::register(conn, &state.clocks, &state.protocols, &caller, *id, &device, &sealed).await?,
            )
        })
        .await?;
    if device.is_reachable() {
        let revive = async |conn: &mut _| Ok::<_, ApiError>(register::revive(conn, &state.clocks, &caller).await?);
        state.db.scoped(Scope::User(caller.user_id), revive).await?;
    }
    let mut response = if is_new { HttpResponse::Created() } else { HttpResponse::Ok() };
    let fetch_token_expires_at = device.registered_at + fetch_token::LIFETIME;
    let view = RegisteredView { device: DeviceView::of(device, &caller), fetch_token, fetch_token_expires_at };
    Ok(response.insert_header((CACHE_CONTROL, "no-store")).json(view))
}

/// Forgets a device: nothing is sent to it any more.
pub async fn delete_device(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let removed = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            Ok::<_, ApiError>(register::remove(conn, &state.clocks, &caller, *id).await?)
        })
        .await?;
    if removed { Ok(HttpResponse::NoContent().finish()) } else { Err(ApiError::NotFound) }
}

/// What a test push became: an alert, to be looked up like any other.
#[derive(Debug, Serialize)]
struct TestPush {
    alert_id: Uuid,
}

/// Sends one device a test push, the way every alert goes.
pub async fn test_device(
    state: web::Data<State>,
    caller: Caller,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    let device = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            Ok::<_, ApiError>(store::find_device(conn, caller.user_id, *id).await?)
        })
        .await?;
    if !device.is_reachable() {
        let detail = "Nothing is sent to this device: let the app notify and register it again.";
        return Err(ApiError::conflict(Conflict::State, detail));
    }
    let alert_id = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            Ok::<_, ApiError>(register::test(conn, &state.clocks, &caller, device.id).await?)
        })
        .await?;
    Ok(HttpResponse::Accepted().insert_header((CACHE_CONTROL, "no-store")).json(TestPush { alert_id }))
}
