//! SQL over `devices`. The address itself is sealed before it comes here. Devices belong to logins, not to clinics.

mod local;
mod stale;

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Binary, Bool, Nullable, Text, Uuid as SqlUuid};
use diesel::upsert::excluded;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::schema::devices;

pub use local::{Ring, list_owed, mark_opened, mark_shown, prune_rings, replace_rings};
pub use stale::{retire_stale, touch};

/// The most devices of one login.
pub const MAX_DEVICES: i64 = 20;

/// A device, without its address.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = devices)]
pub struct Device {
    /// Chosen by the app.
    pub id: Uuid,
    /// The login that registered it.
    pub session_id: Option<Uuid>,
    /// Who carries its messages.
    pub provider: String,
    /// The app at the provider; empty where there is but one.
    pub app_id: String,
    /// APNs environment.
    pub environment: String,
    /// What the address is.
    pub address_kind: String,
    /// Language of the phone.
    pub locale: String,
    /// IANA zone of the phone.
    pub time_zone: String,
    /// Whether the person lets the app notify.
    pub permission: String,
    /// When this address was last registered (wall clock).
    pub registered_at: DateTime<Utc>,
    /// When the app last told us about itself (wall clock).
    pub last_seen_at: DateTime<Utc>,
    /// Since when the address is left alone.
    pub quarantined_at: Option<DateTime<Utc>>,
    /// Which of our keys the subscription was made with (Web Push).
    pub vapid_key_id: Option<String>,
}

impl Device {
    /// Whether messages go to it: the person lets the app notify, or nobody asked them, and the address is not suspect.
    pub fn is_reachable(&self) -> bool {
        self.permission != "denied" && self.quarantined_at.is_none()
    }
}

/// A device to be written.
#[derive(Debug, Insertable)]
#[diesel(table_name = devices)]
pub struct NewDevice<'a> {
    /// Chosen by the app.
    pub id: Uuid,
    /// Whose it is now.
    pub user_id: Uuid,
    /// The login that registers it.
    pub session_id: Uuid,
    /// Who carries its messages.
    pub provider: &'a str,
    /// The app at the provider.
    pub app_id: &'a str,
    /// APNs environment.
    pub environment: &'a str,
    /// What the address is.
    pub address_kind: &'a str,
    /// SHA-256 of the address.
    pub address_hash: &'a [u8],
    /// Address and keys, sealed.
    pub address_sealed: &'a [u8],
    /// Language of the phone.
    pub locale: &'a str,
    /// IANA zone of the phone.
    pub time_zone: &'a str,
    /// Whether the person lets the app notify.
    pub permission: &'a str,
    /// Now (wall clock).
    pub registered_at: DateTime<Utc>,
    /// Now (wall clock).
    pub last_seen_at: DateTime<Utc>,
    /// Which of our keys the subscription was made with (Web Push).
    pub vapid_key_id: Option<&'a str>,
    /// SHA-256 of the secret part of the token that this registration is answered with.
    pub fetch_token_hash: &'a [u8],
}

