//! The background worker: claims what is due, hands it to providers, settles what came of it. Any number of workers may
//! run against one database.
//!
//! `presence.rs` is the worker's place among the others, `deliver.rs` takes one alert to its devices, `health.rs` knows
//! which providers to leave alone, `settle.rs` writes results in batches, `maintenance.rs` tidies up.

mod deliver;
mod health;
mod maintenance;
mod presence;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::alerts::queue::{self, Claim, Claimed, Look};
use crate::alerts::store::{self, DeviceRow};
use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::config;
use crate::db::{Db, DbError, Scope};
use crate::failpoint::failpoint;
use crate::protocols::{Catalogue, CatalogueError};
use crate::push::Registry;
use crate::telemetry::{Metrics, StateLabel};

use deliver::Finished;
use health::Health;
use presence::{Presence, Wake};

/// The most that one claim takes: beyond that a batch no longer gets cheaper.
const BATCH: usize = 500;
/// How long a claim may wait for more free slots, so that a busy worker does not claim alerts one by one.
const GATHER: Duration = Duration::from_millis(5);
/// How long an idle worker waits at least, although something is due: others may hold what it could not claim.
const SHORTEST_SLEEP: Duration = Duration::from_millis(50);
/// How long to wait before asking a database again that did not answer.
const DATABASE_BACKOFF: Duration = Duration::from_millis(500);

/// What a worker works with. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub db: Db,
    /// The time.
    pub clocks: Clocks,
    /// Who carries messages.
    pub registry: Registry,
    /// For sealed addresses, collapse names and recipient tags.
    pub keys: Keys,
    /// Protocol versions, for the words of those who want details.
    pub catalogue: Catalogue,
    /// Counters.
    pub metrics: Metrics,
    /// The pace.
    pub settings: config::Worker,
}

/// What one round did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Alerts taken from the queue.
    pub claimed: usize,
    /// Alerts whose claim was still ours when it was settled.
    pub settled: usize,
    /// Alerts that were too old or tried too often.
    pub ended: usize,
}

/// A worker. It remembers which providers are paused.
pub struct Worker {
    parts: Arc<Parts>,
    health: Arc<Health>,
}

impl Worker {
    /// A worker that has not started yet.
    pub fn new(parts: Parts) -> Self {
        let health = Arc::new(Health::new(parts.metrics.clone()));
        Self { parts: Arc::new(parts), health }
    }

    /// Works off everything that is due now and returns: the step that tests and the demo take.
    pub async fn drain(&self) -> anyhow::Result<Round> {
        let presence = Presence::register(&self.parts.db).await?;
        let mut total = Round::default();
        self.look().await?;
        loop {
            anyhow::ensure!(presence.is_alive(), "the worker lost its place");
            let (claimed, devices) = self.claim(&presence, BATCH).await?;
            if claimed.is_empty() {
                return Ok(total);
            }
            total.claimed += claimed.len();
            total.ended += claimed.len() - claimed.claims.len();
            let alive = presence.alive();
            let sends = deliver::pair(claimed.claims, devices)
                .into_iter()
                .map(|(claim, devices)| deliver::deliver(&self.parts, &self.health, &alive, claim, devices));
            let finished: Vec<Finished> = futures_util::future::join_all(sends).await;
            total.settled += settle::write(&self.parts, &finished).await?;
        }
    }

