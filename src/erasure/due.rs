//! What workers erase when its time has come: each login and each record in a transaction of its own, so that a worker that
//! dies has erased all of one or nothing of it, and one that cannot be erased holds up no other.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{erase, store};
use crate::auth::store as logins;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};

/// How many are read at once.
const PAGE: i64 = 100;

/// Erases the logins whose time is over; returns how many.
pub async fn erase_due(db: &Db, clocks: &Clocks) -> Result<usize, DbError> {
    let (mut erased, mut after) = (0, None);
    loop {
        let now = clocks.wall.now();
        let list =
            async |conn: &mut AsyncPgConnection| Ok::<_, DbError>(store::list_due(conn, now, after, PAGE).await?);
        let page: Vec<Uuid> = db.scoped(Scope::System, list).await?;
        for login in &page {
            let done = db.scoped(Scope::System, async |conn| Ok(one(conn, clocks, *login).await?)).await;
            erased += counted(done);
        }
        after = page.last().copied();
        if after.is_none() {
            return Ok(erased);
        }
    }
}

/// Erases a login whose time is still over once it is locked: its person may be taking it back.
async fn one(conn: &mut AsyncPgConnection, clocks: &Clocks, user_id: Uuid) -> QueryResult<bool> {
    if diesel::OptionalExtension::optional(logins::lock_user(conn, user_id).await)?.is_none() {
        return Ok(false);
    }
    let pending = store::find_pending(conn, user_id).await?;
    if pending.is_none_or(|pending| pending.erase_at > clocks.wall.now()) {
        return Ok(false);
    }
    erase(conn, clocks, user_id).await
}

/// Purges the detached records whose time is over; returns how many.
pub async fn purge_due(db: &Db, clocks: &Clocks) -> Result<usize, DbError> {
    let mut purged = 0;
    loop {
        let now = clocks.wall.now();
        let list = async |conn: &mut AsyncPgConnection| Ok::<_, DbError>(store::list_to_purge(conn, now, PAGE).await?);
        let page: Vec<(Uuid, Uuid)> = db.scoped(Scope::System, list).await?;
        let before = purged;
        for (clinic, patient) in page {
            let done = db.scoped(Scope::System, async |conn| {
                let is_due = store::lock_to_purge(conn, clinic, patient, now).await?;
                Ok(is_due && super::purge(conn, clocks, clinic, patient).await?)
            });
            purged += counted(done.await);
        }
        // Those that are left could not be purged: they are tried again the next time.
        if purged == before {
            return Ok(purged);
        }
    }
}

fn counted(done: Result<bool, DbError>) -> usize {
    done.map(usize::from).unwrap_or_else(|error| {
        tracing::warn!(%error, "what is due could not be erased; it is tried again in an hour");
        0
    })
}
