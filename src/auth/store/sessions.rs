//! Sessions and their refresh tokens.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Binary, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::schema::{refresh_tokens, sessions};

/// SHA-256 of a refresh token.
pub type TokenHash = [u8; 32];

/// One login on one app.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = sessions)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// The active clinic.
    pub clinic_id: Uuid,
    /// Login (wall clock).
    pub created_at: DateTime<Utc>,
    /// Last refresh.
    pub last_used_at: DateTime<Utc>,
    /// Ends if unused until then.
    pub idle_expires_at: DateTime<Utc>,
    /// Ends then in any case.
    pub expires_at: DateTime<Utc>,
    /// When it was ended early.
    pub revoked_at: Option<DateTime<Utc>>,
    /// What the app calls what it runs on.
    pub device_name: Option<String>,
}

/// A refresh token as stored.
#[derive(Debug, Clone, Queryable)]
pub struct StoredToken {
    /// The token it was exchanged for.
    pub parent_hash: Option<Vec<u8>>,
    /// When it was exchanged.
    pub rotated_at: Option<DateTime<Utc>>,
}

/// Starts a session.
pub async fn insert_session(conn: &mut AsyncPgConnection, session: &Session) -> QueryResult<()> {
    diesel::insert_into(sessions::table).values(session).execute(conn).await?;
    Ok(())
}

hot_query! {
    struct SessionOfToken { hash: Vec<u8> as Binary }
    returns (SqlUuid, SqlUuid);
    "SELECT session_id, user_id FROM session_of_token($1)"
}

/// Session and user of a refresh token, in any scope.
pub async fn find_token_owner(conn: &mut AsyncPgConnection, hash: &TokenHash) -> QueryResult<Option<(Uuid, Uuid)>> {
    SessionOfToken { hash: hash.to_vec() }.get_result(conn).await.optional()
}

/// One session, locked.
pub async fn lock_session(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Session> {
    sessions::table.find(id).for_update().select(Session::as_select()).first(conn).await
}

/// Whether a session goes on, and will until this transaction ends.
pub async fn keep_session(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<bool> {
    let going = sessions::table.find(id).filter(sessions::revoked_at.is_null());
    Ok(going.for_share().select(sessions::id).first::<Uuid>(conn).await.optional()?.is_some())
}

/// One refresh token.
pub async fn find_token(conn: &mut AsyncPgConnection, hash: &TokenHash) -> QueryResult<StoredToken> {
    refresh_tokens::table
        .find(hash.as_slice())
        .select((refresh_tokens::parent_hash, refresh_tokens::rotated_at))
        .first(conn)
        .await
}

/// Whether a token that was given out for this one has itself been exchanged.
pub async fn is_successor_used(conn: &mut AsyncPgConnection, hash: &TokenHash) -> QueryResult<bool> {
    let used = refresh_tokens::table
        .filter(refresh_tokens::parent_hash.eq(hash.as_slice()))
        .filter(refresh_tokens::rotated_at.is_not_null());
    diesel::select(diesel::dsl::exists(used)).get_result(conn).await
}

/// The session's newest token that has not been exchanged.
pub async fn find_newest_token(conn: &mut AsyncPgConnection, session_id: Uuid) -> QueryResult<Option<Vec<u8>>> {
    refresh_tokens::table
        .filter(refresh_tokens::session_id.eq(session_id))
        .filter(refresh_tokens::rotated_at.is_null())
        .order(refresh_tokens::issued_at.desc())
        .select(refresh_tokens::token_hash)
        .first(conn)
        .await
        .optional()
}

/// Stores a token, unless it is there already (its parent was presented again).
pub async fn insert_token(
    conn: &mut AsyncPgConnection,
    session_id: Uuid,
    hash: &TokenHash,
    parent: Option<&[u8]>,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(refresh_tokens::table)
        .values((
            refresh_tokens::token_hash.eq(hash.as_slice()),
            refresh_tokens::session_id.eq(session_id),
            refresh_tokens::parent_hash.eq(parent),
            refresh_tokens::issued_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(())
}

/// Marks a token exchanged, if it was not before.
pub async fn rotate_token(conn: &mut AsyncPgConnection, hash: &[u8], now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(refresh_tokens::table.find(hash).filter(refresh_tokens::rotated_at.is_null()))
        .set(refresh_tokens::rotated_at.eq(now))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets the other tokens that were given out for the same parent: this one is in use now.
pub async fn delete_siblings(conn: &mut AsyncPgConnection, hash: &TokenHash, parent: &[u8]) -> QueryResult<()> {
    let siblings = refresh_tokens::table
        .filter(refresh_tokens::parent_hash.eq(parent))
        .filter(refresh_tokens::token_hash.ne(hash.as_slice()));
    diesel::delete(siblings).execute(conn).await?;
    Ok(())
}

/// Notes a use, and the clinic that new access tokens name.
pub async fn update_session(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    clinic_id: Uuid,
    now: DateTime<Utc>,
    idle_expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(sessions::table.find(id))
        .set((
            sessions::clinic_id.eq(clinic_id),
            sessions::last_used_at.eq(now),
            sessions::idle_expires_at.eq(idle_expires_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The clinic of the login's latest session.
pub async fn find_last_clinic(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Option<Uuid>> {
    sessions::table
        .filter(sessions::user_id.eq(user_id))
        .order(sessions::last_used_at.desc())
        .select(sessions::clinic_id)
        .first(conn)
        .await
        .optional()
}
