//! What workers erase when its time has come: each login and each record in a transaction of its own, so that a worker that
//! dies has erased all of one or nothing of it, and one that cannot be erased holds up no other: it is told of once and passed
//! over until the next run. Each is written down outside the database before it is committed: a restored backup must not bring
//! anybody back.

use chrono::{DateTime, Utc};
use diesel::OptionalExtension;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::ended::detach_ended;
use super::store::{self, Due};
use super::{erase, purge};
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
            match db.scoped(Scope::System, one).await {
                Ok(done) => erased += usize::from(done),
                Err(error) => tracing::warn!(user.id = %login, %error, "a login was not erased; again in an hour"),
            }
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

/// Purges the records whose time is over; returns how many.
pub async fn purge_due(db: &Db, clocks: &Clocks, journal: &Journal) -> Result<usize, DueError> {
    let (mut purged, mut after) = (0, None);
    loop {
        let now = clocks.wall.now();
        let list =
            async |conn: &mut AsyncPgConnection| Ok::<_, DueError>(store::list_to_purge(conn, now, after, PAGE).await?);
        let page: Vec<Due> = db.scoped(Scope::System, list).await?;
        for record in &page {
            match purge_one(db, clocks, journal, record, now).await {
                Ok(done) => purged += usize::from(done),
                Err(error) => tracing::warn!(
                    clinic = %record.clinic_id, patient.id = %record.patient_id, %error,
                    "a record was not purged; again in an hour"
                ),
            }
        }
        after = page.last().copied();
        if after.is_none() {
            return Ok(purged);
        }
    }
}

/// A record that is not detached yet is detached first, in a transaction of its own: what is written down must be final.
async fn purge_one(
    db: &Db,
    clocks: &Clocks,
    journal: &Journal,
    record: &Due,
    now: DateTime<Utc>,
) -> Result<bool, DueError> {
    let (clinic_id, id) = (record.clinic_id, record.patient_id);
    let detach =
        async |conn: &mut AsyncPgConnection| Ok::<_, DueError>(detach_ended(conn, clocks, clinic_id, id, now).await?);
    if !record.is_detached && !db.scoped(Scope::System, detach).await? {
        return Ok(false);
    }
    let one = async |conn: &mut AsyncPgConnection| {
        if !store::lock_to_purge(conn, clinic_id, id, now).await? || !purge(conn, clocks, clinic_id, id).await? {
            return Ok(false);
        }
        journal.append(Erased::Patient { clinic_id, id }, now).await?;
        Ok::<_, DueError>(true)
    };
    db.scoped(Scope::System, one).await
}
