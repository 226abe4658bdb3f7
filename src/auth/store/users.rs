//! Users.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{announce, announce_all};
use crate::schema::{clinics, memberships, users};

/// A login.
#[derive(Clone, PartialEq, Eq, Queryable, QueryableByName, Selectable, Insertable)]
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

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a person may change about itself. Absent: as it was.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// As the person wants to be called.
    pub display_name: Option<String>,
    /// IANA zone.
    pub time_zone: Option<String>,
    /// Language tag.
    pub locale: Option<String>,
}

/// The login with this (lower-cased) address, in any scope.
pub async fn find_user_by_email(conn: &mut AsyncPgConnection, email: &str) -> QueryResult<Option<User>> {
    let asked = diesel::sql_query("SELECT * FROM login_of_email($1)").bind::<Text, _>(email);
    asked.get_result(conn).await.optional()
}

/// One login.
pub async fn find_user(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<User> {
    users::table.find(id).select(User::as_select()).first(conn).await
}

/// What others know of a person: address, name, and the names of the clinics.
pub async fn list_known_words(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Vec<String>> {
    let (email, display_name) = users::table.find(id).select((users::email, users::display_name)).first(conn).await?;
    let clinics: Vec<String> = memberships::table
        .inner_join(clinics::table.on(clinics::id.eq(memberships::clinic_id)))
        .filter(memberships::user_id.eq(id))
        .select(clinics::name)
        .load(conn)
        .await?;
    Ok([vec![email, display_name], clinics].concat())
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

/// Changes the profile of a locked login. A change of nothing is none.
pub async fn update_profile(conn: &mut AsyncPgConnection, before: &User, change: ProfileChange) -> QueryResult<User> {
    let after = User {
        display_name: change.display_name.unwrap_or_else(|| before.display_name.clone()),
        time_zone: change.time_zone.unwrap_or_else(|| before.time_zone.clone()),
        locale: change.locale.unwrap_or_else(|| before.locale.clone()),
        ..before.clone()
    };
    if after == *before {
        return Ok(after);
    }
    diesel::update(users::table.find(before.id))
        .set((
            users::display_name.eq(&after.display_name),
            users::time_zone.eq(&after.time_zone),
            users::locale.eq(&after.locale),
            users::version.eq(before.version + 1),
        ))
        .returning(User::as_returning())
        .get_result(conn)
        .await
}

/// Sets another password.
pub async fn update_password(conn: &mut AsyncPgConnection, id: Uuid, password_hash: &str) -> QueryResult<()> {
    diesel::update(users::table.find(id)).set(users::password_hash.eq(password_hash)).execute(conn).await?;
    Ok(())
}

/// Makes every access token void that was issued before `at`: for servers that are about to start. Returns how many logins
/// that concerns.
pub async fn call_back_all_tokens(conn: &mut AsyncPgConnection, at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(users::table).set(users::tokens_valid_after.eq(at)).execute(conn).await
}

/// Makes all access tokens issued before `at` void, everywhere, when the transaction commits.
pub async fn call_back_tokens(conn: &mut AsyncPgConnection, user_id: Uuid, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(users::table.find(user_id)).set(users::tokens_valid_after.eq(at)).execute(conn).await?;
    announce(conn, user_id, at).await
}

/// The same for many logins at once.
pub async fn call_back_tokens_of(
    conn: &mut AsyncPgConnection,
    user_ids: &[Uuid],
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let many = users::table.filter(users::id.eq_any(user_ids));
    diesel::update(many).set(users::tokens_valid_after.eq(at)).execute(conn).await?;
    announce_all(conn, user_ids, at).await
}
