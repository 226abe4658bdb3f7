//! Users.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::announce;
use crate::schema::users;

/// A login.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = users)]
pub struct User {
    /// Its id.
    pub id: Uuid,
    /// Lower-cased.
    pub email: String,
    /// PHC string.
    pub password_hash: String,
    /// As the person wants to be called.
    pub display_name: String,
    /// IANA zone.
    pub time_zone: String,
    /// Language tag.
    pub locale: String,
    /// Access tokens issued before are void.
    pub tokens_valid_after: DateTime<Utc>,
    /// Counts edits.
    pub version: i32,
    /// When the login was made (wall clock).
    pub created_at: DateTime<Utc>,
}

/// What a person may change about itself.
#[derive(Debug, Clone, Default, AsChangeset)]
#[diesel(table_name = users)]
pub struct ProfileChange {
    /// As the person wants to be called.
    pub display_name: Option<String>,
    /// IANA zone.
    pub time_zone: Option<String>,
    /// Language tag.
    pub locale: Option<String>,
}

/// The login with this (lower-cased) address.
pub async fn find_user_by_email(conn: &mut AsyncPgConnection, email: &str) -> QueryResult<Option<User>> {
    users::table.filter(users::email.eq(email)).select(User::as_select()).first(conn).await.optional()
}

/// One login.
pub async fn find_user(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<User> {
    users::table.find(id).select(User::as_select()).first(conn).await
}

/// One login, held as it is until the transaction ends. Whoever issues tokens holds it so, and looks at the clock and
/// at memberships only then: no change of role can slip in between.
pub async fn share_user(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<User> {
    users::table.find(id).for_share().select(User::as_select()).first(conn).await
}

/// One login, locked for a change. Whoever calls tokens back takes this lock before looking at the clock.
pub async fn lock_user(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<User> {
    users::table.find(id).for_update().select(User::as_select()).first(conn).await
}

/// Makes a login.
pub async fn insert_user(conn: &mut AsyncPgConnection, user: &User) -> QueryResult<()> {
    diesel::insert_into(users::table).values(user).execute(conn).await?;
    Ok(())
}

/// Changes the profile, if it still has `version` (where given). `None`: it changed meanwhile.
pub async fn update_profile(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    version: Option<i32>,
    change: &ProfileChange,
) -> QueryResult<Option<User>> {
    let version: i32 = match version {
        Some(version) => version,
        None => lock_user(conn, id).await?.version,
    };
    diesel::update(users::table.find(id).filter(users::version.eq(version)))
        .set((change, users::version.eq(version + 1)))
        .returning(User::as_returning())
        .get_result(conn)
        .await
        .optional()
}

/// Sets another password.
pub async fn update_password(conn: &mut AsyncPgConnection, id: Uuid, password_hash: &str) -> QueryResult<()> {
    diesel::update(users::table.find(id)).set(users::password_hash.eq(password_hash)).execute(conn).await?;
    Ok(())
}

/// Makes all access tokens issued before `at` void, everywhere, when the transaction commits.
pub async fn call_back_tokens(conn: &mut AsyncPgConnection, user_id: Uuid, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(users::table.find(user_id)).set(users::tokens_valid_after.eq(at)).execute(conn).await?;
    announce(conn, user_id, at).await
}
