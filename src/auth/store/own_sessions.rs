//! Sessions as the person who opened them sees them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::Session;
use crate::schema::{devices, sessions};

/// A phone or browser that a session registered.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = devices)]
pub struct SessionDevice {
    /// Its id.
    pub id: Uuid,
    /// The session.
    pub session_id: Option<Uuid>,
    /// Who carries its messages.
    pub provider: String,
    /// When the app last told of itself (wall clock).
    pub last_seen_at: DateTime<Utc>,
}

/// A page of a login's sessions that go on, the newest first. Ids are made in the order of time.
pub async fn list_sessions(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    now: DateTime<Utc>,
    before: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<Session>> {
    let mut open = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::revoked_at.is_null())
        .filter(sessions::expires_at.gt(now).and(sessions::idle_expires_at.gt(now)))
        .order(sessions::id.desc())
        .limit(limit)
        .select(Session::as_select())
        .into_boxed();
    if let Some(before) = before {
        open = open.filter(sessions::id.lt(before));
    }
    open.load(conn).await
}

/// What these sessions registered.
pub async fn list_session_devices(conn: &mut AsyncPgConnection, ids: &[Uuid]) -> QueryResult<Vec<SessionDevice>> {
    let owners: Vec<Option<Uuid>> = ids.iter().copied().map(Some).collect();
    devices::table
        .filter(devices::session_id.eq_any(owners))
        .order(devices::id)
        .select(SessionDevice::as_select())
        .load(conn)
        .await
}

/// Whether a session is this login's, ended or not.
pub async fn is_session_of(conn: &mut AsyncPgConnection, user_id: Uuid, id: Uuid) -> QueryResult<bool> {
    let own = sessions::table.find(id).filter(sessions::user_id.eq(user_id));
    diesel::select(diesel::dsl::exists(own)).get_result(conn).await
}
