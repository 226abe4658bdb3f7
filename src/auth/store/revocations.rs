//! What calls access tokens back before they expire, and how every node hears of it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::auth::token::Verified;
use crate::db::hot::hot_query;
use crate::schema::{sessions, users};

/// Where revocations are told to every node; a payload is `<user or session id> <microseconds>`.
pub const CHANNEL: &str = "mendline_tokens";

/// Tells every node, when the transaction commits, that tokens of this user or session issued before are void.
pub async fn announce(conn: &mut AsyncPgConnection, id: Uuid, valid_after: DateTime<Utc>) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(format!("{id} {}", valid_after.timestamp_micros()))
        .execute(conn)
        .await?;
    Ok(())
}

/// The same for many users or sessions at once.
pub async fn announce_all(conn: &mut AsyncPgConnection, ids: &[Uuid], valid_after: DateTime<Utc>) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_notify($1, id || ' ' || $3) FROM unnest($2) AS told (id)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Text, _>(valid_after.timestamp_micros().to_string())
        .execute(conn)
        .await?;
    Ok(())
}

hot_query! {
    struct TokensCalledBack { since: DateTime<Utc> as Timestamptz }
    returns (SqlUuid, Timestamptz);
    "SELECT id, at FROM tokens_called_back($1)"
}

/// Users and sessions whose tokens were called back after `since`, in any scope.
pub async fn list_recent_revocations(
    conn: &mut AsyncPgConnection,
    since: DateTime<Utc>,
) -> QueryResult<Vec<(Uuid, DateTime<Utc>)>> {
    TokensCalledBack { since }.load(conn).await
}

/// Whether the token's session still stands and its user's tokens were not called back since.
pub async fn find_standing(conn: &mut AsyncPgConnection, token: &Verified) -> QueryResult<bool> {
    let found: Option<Uuid> = sessions::table
        .inner_join(users::table.on(users::id.eq(sessions::user_id)))
        .filter(sessions::id.eq(token.caller.session_id))
        .filter(users::id.eq(token.caller.user_id))
        .filter(users::tokens_valid_after.le(token.issued_at))
        .filter(sessions::revoked_at.is_null())
        .select(sessions::id)
        .first(conn)
        .await
        .optional()?;
    Ok(found.is_some())
}
