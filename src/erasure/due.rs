//! What workers erase when its time has come: each login and each record in a transaction of its own, so that a worker that
//! dies has erased all of one or nothing of it, and one that cannot be erased holds up no other. Each is written down outside
//! the database before it is committed: a restored backup must not bring anybody back.

use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{erase, purge, store};
use crate::auth::store as logins;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};
use crate::journal::{Erased, Journal, JournalError};

/// How many are read at once.
const PAGE: i64 = 100;

/// Why something that is due was not erased.
#[derive(Debug, thiserror::Error)]
pub enum DueError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// It could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<diesel::result::Error> for DueError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Erases the logins whose time is over; returns how many.
pub async fn erase_due(db: &Db, clocks: &Clocks, journal: &Journal) -> Result<usize, DueError> {
    let (mut erased, mut after) = (0, None);
    loop {
        let now = clocks.wall.now();
        let list =
            async |conn: &mut AsyncPgConnection| Ok::<_, DueError>(store::list_due(conn, now, after, PAGE).await?);
        let page: Vec<Uuid> = db.scoped(Scope::System, list).await?;
        for login in &page {
            let one = async |conn: &mut AsyncPgConnection| erase_one(conn, clocks, journal, *login).await;
            erased += counted(db.scoped(Scope::System, one).await);
        }
        after = page.last().copied();
        if after.is_none() {
            return Ok(erased);
        }
    }
}

/// Erases a login whose time is still over once it is locked: its person may be taking it back.
async fn erase_one(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    journal: &Journal,
    id: Uuid,
) -> Result<bool, DueError> {
    if logins::lock_user(conn, id).await.optional()?.is_none() {
        return Ok(false);
    }
    let (pending, now) = (store::find_pending(conn, id).await?, clocks.wall.now());
    if pending.is_none_or(|pending| pending.erase_at > now) || !erase(conn, clocks, id).await? {
        return Ok(false);
    }
    journal.append(Erased::Login { id }, now).await?;
    Ok(true)
}

/// Purges the detached records whose time is over; returns how many.
pub async fn purge_due(db: &Db, clocks: &Clocks, journal: &Journal) -> Result<usize, DueError> {
    let mut purged = 0;
    loop {
        let now = clocks.wall.now();
        let list = async |conn: &mut AsyncPgConnection| Ok::<_, DueError>(store::list_to_purge(conn, now, PAGE).await?);
        let page: Vec<(Uuid, Uuid)> = db.scoped(Scope::System, list).await?;
        let before = purged;
        for record in page {
            let one = async |conn: &mut AsyncPgConnection| purge_one(conn, clocks, journal, record, now).await;
            purged += counted(db.scoped(Scope::System, one).await);
        }
        // Those that are left could not be purged: they are tried again the next time.
        if purged == before {
            return Ok(purged);
        }
    }
}

async fn purge_one(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    journal: &Journal,
    (clinic_id, id): (Uuid, Uuid),
    now: DateTime<Utc>,
) -> Result<bool, DueError> {
    if !store::lock_to_purge(conn, clinic_id, id, now).await? || !purge(conn, clocks, clinic_id, id).await? {
        return Ok(false);
    }
    journal.append(Erased::Patient { clinic_id, id }, now).await?;
    Ok(true)
}

fn counted(done: Result<bool, DueError>) -> usize {
    done.map(usize::from).unwrap_or_else(|error| {
        tracing::warn!(%error, "what is due could not be erased; it is tried again in an hour");
        0
    })
}
