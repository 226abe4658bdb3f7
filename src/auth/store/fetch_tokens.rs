//! Fetch tokens, which rest in the rows of devices.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::TokenHash;
use crate::db::hot::hot_query;
use crate::schema::{devices, sessions};

hot_query! {
    struct LoginOfFetchToken {
        device: Uuid as SqlUuid,
        hash: Vec<u8> as Binary,
    }
    returns SqlUuid;
    "SELECT user_id FROM login_of_fetch_token($1, $2)"
}

/// The login behind a device's fetch token, whatever has become of that, in any scope.
pub async fn find_fetching_login(
    conn: &mut AsyncPgConnection,
    device: Uuid,
    hash: &TokenHash,
) -> QueryResult<Option<Uuid>> {
    LoginOfFetchToken { device, hash: hash.to_vec() }.get_result(conn).await.optional()
}

/// The login and the session behind a device's fetch token: the device is still registered, no earlier than
/// `registered_after`, and the session that registered it goes on.
pub async fn find_fetcher(
    conn: &mut AsyncPgConnection,
    device_id: Uuid,
    hash: &TokenHash,
    registered_after: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<Option<(Uuid, Uuid)>> {
    let presented = hash.as_slice();
    devices::table
        .inner_join(sessions::table.on(sessions::id.nullable().eq(devices::session_id)))
        .filter(devices::id.eq(device_id).and(devices::registered_at.gt(registered_after)))
        .filter(devices::fetch_token_hash.eq(presented).or(devices::fetch_token_before.eq(presented)))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now).and(sessions::idle_expires_at.gt(now)))
        .select((devices::user_id, sessions::id))
        .first(conn)
        .await
        .optional()
}
