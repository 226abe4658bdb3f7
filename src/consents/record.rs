//! Recording that somebody agrees, or no longer does. A block of the transactions in which they do; in the person's scope, on a
//! login that is locked.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, Consent};
use crate::clock::Clocks;

/// From now on the person agrees to this version of a kind, or to none. Saying the same again changes nothing; whether anything
/// changed.
pub async fn agree(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    user_id: Uuid,
    kind: &str,
    version: Option<&str>,
) -> QueryResult<bool> {
    let now = clocks.wall.now();
    let ended = store::withdraw_other(conn, user_id, kind, version, now).await?;
    let Some(version) = version else { return Ok(ended) };
    let consent = Consent {
        user_id,
        id: clocks.fresh_id(),
        kind: kind.to_owned(),
        version: version.to_owned(),
        given_at: now,
        withdrawn_at: None,
    };
    store::insert_consent(conn, &consent).await
}