    /// Works until `stop`, then finishes what is in flight and gives back what was not sent.
    pub async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let tidy = tokio::spawn(maintenance::run(Arc::clone(&self.parts), stop.clone()));
        while !stop.is_cancelled() {
            match Presence::register(&self.parts.db).await {
                Ok(presence) => self.work(presence, &stop).await,
                Err(error) => {
                    tracing::warn!(error = %error, "the worker cannot register; it tries again");
                    pause(DATABASE_BACKOFF, &stop).await;
                }
            }
        }
        tidy.await?;
        Ok(())
    }

    /// Claims and sends under one registration, until told to stop or until the registration is lost.
    async fn work(&self, mut presence: Presence, stop: &CancellationToken) {
        let slots = Arc::new(Semaphore::new(usize::try_from(self.parts.settings.concurrency).unwrap_or(1)));
        let (results, inbox) = mpsc::channel(4 * BATCH);
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let writer = tokio::spawn(settle::run(Arc::clone(&self.parts), inbox));
        let mut sends = JoinSet::new();
        let mut look_at = Instant::now();
        let mut nothing_left = false;
        let alive = presence.alive();

        while !stop.is_cancelled() && presence.is_alive() {
            while sends.try_join_next().is_some() {}
            if nothing_left || Instant::now() >= look_at {
                look_at = Instant::now() + self.parts.settings.poll;
                let look = self.look().await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "looking at the queue failed");
                    Look::default()
                });
                if nothing_left && look.rescued == 0 && !self.is_called(look, &mut presence, stop, look_at).await {
                    continue;
                }
            }
            let room = tokio::select! {
                room = self.room(&slots) => room.min(BATCH),
                () = stop.cancelled() => break,
                () = alive.cancelled() => break,
                () = tokio::time::sleep_until(look_at) => continue,
            };
            match self.claim(&presence, room).await {
                Ok((claimed, devices)) => {
                    nothing_left = claimed.len() < room;
                    for (claim, devices) in deliver::pair(claimed.claims, devices) {
                        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { break };
                        sends.spawn(self.send(claim, devices, presence.alive(), stop.clone(), slot, results.clone()));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "claiming failed; the worker tries again");
                    pause(DATABASE_BACKOFF, stop).await;
                }
            }
        }

        if stop.is_cancelled() {
            failpoint!("stop:begun");
        }
        if !presence.is_alive() {
            failpoint!("place:lost");
        }
        let finish = async { while sends.join_next().await.is_some() {} };
        if tokio::time::timeout(self.parts.settings.shutdown, finish).await.is_err() {
            tracing::warn!(
                "sends were still in flight at the end of the grace period; another worker will rescue them"
            );
            sends.shutdown().await;
        }
        drop(results);
        settle::finish(writer, stop).await;
    }

    /// One alert, from claim to result; its slot is free again once the result is on its way to the database.
    fn send(
        &self,
        claim: Claim,
        devices: Vec<DeviceRow>,
        alive: CancellationToken,
        stop: CancellationToken,
        slot: OwnedSemaphorePermit,
        results: mpsc::Sender<settle::Result>,
    ) -> impl Future<Output = ()> + use<> {
        let (parts, health) = (Arc::clone(&self.parts), Arc::clone(&self.health));
        async move {
            let result = if stop.is_cancelled() {
                settle::Result::Unsent(Box::new(claim))
            } else {
                let finished = deliver::deliver(&parts, &health, &alive, claim, devices).await;
                settle::Result::Finished(Box::new(finished))
            };
            if results.send(result).await.is_err() {
                tracing::warn!("a result could not be written; its claim will be rescued");
            }
            drop(slot);
        }
    }

    /// Claims what is due and reads whom it goes to, in one short transaction.
    async fn claim(&self, presence: &Presence, limit: usize) -> Result<(Claimed, Vec<DeviceRow>), DbError> {
        let now = self.parts.clocks.care.now();
        let lease = i32::try_from(self.parts.settings.lease.as_secs()).unwrap_or(i32::MAX);
        let (claimed, devices) = self
            .parts
            .db
            .scoped(Scope::System, async |conn| {
                let claimed = queue::claim_due(conn, now, limit, presence.number(), lease).await?;
                let devices = match claimed.claims.as_slice() {
                    [] => Vec::new(),
                    claims => store::list_devices(conn, claims).await?,
                };
                // A version is read once and then in memory; without its words the neutral sentence has to do.
                for id in deliver::wanted_versions(&claimed.claims, &devices) {
                    match self.parts.catalogue.version(conn, id).await {
                        Err(CatalogueError::Db(error)) => return Err(error),
                        Err(error) => tracing::error!(%error, "alerts go out without the details that were asked for"),
                        Ok(_) => {}
                    }
                }
                failpoint!("claim:uncommitted");
                Ok::<_, DbError>((claimed, devices))
            })
            .await?;
        failpoint!("claim:committed");
        for (state, ended) in claimed.ended() {
            self.parts.metrics.settled.get_or_create(&StateLabel { state }).inc_by(ended);
        }
        Ok((claimed, devices))
    }

    /// Waits for free slots and says how many there are: a quarter of all, so that claims come in batches, or as many as
    /// a moment brings.
    async fn room(&self, slots: &Semaphore) -> usize {
        let enough = (self.parts.settings.concurrency / 4).max(1);
        if tokio::time::timeout(GATHER, slots.acquire_many(enough)).await.is_err() {
            drop(slots.acquire().await);
        }
        slots.available_permits()
    }

    /// Rescues, and finds out when the next alert is due.
    async fn look(&self) -> Result<Look, DbError> {
        let now = self.parts.clocks.care.now();
        let look: Look =
            self.parts.db.scoped(Scope::System, async |conn| Ok::<_, DbError>(queue::look(conn, now).await?)).await?;
        if look.rescued > 0 {
            tracing::warn!(alerts = look.rescued, "rescued claims of workers that are gone");
        }
        Ok(look)
    }

    /// Waits for something to do: a call or the next due moment. False if the time for the next look came first, or the
    /// end.
    async fn is_called(&self, look: Look, presence: &mut Presence, stop: &CancellationToken, look_at: Instant) -> bool {
        let care = &self.parts.clocks.care;
        let next_due = async {
            match look.next_due {
                Some(due) if due <= care.now() => tokio::time::sleep(SHORTEST_SLEEP).await,
                Some(due) => care.sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => false,
            wake = presence.next() => match wake {
                Wake::Called => true,
                Wake::Lost => {
                    tracing::warn!("the worker lost its place and registers anew");
                    false
                }
            },
            () = next_due => true,
            () = tokio::time::sleep_until(look_at) => false,
        }
    }
}

async fn pause(length: Duration, stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(length) => {}
    }
}
