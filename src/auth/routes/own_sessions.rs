//! The caller's own sessions over HTTP, and the password they were opened with.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::answer::private;
use crate::app::State;
use crate::auth::ending::{self, Which};
use crate::auth::extract::{AccountHolder, ClientAddress};
use crate::auth::password;
use crate::auth::reauthentication::{Proof, prove};
use crate::auth::store::{self, Session, SessionDevice};
use crate::body::{Body, Faults};
use crate::db::Scope;
use crate::error::ApiError;
use crate::paging::{Page, PageQuery};
use crate::query::Query;

#[derive(Debug, Serialize)]
struct SessionView {
    id: Uuid,
    /// Whether it is the one that asks.
    current: bool,
    clinic_id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_name: Option<String>,
    devices: Vec<DeviceView>,
    created_at: DateTime<Utc>,
    last_seen_at: DateTime<Utc>,
}

#[derive(Debug, Serialize)]
struct DeviceView {
    id: Uuid,
    provider: String,
}

impl SessionView {
    fn new(session: Session, current: Uuid, devices: Vec<SessionDevice>) -> Self {
        let seen = devices.iter().map(|device| device.last_seen_at);
        Self {
            id: session.id,
            current: session.id == current,
            clinic_id: session.clinic_id,
            device_name: session.device_name,
            created_at: session.created_at,
            last_seen_at: seen.fold(session.last_used_at, Ord::max),
            devices: devices
                .into_iter()
                .map(|device| DeviceView { id: device.id, provider: device.provider })
                .collect(),
        }
    }
}

/// The caller's sessions that go on, the newest first.
pub async fn list_sessions(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    query: Query<PageQuery>,
) -> Result<HttpResponse, ApiError> {
    let page = Page::<Uuid>::read(query.limit, query.cursor.as_deref())?;
    let now = state.clocks.wall.now();
    let (sessions, devices) = state
        .db
        .scoped(Scope::User(caller.user_id), async |conn| {
            let sessions = store::list_sessions(conn, caller.user_id, now, page.after, page.fetch()).await?;
            let ids: Vec<Uuid> = sessions.iter().map(|session| session.id).collect();
            let devices = store::list_session_devices(conn, &ids).await?;
            Ok::<_, ApiError>((sessions, devices))
        })
        .await?;
    let mut of_session: HashMap<Uuid, Vec<SessionDevice>> = HashMap::new();
    for device in devices {
        of_session.entry(device.session_id.unwrap_or_default()).or_default().push(device);
    }
    let sessions = page.cut(sessions, |session| session.id).map(|session| {
        let devices = of_session.remove(&session.id).unwrap_or_default();
        SessionView::new(session, caller.session_id, devices)
    });
    Ok(private(HttpResponse::Ok(), &sessions))
}

/// Ends one of the caller's sessions, be it the one that asks.
pub async fn end_session(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    id: web::Path<Uuid>,
) -> Result<HttpResponse, ApiError> {
    ending::end(&state.db, &state.clocks, &state.auth, Which::Own(&caller, *id)).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Ends all of the caller's sessions but the one that asks.
pub async fn end_other_sessions(
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
) -> Result<HttpResponse, ApiError> {
    ending::end_others(&state.db, &state.clocks, &state.auth, &caller).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The password that is, and the one that shall be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    current_password: String,
    code: Option<String>,
    password: String,
}

/// Gives the caller another password.
pub async fn change_password(
    ClientAddress(address): ClientAddress,
    state: web::Data<State>,
    AccountHolder(caller): AccountHolder,
    body: Body<PasswordBody>,
) -> Result<HttpResponse, ApiError> {
    let body = body.value;
    let mut faults = Faults::default();
    password::check(&mut faults, "/password", &body.password, &[]);
    if body.password == body.current_password {
        faults.push("/password", "is the current one");
    }
    faults.finish()?;
    let proof = Proof { password: &body.current_password, code: body.code.as_deref(), address };
    let proven = prove(&state.db, &state.clocks, &state.auth, &caller, proof).await?;
    ending::change_password(&state.db, &state.clocks, &state.auth, &caller, &proven, &body.password).await?;
    super::forgotten::tell_of_change(&state, caller.user_id);
    Ok(HttpResponse::NoContent().finish())
}
