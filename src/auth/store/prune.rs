//! What logins leave behind, removed once nobody can use or miss it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel::sql_types::Timestamptz;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::schema::{devices, reset_codes, second_factors, sessions};

/// How long what has ended is kept, to tell what happened.
const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// Removes the device addresses of sessions that ran out, and sessions, refresh tokens and reset codes that ended some
/// time ago, and secrets of second factors that nobody confirmed. A token stays for as long as its successor has not been used: it may still be presented.
pub async fn prune(conn: &mut AsyncPgConnection, wall_now: DateTime<Utc>) -> QueryResult<usize> {
    let long_ago = wall_now - KEPT_FOR;
    let ran_out = sessions::table
        .filter(sessions::expires_at.le(wall_now).or(sessions::idle_expires_at.le(wall_now)))
        .select(sessions::id.nullable());
    let mut pruned = diesel::delete(devices::table.filter(devices::session_id.eq_any(ran_out))).execute(conn).await?;
    let ended = sessions::expires_at
        .lt(long_ago)
        .or(sessions::idle_expires_at.lt(long_ago))
        .or(sessions::revoked_at.lt(long_ago).assume_not_null());
    pruned += diesel::delete(sessions::table.filter(ended)).execute(conn).await?;
    let spent = "DELETE FROM refresh_tokens spent WHERE rotated_at < $1 AND EXISTS \
                 (SELECT FROM refresh_tokens next WHERE next.parent_hash = spent.token_hash AND next.rotated_at < $1)";
    pruned += diesel::sql_query(spent).bind::<Timestamptz, _>(long_ago).execute(conn).await?;
    pruned += diesel::delete(reset_codes::table.filter(reset_codes::expires_at.lt(long_ago))).execute(conn).await?;
    let given_up = second_factors::table
        .filter(second_factors::confirmed_at.is_null())
        .filter(second_factors::created_at.lt(long_ago));
    pruned += diesel::delete(given_up).execute(conn).await?;
    Ok(pruned)
}