/// The devices of a login, the last used first.
pub async fn list_devices(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Vec<Device>> {
    devices::table
        .filter(devices::user_id.eq(user_id))
        .order((devices::last_seen_at.desc(), devices::id))
        .select(Device::as_select())
        .load(conn)
        .await
}

/// One device of a login.
pub async fn find_device(conn: &mut AsyncPgConnection, user_id: Uuid, id: Uuid) -> QueryResult<Device> {
    devices::table.find(id).filter(devices::user_id.eq(user_id)).select(Device::as_select()).first(conn).await
}

/// Makes registrations of one login wait for each other, and those of one address, until the transaction ends.
pub async fn lock_registration(conn: &mut AsyncPgConnection, user_id: Uuid, address_hash: &[u8]) -> QueryResult<()> {
    let keys = [user_id.as_bytes().as_slice(), address_hash].map(|bytes| {
        let mut key = [0; 8];
        key.iter_mut().zip(bytes.iter().rev()).for_each(|(key, byte)| *key = *byte);
        i64::from_le_bytes(key)
    });
    conn.batch_execute(&keys.map(|key| format!("SELECT pg_advisory_xact_lock({key})")).join("; ")).await
}

hot_query! {
    struct VapidKeyOfAddress {
        provider: String as Text,
        app_id: String as Text,
        hash: Vec<u8> as Binary,
    }
    returns Nullable<Text>;
    "SELECT vapid_key_id FROM vapid_key_of_address($1, $2, $3)"
}

/// With which of our keys the subscription at an address was made, as it was last registered by anybody; `None` where the
/// address is new.
pub async fn find_vapid_key(
    conn: &mut AsyncPgConnection,
    provider: &str,
    app_id: &str,
    address_hash: &[u8],
) -> QueryResult<Option<Option<String>>> {
    let (provider, app_id, hash) = (provider.to_owned(), app_id.to_owned(), address_hash.to_vec());
    VapidKeyOfAddress { provider, app_id, hash }.get_result(conn).await.optional()
}

hot_query! {
    /// Whoever had the address before may be anybody: no scope of a person's sees them.
    struct TakeAddress {
        device: Uuid as SqlUuid,
        holder: Uuid as SqlUuid,
        provider: String as Text,
        app_id: String as Text,
        hash: Vec<u8> as Binary,
    }
    returns Bool;
    "SELECT take_address($1, $2, $3, $4, $5)"
}

/// Writes a device and takes its address away from whichever other device has it. Whether the device is new;
/// `None` if its id is another login's. Runs under [`lock_registration`].
pub async fn upsert_device(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    device: &NewDevice<'_>,
) -> QueryResult<Option<(Device, bool)>> {
    let taken = TakeAddress {
        device: device.id,
        holder: user_id,
        provider: device.provider.to_owned(),
        app_id: device.app_id.to_owned(),
        hash: device.address_hash.to_vec(),
    };
    if !taken.get_result::<bool>(conn).await? {
        return Ok(None);
    }
    let written = diesel::insert_into(devices::table).values(device).on_conflict(devices::id).do_update().set((
        devices::session_id.eq(excluded(devices::session_id)),
        devices::provider.eq(excluded(devices::provider)),
        devices::app_id.eq(excluded(devices::app_id)),
        devices::environment.eq(excluded(devices::environment)),
        devices::address_kind.eq(excluded(devices::address_kind)),
        devices::address_hash.eq(excluded(devices::address_hash)),
        devices::address_sealed.eq(excluded(devices::address_sealed)),
        devices::locale.eq(excluded(devices::locale)),
        devices::time_zone.eq(excluded(devices::time_zone)),
        devices::permission.eq(excluded(devices::permission)),
        devices::registered_at.eq(excluded(devices::registered_at)),
        devices::last_seen_at.eq(excluded(devices::last_seen_at)),
        devices::vapid_key_id.eq(excluded(devices::vapid_key_id)),
        devices::fetch_token_hash.eq(excluded(devices::fetch_token_hash)),
        // The row as it was: its token goes on working until the next registration.
        devices::fetch_token_before.eq(devices::fetch_token_hash),
        devices::quarantined_at.eq(None::<DateTime<Utc>>),
        devices::quarantine_reason.eq(None::<String>),
    ));
    diesel::query_dsl::methods::FilterDsl::filter(written, devices::user_id.eq(user_id))
        // A row that an insert has just made has no deleting transaction; one that an upsert rewrote has ours.
        .returning((Device::as_returning(), sql::<Bool>("(xmax = 0)")))
        .get_result(conn)
        .await
        .optional()
}

/// Forgets the devices of a login that were unused longest, if there are more than [`MAX_DEVICES`]. Reinstalling an app
/// leaves its old device behind; refusing the twenty-first would punish whoever did it most. `kept` is never among them.
pub async fn delete_surplus(conn: &mut AsyncPgConnection, user_id: Uuid, kept: Uuid) -> QueryResult<usize> {
    let surplus: Vec<Uuid> = devices::table
        .filter(devices::user_id.eq(user_id))
        .filter(devices::id.ne(kept))
        .order((devices::last_seen_at.desc(), devices::id))
        .offset(MAX_DEVICES - 1)
        .select(devices::id)
        .load(conn)
        .await?;
    if surplus.is_empty() {
        return Ok(0);
    }
    diesel::delete(devices::table.filter(devices::id.eq_any(surplus))).execute(conn).await
}

/// Forgets one device of a login; whether there was one.
pub async fn delete_device(conn: &mut AsyncPgConnection, user_id: Uuid, id: Uuid) -> QueryResult<bool> {
    let deleted = diesel::delete(devices::table.find(id).filter(devices::user_id.eq(user_id))).execute(conn).await?;
    Ok(deleted == 1)
}

/// Forgets all devices of a login, and what they ring for by themselves.
pub async fn delete_devices_of(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<usize> {
    diesel::delete(devices::table.filter(devices::user_id.eq(user_id))).execute(conn).await
}

/// Leaves an address alone until the app registers again, unless it did so since `registered_before`: then it is another
/// address, or one that its app vouches for anew.
pub async fn quarantine(
    conn: &mut AsyncPgConnection,
    device: Uuid,
    reason: &str,
    registered_before: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let tried = devices::id.eq(device).and(devices::registered_at.lt(registered_before));
    diesel::update(devices::table.filter(tried.and(devices::quarantined_at.is_null())))
        .set((devices::quarantined_at.eq(now), devices::quarantine_reason.eq(reason)))
        .execute(conn)
        .await?;
    Ok(())
}

/// The same for several devices, each with its reason: in the order of their ids, as everybody does who locks several.
pub async fn quarantine_all(
    conn: &mut AsyncPgConnection,
    mut devices: Vec<(Uuid, DateTime<Utc>, &str)>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    devices.sort_unstable();
    for (device, registered_before, reason) in devices {
        quarantine(conn, device, reason, registered_before, now).await?;
    }
    Ok(())
}

/// The quarantine's reason of a device that nobody has heard of for too long.
const STALE: &str = "stale";
/// The quarantine's reason of an address that its provider calls dead.
pub const DEAD: &str = "unregistered";

/// Uses devices again that were left alone by mistake. Returns whose they are.
pub async fn restore_devices(conn: &mut AsyncPgConnection, ids: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    // A retired device has no address left to use.
    let by_mistake = devices::quarantined_at.is_not_null().and(devices::quarantine_reason.is_distinct_from(STALE));
    let set_aside = devices::table.filter(devices::id.eq_any(ids).and(by_mistake));
    diesel::update(set_aside)
        .set((devices::quarantined_at.eq(None::<DateTime<Utc>>), devices::quarantine_reason.eq(None::<String>)))
        .returning(devices::user_id)
        .get_results(conn)
        .await
}

/// Forgets addresses that were called dead before `before`, and that nobody registered again since.
pub async fn prune_dead(conn: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    let dead = devices::quarantine_reason.eq(DEAD).and(devices::quarantined_at.lt(before));
    diesel::delete(devices::table.filter(dead)).execute(conn).await
}
