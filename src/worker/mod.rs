//! The background worker: claims what is due, hands it to providers, settles what came of it. Any number of workers may
//! run against one database.
//!
//! `presence.rs` is the worker's place among the others, `agenda.rs` knows what is due when, `intake.rs` claims,
//! `flight.rs` and `deliver.rs` take one alert to its devices (`compose.rs`: what they are sent), `health/` knows which
//! push services to leave alone, `settle.rs` writes results in batches (`open_claims.rs`: of which claims some are still
//! to come), `anew.rs` plans what could not be sent in time and what a clinic changed, `receipts.rs` asks later what became
//! of what was sent, `escalate.rs` takes the steps of escalations, `nudge.rs` looks for patients who keep to little
//! (`duty.rs`: when), `maintenance.rs` tidies up. `drain.rs` is all of this in one round, for tests and the demo.

mod agenda;
mod anew;
mod compose;
mod deliver;
mod drain;
mod duty;
mod erasure;
mod escalate;
mod flight;
mod health;
mod intake;
mod maintenance;
mod nudge;
mod open_claims;
mod presence;
mod receipts;
mod retention;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::config;
use crate::db::Db;
use crate::failpoint::failpoint;
use crate::journal::Journal;
use crate::protocols::Catalogue;
use crate::push::Registry;
use crate::telemetry::Metrics;

use agenda::{Agenda, Next};
use flight::Airspace;
use health::Health;
use intake::Intake;
use presence::{Presence, Wake};

/// The most that one claim takes: beyond that a batch no longer gets cheaper.
const BATCH: usize = 500;
/// How soon a worker looks again where something is due that it could not claim: others hold it.
const IN_OTHER_HANDS: Duration = Duration::from_millis(50);
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
    /// Where deletions are written down outside the database.
    pub journal: Journal,
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
        let health = Arc::new(Health::new(&parts));
        Self { parts: Arc::new(parts), health }
    }

    /// Works until `stop`, then finishes what is in flight and gives back what was not sent.
    pub async fn run(&self, stop: CancellationToken) -> anyhow::Result<()> {
        if let Err(error) = self.health.adopt(&self.parts).await {
            tracing::warn!(%error, "what other workers know of push services could not be read");
        }
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let beside = tokio::spawn(futures_util::future::join5(
            maintenance::run(Arc::clone(&self.parts), Arc::clone(&self.health), stop.clone()),
            receipts::run(Arc::clone(&self.parts), Arc::clone(&self.health), stop.clone()),
            escalate::run(Arc::clone(&self.parts), stop.clone()),
            anew::keep_up(Arc::clone(&self.parts), stop.clone()),
            nudge::run(Arc::clone(&self.parts), stop.clone()),
        ));
        while !stop.is_cancelled() {
            match Presence::register(&self.parts.db).await {
                Ok(presence) => self.work(presence, &stop).await,
                Err(error) => {
                    tracing::warn!(error = %error, "the worker cannot register; it tries again");
                    pause(DATABASE_BACKOFF, &stop).await;
                }
            }
        }
        beside.await?;
        Ok(())
    }

    /// Claims and sends under one registration, until told to stop or until the registration is lost.
    async fn work(&self, mut presence: Presence, stop: &CancellationToken) {
        let parts = &self.parts;
        let (results, inbox) = mpsc::channel(settle::WAITING);
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let writer = tokio::spawn(settle::run(Arc::clone(parts), inbox, presence.caller()));
        let airspace = Arc::new(Airspace {
            parts: Arc::clone(parts),
            health: Arc::clone(&self.health),
            alive: presence.alive(),
            stop: stop.clone(),
            slots: Semaphore::new(usize::try_from(parts.settings.concurrency).unwrap_or(1)),
            results,
        });
        let mut sends = JoinSet::new();
        let (unplanned, patients) = mpsc::channel(anew::WAITING);
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let planner = tokio::spawn(anew::run(Arc::clone(parts), patients, stop.clone()));
        let (mut intake, mut agenda) = (Intake::new(Arc::clone(parts), unplanned), Agenda::default());
        let mut look_at = Instant::now();

        while !stop.is_cancelled() && presence.is_alive() && !airspace.results.is_closed() {
            while let Some(done) = sends.try_join_next() {
                if let Err(error) = done {
                    tracing::error!(%error, "a send ended early; its claim is left to rescue");
                }
            }
            let next = agenda.next(parts.clocks.care.now());
            if next == Next::Look || Instant::now() >= look_at {
                match intake.look().await {
                    Ok(look) => look_at = Instant::now() + agenda.looked(look, parts.settings.poll),
                    Err(error) => {
                        tracing::warn!(%error, "looking at the queue failed");
                        pause(DATABASE_BACKOFF, stop).await;
                        look_at = Instant::now();
                    }
                }
                continue;
            }
            if let Next::Wait(due) = next {
                if self.is_called(due, &mut presence, stop, look_at).await {
                    look_at = Instant::now();
                }
                continue;
            }
            let room = tokio::select! {
                room = airspace.room() => room.min(BATCH),
                () = stop.cancelled() => break,
                () = airspace.alive.cancelled() => break,
                () = tokio::time::sleep_until(look_at) => continue,
            };
            let (now, claimed_at) = (parts.clocks.care.now(), Instant::now());
            let taken = match intake.claim(presence.number(), now, room).await {
                Ok(taken) => taken,
                Err(error) => {
                    // It may have been committed all the same: a claim that nobody knows of is rescued as soon as this
                    // worker has another number.
                    tracing::warn!(%error, "claiming failed; the worker registers anew");
                    pause(DATABASE_BACKOFF, stop).await;
                    break;
                }
            };
            if agenda.claimed(now, taken.entries, room) {
                look_at = look_at.min(Instant::now() + IN_OTHER_HANDS);
            }
            if let Some(id) = taken.id {
                let alerts = taken.alerts.len() + taken.unread.len();
                // Whoever does not get to say so leaves the claim to rescue, which finds nothing in it but what is lost.
                tokio::select! {
                    () = airspace.hand_over(settle::Result::Claimed { id, alerts }) => {}
                    () = stop.cancelled() => {}
                    () = airspace.alive.cancelled() => {}
                }
            }
            for (claim, devices) in taken.alerts {
                sends.spawn(Arc::clone(&airspace).send(claim, devices, claimed_at));
            }
            for claim in taken.unread {
                airspace.hand_over(settle::Result::Unsent(Box::new(claim))).await;
            }
        }

        if stop.is_cancelled() {
            failpoint!("stop:begun");
        }
        if !presence.is_alive() {
            failpoint!("place:lost");
        }
        let finish = async { while sends.join_next().await.is_some() {} };
        if tokio::time::timeout(parts.settings.shutdown, finish).await.is_err() {
            tracing::warn!(
                "sends were still in flight at the end of the grace period; another worker will rescue them"
            );
            sends.shutdown().await;
        }
        drop((airspace, intake));
        settle::finish(writer, stop).await;
        if let Err(error) = planner.await {
            tracing::error!(%error, "planning anew ended early");
        }
    }

    /// Waits until something is due, somebody calls, or it is time to look. Whether somebody called.
    async fn is_called(
        &self,
        due: Option<DateTime<Utc>>,
        presence: &mut Presence,
        stop: &CancellationToken,
        look_at: Instant,
    ) -> bool {
        let due = async {
            match due {
                Some(due) => self.parts.clocks.care.sleep_until_sharp(due).await,
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
            () = due => false,
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
