//! Access tokens called back before they expire: a role that changed, a member removed, a password reset, a session
//! ended. No request asks the database for this: each node keeps what changed within a token's lifetime, fed by
//! NOTIFY. While that feed is down, each request does ask.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::SimpleAsyncConnection;
use futures_util::StreamExt;
use uuid::Uuid;

use super::store::{self, CHANNEL};
use super::token::{LIFETIME, SKEW, Verified};
use crate::clock::{Clock, Clocks};
use crate::db::{Db, DbError, Scope};

/// How often the feed proves that it is alive, and how long it may take to: a dead one is noticed within a second.
const HEARTBEAT: Duration = Duration::from_millis(500);
/// How long after a lost feed a new one is tried.
const RECONNECT: TimeDelta = TimeDelta::seconds(1);
/// So many are not worth looking through.
const FEW: usize = 1024;

/// What has been called back recently. Cheap to clone; all clones share it.
#[derive(Debug, Clone, Default)]
pub struct Revocations(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Whether the feed is up: what is not in `recent` then is not revoked.
    live: AtomicBool,
    recent: RwLock<Recent>,
}

/// What was called back, and still matters.
#[derive(Debug, Default)]
struct Recent {
    /// User or session -> tokens issued before this are void.
    valid_after: HashMap<Uuid, DateTime<Utc>>,
    /// As many as were left when those that no longer matter were last forgotten.
    kept: usize,
}

impl Recent {
    /// Forgets what no longer matters each time their number has doubled: a note costs the same however many there are.
    fn note(&mut self, id: Uuid, valid_after: DateTime<Utc>) {
        let known = self.valid_after.entry(id).or_insert(valid_after);
        *known = (*known).max(valid_after);
        if self.valid_after.len() > (2 * self.kept).max(FEW) {
            // Tokens older than this have expired by themselves.
            let horizon = valid_after - LIFETIME - SKEW - SKEW;
            self.valid_after.retain(|_, instant| *instant > horizon);
            self.kept = self.valid_after.len();
        }
    }
}

impl Revocations {
    /// Whether the token still stands. Asks the database only while the feed is down.
    pub async fn stands(&self, db: &Db, token: &Verified) -> Result<bool, DbError> {
        if self.is_called_back(token) {
            return Ok(false);
        }
        if self.0.live.load(Ordering::Acquire) {
            return Ok(true);
        }
        let token = *token;
        let scope = Scope::User(token.caller.user_id);
        db.scoped(scope, async move |conn| Ok(store::find_standing(conn, &token).await?)).await
    }

    fn is_called_back(&self, token: &Verified) -> bool {
        let recent = self.0.recent.read().unwrap_or_else(PoisonError::into_inner);
        [token.caller.user_id, token.caller.session_id]
            .iter()
            .any(|id| recent.valid_after.get(id).is_some_and(|valid_after| token.issued_at < *valid_after))
    }

    /// Notes a change on this node; the other nodes hear of it through [`store::announce`].
    pub fn note(&self, id: Uuid, valid_after: DateTime<Utc>) {
        self.0.recent.write().unwrap_or_else(PoisonError::into_inner).note(id, valid_after);
    }

    /// Whether the feed is up.
    pub fn is_live(&self) -> bool {
        self.0.live.load(Ordering::Acquire)
    }

    /// Keeps the feed up for as long as it is polled. Lost connections are made anew.
    pub async fn run(self, db: Db, clocks: Clocks) {
        loop {
            let ended = self.follow(&db, &clocks.wall).await;
            self.0.live.store(false, Ordering::Release);
            if let Err(error) = ended {
                tracing::warn!(error = %format!("{error:#}"), "token feed lost: each request asks the database");
            }
            clocks.wall.sleep_until(clocks.wall.now() + RECONNECT).await;
        }
    }

    async fn follow(&self, db: &Db, wall: &Clock) -> anyhow::Result<()> {
        let mut conn = db.connector().open().await.context("connecting")?;
        conn.batch_execute(&format!("LISTEN {CHANNEL}")).await.context("listening")?;
        // Listening first: what commits from here on is heard, what committed before is read.
        let since = wall.now() - LIFETIME - SKEW;
        for (id, valid_after) in
            store::list_recent_revocations(&mut conn, since).await.context("reading recent changes")?
        {
            self.note(id, valid_after);
        }
        self.0.live.store(true, Ordering::Release);
        loop {
            {
                let mut notifications = std::pin::pin!(conn.notifications_stream());
                let mut quiet = std::pin::pin!(wall.sleep_until(wall.now() + HEARTBEAT));
                loop {
                    tokio::select! {
                        heard = notifications.next() => {
                            let heard = heard.context("the connection ended")??;
                            if let Some((id, valid_after)) = parse(&heard.payload) {
                                self.note(id, valid_after);
                            }
                        }
                        () = &mut quiet => break,
                    }
                }
            }
            let beat = conn.batch_execute("SELECT 1");
            tokio::time::timeout(HEARTBEAT, beat).await.context("no heartbeat")??;
        }
    }
}

fn parse(payload: &str) -> Option<(Uuid, DateTime<Utc>)> {
    let (id, micros) = payload.split_once(' ')?;
    Some((id.parse().ok()?, DateTime::from_timestamp_micros(micros.parse().ok()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_longer_matters_is_forgotten_and_what_matters_is_not() {
        let mut recent = Recent::default();
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let everything = LIFETIME + SKEW + SKEW;
        let (early, late) = (start, start + everything + TimeDelta::seconds(1));
        for number in 0..2 * FEW {
            recent.note(Uuid::from_u128(u128::try_from(number).unwrap()), early);
        }
        assert_eq!(recent.valid_after.len(), 2 * FEW, "all of them matter");
        for number in 0..4 * FEW {
            recent.note(Uuid::from_u128(u128::try_from(10_000 + number).unwrap()), late);
        }
        assert_eq!(recent.valid_after.values().filter(|instant| **instant == early).count(), 0);
        assert_eq!(recent.valid_after.len(), 4 * FEW);
    }

    #[test]
    fn the_later_of_two_moments_counts() {
        let mut recent = Recent::default();
        let (id, at) = (Uuid::from_u128(1), DateTime::from_timestamp(1_800_000_000, 0).unwrap());
        recent.note(id, at);
        recent.note(id, at - TimeDelta::seconds(1));
        assert_eq!(recent.valid_after.get(&id), Some(&at));
    }
}
