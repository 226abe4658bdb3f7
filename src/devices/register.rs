//! What happens to a caller's device. Registered: the address changes hands and the person's zone follows the phone, in one
//! transaction; then what found no device before is owed again. Tested: one more alert is owed. Removed: it is forgotten.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::fields::Registration;
use super::store::{self, Device, NewDevice};
use crate::alerts::queue::{self, Owed, PlannedState, Recipient, RecipientKind};
use crate::audit::{self, Entry};
use crate::auth;
use crate::auth::extract::Caller;
use crate::auth::fetch_token;
use crate::clock::Clocks;
use crate::db::{Scope, enter};
use crate::domain::ids;
use crate::failpoint::failpoint;
use crate::patients;
use crate::planning::PlanningError;
use crate::protocols::Catalogue;

/// Why a device is not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The id names another login's device.
    #[error("the id is in use")]
    IdTaken,
    /// The caller has just logged out.
    #[error("the session has ended")]
    SessionEnded,
    /// What the person is owed could not be planned anew.
    #[error(transparent)]
    Planning(#[from] PlanningError),
    /// No token could be drawn.
    #[error("no randomness")]
    Token,
    /// The database refused a statement.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// A device that was registered.
#[derive(Debug)]
pub struct Registered {
    /// As it is now.
    pub device: Device,
    /// Whether it was unknown before.
    pub is_new: bool,
    /// With what its notification extension reads alerts: told this once.
    pub fetch_token: String,
}

/// Registers a device of the caller, or registers it again. `sealed` holds address and keys.
///
/// Plans come before devices, as they do when the worker settles: both take their locks in the same order.
pub async fn register(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    catalogue: &Catalogue,
    caller: &Caller,
    id: Uuid,
    device: &Registration,
    sealed: &[u8],
) -> Result<Registered, RegisterError> {
    // Whoever logs out at this moment waits, and then finds the address to remove. The user first, then the session: all
    // who take both do it in this order.
    auth::store::share_user(conn, caller.user_id).await?;
    if !auth::store::keep_session(conn, caller.session_id).await? {
        return Err(RegisterError::SessionEnded);
    }
    let now = clocks.care.now();
    for (clinic_id, patient_id) in patients::store::list_records_of(conn, caller.user_id).await? {
        enter(conn, Scope::Clinic(clinic_id)).await?;
        patients::zones::follow_device(conn, catalogue, clinic_id, patient_id, device.time_zone, now).await?;
    }
    enter(conn, Scope::User(caller.user_id)).await?;
    let address_hash = device.address_hash();
    store::lock_registration(conn, caller.user_id, &address_hash).await?;
    let vapid_key_id = vapid_key_of(conn, device, &address_hash).await?;
    let wall_now = clocks.wall.now();
    let (fetch_token, fetch_token_hash) = fetch_token::issue(id).map_err(|_unspecified| RegisterError::Token)?;
    let row = NewDevice {
        id,
        user_id: caller.user_id,
        session_id: caller.session_id,
        provider: device.provider.word,
        app_id: &device.app_id,
        environment: device.environment.as_str(),
        address_kind: device.address_kind,
        address_hash: &address_hash,
        address_sealed: sealed,
        locale: &device.locale,
        time_zone: device.time_zone.name(),
        permission: device.permission.as_str(),
        registered_at: wall_now,
        last_seen_at: wall_now,
        vapid_key_id: vapid_key_id.as_deref(),
        fetch_token_hash: &fetch_token_hash,
    };
    let registered = store::upsert_device(conn, caller.user_id, &row).await?;
    let (device, is_new) = registered.ok_or(RegisterError::IdTaken)?;
    if is_new {
        store::delete_surplus(conn, caller.user_id, id).await?;
        audit::record(conn, clocks, entry(caller, "device.register", id)).await?;
    }
    Ok(Registered { device, is_new, fetch_token })
}

/// Which of our keys the subscription was made with. An app that does not say made it with the current one, unless we knew
/// the subscription before that key came.
async fn vapid_key_of(
    conn: &mut AsyncPgConnection,
    device: &Registration,
    address_hash: &[u8],
) -> diesel::QueryResult<Option<String>> {
    let Some(key) = &device.vapid_key else { return Ok(None) };
    if key.is_told {
        return Ok(Some(key.id.clone()));
    }
    let known = store::find_vapid_key(conn, device.provider.word, &device.app_id, address_hash).await?;
    Ok(known.unwrap_or_else(|| Some(key.id.clone())))
}

/// Owes again what found no device, now that there is one: in a transaction of its own, after the one that registered it.
/// If it fails, the app is told so, and registers again.
pub async fn revive(conn: &mut AsyncPgConnection, clocks: &Clocks, caller: &Caller) -> diesel::QueryResult<()> {
    failpoint!("device:registered");
    let memberships = auth::store::list_memberships(conn, caller.user_id).await?;
    // In the order of their ids, as everybody locks alerts.
    for clinic_id in memberships.into_iter().map(|membership| membership.clinic_id).collect::<BTreeSet<_>>() {
        enter(conn, Scope::Clinic(clinic_id)).await?;
        queue::revive_for_user(conn, caller.user_id, clocks.care.now()).await?;
    }
    Ok(())
}

/// How long a test push is worth sending: whoever asked for it is looking at the phone.
const TEST_LASTS: TimeDelta = TimeDelta::minutes(10);

/// Owes a test push to one device of the caller; returns the alert's id. It goes the way of every alert.
pub async fn test(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    device_id: Uuid,
) -> diesel::QueryResult<Uuid> {
    let now = clocks.care.now();
    let to = Recipient { clinic_id: caller.clinic_id, kind: RecipientKind::Member, id: caller.membership_id };
    let owed = Owed {
        dedupe_key: format!("x:{device_id}:{}", clocks.fresh_id()),
        category: "test",
        urgent: false,
        treatment_id: None,
        flag_id: None,
        device_id: Some(device_id),
        protocol_version_id: None,
        item_key: None,
        day_index: None,
        seq: None,
        due_at: now,
        expires_at: now + TEST_LASTS,
        state: PlannedState::Scheduled,
    };
    queue::enqueue(conn, to, &owed, now).await?;
    Ok(ids::alert_id(to.clinic_id, to.id, &owed.dedupe_key))
}

/// Forgets a device of the caller; whether there was one.
pub async fn remove(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    id: Uuid,
) -> diesel::QueryResult<bool> {
    let removed = store::delete_device(conn, caller.user_id, id).await?;
    if removed {
        audit::record(conn, clocks, entry(caller, "device.remove", id)).await?;
    }
    Ok(removed)
}

fn entry(caller: &Caller, action: &'static str, device_id: Uuid) -> Entry {
    let entry = Entry::by(caller, action, "device", device_id);
    caller.patient_id.map_or(entry, |patient_id| entry.about(patient_id))
}
