//! Second factors of logins, and their recovery codes.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::{CodeHash, announce_all};
use crate::auth::totp;
use crate::schema::{recovery_codes, second_factors, users};

/// An authenticator app of a login.
#[derive(Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = second_factors)]
pub struct SecondFactor {
    /// Whose.
    pub user_id: Uuid,
    /// The shared secret, sealed.
    pub secret_sealed: Vec<u8>,
    /// When the secret was made (wall clock).
    pub created_at: DateTime<Utc>,
    /// Since when it is asked for.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The time step of the last code used.
    pub last_step: Option<i64>,
    /// Wrong codes since the last right one.
    pub failures: i32,
    /// When the last of them came.
    pub failed_at: Option<DateTime<Utc>>,
}

impl std::fmt::Debug for SecondFactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecondFactor").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// A login's second factor, confirmed or not.
pub async fn find_second_factor(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Option<SecondFactor>> {
    second_factors::table.find(user_id).select(SecondFactor::as_select()).first(conn).await.optional()
}

/// The same, locked until the transaction ends: a code is tried by one request at a time.
pub async fn lock_second_factor(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Option<SecondFactor>> {
    second_factors::table.find(user_id).for_update().select(SecondFactor::as_select()).first(conn).await.optional()
}

/// Whether a login's second factor is asked for.
pub async fn has_second_factor(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<bool> {
    let confirmed = second_factors::table.find(user_id).filter(second_factors::confirmed_at.is_not_null());
    diesel::select(diesel::dsl::exists(confirmed)).get_result(conn).await
}

/// Stores a secret that waits for its first code, in place of one that waits too. False, and nothing, if there is one that
/// is asked for already.
pub async fn put_second_factor(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    secret_sealed: &[u8],
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let waiting = second_factors::table.find(user_id).filter(second_factors::confirmed_at.is_null());
    diesel::delete(waiting).execute(conn).await?;
    let stored = diesel::insert_into(second_factors::table)
        .values((
            second_factors::user_id.eq(user_id),
            second_factors::secret_sealed.eq(secret_sealed),
            second_factors::created_at.eq(now),
            second_factors::failures.eq(0),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    Ok(stored == 1)
}

/// From now on the second factor is asked for; the code of `step` is used up.
pub async fn confirm_second_factor(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    step: i64,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(second_factors::table.find(user_id))
        .set((second_factors::confirmed_at.eq(now), second_factors::last_step.eq(step)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Uses a right code up: it and earlier ones are void from now on, and wrong ones before it forgotten. False, and nothing, if it
/// is void already, or the app is not the one that was set up at that moment.
pub async fn use_step(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    set_up_at: DateTime<Utc>,
    step: i64,
) -> QueryResult<bool> {
    let unused = second_factors::table
        .find(user_id)
        .filter(second_factors::created_at.eq(set_up_at))
        .filter(second_factors::last_step.lt(step));
    let used = diesel::update(unused)
        .set((
            second_factors::last_step.eq(step),
            second_factors::failures.eq(0),
            second_factors::failed_at.eq(None::<DateTime<Utc>>),
        ))
        .execute(conn)
        .await?;
    Ok(used == 1)
}

/// Makes every code void that may have been used by `now`, of everybody's: which were is lost.
pub async fn use_all_steps(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<()> {
    let confirmed = second_factors::table.filter(second_factors::confirmed_at.is_not_null());
    diesel::update(confirmed).set(second_factors::last_step.eq(totp::last_step(now))).execute(conn).await?;
    Ok(())
}

/// Notes a wrong code.
pub async fn note_failure(conn: &mut AsyncPgConnection, user_id: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(second_factors::table.find(user_id))
        .set((second_factors::failures.eq(second_factors::failures + 1), second_factors::failed_at.eq(now)))
        .execute(conn)
        .await?;
    Ok(())
}

/// Takes a login's second factor and its recovery codes away; false if there was none.
pub async fn delete_second_factor(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<bool> {
    Ok(diesel::delete(second_factors::table.find(user_id)).execute(conn).await? == 1)
}

/// Stores recovery codes in place of all earlier ones.
pub async fn put_recovery_codes(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    hashes: &[CodeHash],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::delete(recovery_codes::table.filter(recovery_codes::user_id.eq(user_id))).execute(conn).await?;
    let rows: Vec<_> = hashes
        .iter()
        .map(|hash| {
            (
                recovery_codes::code_hash.eq(hash.as_slice()),
                recovery_codes::user_id.eq(user_id),
                recovery_codes::created_at.eq(now),
            )
        })
        .collect();
    diesel::insert_into(recovery_codes::table).values(rows).execute(conn).await?;
    Ok(())
}

/// Whether a recovery code is one of this login's, and not used yet.
pub async fn has_recovery_code(conn: &mut AsyncPgConnection, user_id: Uuid, hash: &CodeHash) -> QueryResult<bool> {
    let code = recovery_codes::table.find(hash.as_slice()).filter(recovery_codes::user_id.eq(user_id));
    diesel::select(diesel::dsl::exists(code)).get_result(conn).await
}

/// Uses a recovery code up; false if it is not one of this login's, or no longer.
pub async fn use_recovery_code(conn: &mut AsyncPgConnection, user_id: Uuid, hash: &CodeHash) -> QueryResult<bool> {
    let code = recovery_codes::table.find(hash.as_slice()).filter(recovery_codes::user_id.eq(user_id));
    Ok(diesel::delete(code).execute(conn).await? == 1)
}

/// How many recovery codes a login has left.
pub async fn count_recovery_codes(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<i64> {
    recovery_codes::table.filter(recovery_codes::user_id.eq(user_id)).count().get_result(conn).await
}

/// Makes the access tokens of those of these logins that have no second factor void everywhere; says whose.
pub async fn call_back_bare_tokens(
    conn: &mut AsyncPgConnection,
    locked: &[Uuid],
    at: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let guarded =
        second_factors::table.filter(second_factors::confirmed_at.is_not_null()).select(second_factors::user_id);
    let bare = users::table.filter(users::id.eq_any(locked)).filter(users::id.ne_all(guarded));
    let bare: Vec<Uuid> =
        diesel::update(bare).set(users::tokens_valid_after.eq(at)).returning(users::id).get_results(conn).await?;
    announce_all(conn, &bare, at).await?;
    Ok(bare)
}
