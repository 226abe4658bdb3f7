//! Looks at patients' records on their way into the trail. A read writes nothing else, and a transaction for each would cost
//! more than many of them: they wait here, and go into the database together, once a second at most or when many wait.
//!
//! Nothing is dropped. Where there is no room a request waits for some; where there is none for long, or the database has
//! refused the last batch for long, records are not shown: 503. What is lost is what a killed process held, the last second.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Notify, Semaphore};

use super::{Entry, Noted, store};
use crate::clock::Clocks;
use crate::db::{Db, DbError, Dedicated, Scope};

/// How many entries wait at most.
const ROOM: usize = 8192;
/// How often they are written.
const EVERY: Duration = Duration::from_secs(1);
/// How long a request waits for room.
const PATIENCE: Duration = Duration::from_secs(2);
/// For how long the database may refuse before no more records are shown.
const REFUSED: TimeDelta = TimeDelta::seconds(10);
/// An entry that could not be written for longer is written as of then: the day that it happened on may be sealed.
const LATEST: TimeDelta = TimeDelta::minutes(30);
/// How often the last entries are tried to be written before the process ends.
const LAST_TRIES: u32 = 5;

/// A look could not be recorded, so there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("looks at records cannot be recorded just now")]
pub struct Unwritten;

/// The looks of one process that are not written yet. Cheap to clone; all clones share them.
#[derive(Debug, Clone)]
pub struct Reads(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clocks: Clocks,
    /// Places that are free, and how many there are.
    room: Semaphore,
    places: usize,
    noted: Mutex<Vec<Noted>>,
    batch: tokio::sync::Mutex<Batch>,
    /// Since when the database refuses.
    refused_since: Mutex<Option<DateTime<Utc>>>,
    /// Many wait: write them before their second is over.
    many: Notify,
}

/// What is being written, one batch at a time.
struct Batch {
    /// It stays until it is known to be in the database.
    noted: Vec<Noted>,
    /// Beside the pool: one that is full of requests refuses, and the more are served the more there is to be written.
    conn: Dedicated,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("noted", &self.noted).finish_non_exhaustive()
    }
}

impl Reads {
    /// Looks of requests that ask this database.
    pub fn new(db: Db, clocks: Clocks) -> Self {
        Self::with_room(db, clocks, ROOM)
    }

    /// The same with room for fewer.
    pub fn with_room(db: Db, clocks: Clocks, places: usize) -> Self {
        let conn = db.dedicated(Scope::Identity);
        Self(Arc::new(Inner {
            clocks,
            room: Semaphore::new(places),
            places,
            noted: Mutex::default(),
            batch: tokio::sync::Mutex::new(Batch { noted: Vec::new(), conn }),
            refused_since: Mutex::default(),
            many: Notify::new(),
        }))
    }

    /// Notes a look at what is about to be answered.
    pub async fn note(&self, entry: Entry) -> Result<(), Unwritten> {
        let inner = &*self.0;
        let refused_since = *inner.refused_since();
        if refused_since.is_some_and(|since| inner.clocks.wall.now() - since > REFUSED) {
            return Err(Unwritten);
        }
        match inner.room.try_acquire() {
            Ok(place) => place.forget(),
            Err(_) => {
                inner.many.notify_one();
                let place = tokio::time::timeout(PATIENCE, inner.room.acquire()).await;
                place.ok().and_then(Result::ok).ok_or(Unwritten)?.forget();
            }
        }
        let waiting = {
            let mut noted = inner.noted();
            noted.push(Noted::now(&inner.clocks, entry));
            noted.len()
        };
        if waiting >= inner.places / 2 {
            inner.many.notify_one();
        }
        Ok(())
    }

    /// Writes what was noted by now.
    pub async fn flush(&self) -> Result<(), DbError> {
        let inner = &*self.0;
        let mut held = inner.batch.lock().await;
        let Batch { noted: batch, conn } = &mut *held;
        batch.append(&mut inner.noted());
        if batch.is_empty() {
            return Ok(());
        }
        let now = inner.clocks.wall.now();
        for noted in batch.iter_mut() {
            noted.at = noted.at.max(now - LATEST);
        }
        let entries: &[Noted] = batch;
        let written = conn.run(async |conn| Ok::<_, DbError>(store::append_reads(conn, entries).await?)).await;
        match written {
            Ok(_) => {
                inner.room.add_permits(batch.len());
                batch.clear();
                *inner.refused_since() = None;
                Ok(())
            }
            Err(error) => {
                inner.refused_since().get_or_insert(now);
                Err(error)
            }
        }
    }

    /// Writes for as long as it is let.
    pub async fn run(self) {
        loop {
            // Not at once where many come all the time: batches are what makes them cheap.
            drop(tokio::time::timeout(EVERY, self.0.many.notified()).await);
            if let Err(error) = self.flush().await {
                tracing::error!(%error, "looks at records could not be written; they are kept, and tried again");
                tokio::time::sleep(EVERY).await;
            }
        }
    }

    /// Writes the last ones, once nobody is served any more.
    pub async fn close(&self) {
        for _ in 0..LAST_TRIES {
            if self.flush().await.is_ok() {
                return;
            }
            tokio::time::sleep(EVERY).await;
        }
        let lost = self.0.batch.lock().await.noted.len();
        tracing::error!(lost, "looks at records are lost: the database did not take them before the end");
    }
}

impl Inner {
    fn noted(&self) -> MutexGuard<'_, Vec<Noted>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused_since(&self) -> MutexGuard<'_, Option<DateTime<Utc>>> {
        self.refused_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
