//! One alert's way from claim to result. What all of them share is one reference: a task takes no lock of others.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::health::Health;
use super::{Parts, deliver, settle};
use crate::alerts::queue::Claim;
use crate::alerts::store::DeviceRow;

/// How long a claim may wait for more free slots, so that a busy worker does not claim alerts one by one.
const GATHER: Duration = Duration::from_millis(5);
/// After this a claim that still waits for a slot is given back: what is called off meanwhile must not go out.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// What is left of a lease when a send is given up.
const RESERVE: Duration = Duration::from_secs(2);

/// What the sends of one registration share.
pub(super) struct Airspace {
    pub(super) parts: Arc<Parts>,
    pub(super) health: Arc<Health>,
    /// Cancelled when the registration is lost.
    pub(super) alive: CancellationToken,
    /// Cancelled when the worker is to stop.
    pub(super) stop: CancellationToken,
    pub(super) slots: Semaphore,
    pub(super) results: mpsc::Sender<settle::Result>,
}

impl Airspace {
    /// Takes one alert, claimed at `claimed_at`, to its devices. Its slot is free again once the result is on its way to
    /// the database.
    pub(super) async fn send(self: Arc<Self>, claim: Claim, devices: Vec<DeviceRow>, claimed_at: Instant) {
        let lease = self.parts.settings.lease;
        let slot = self.slot(claimed_at + LONGEST_WAIT.min(lease / 4)).await;
        let result = match slot {
            Some(_) if !self.stop.is_cancelled() => {
                let give_up_at = claimed_at + lease.saturating_sub(RESERVE);
                let finished = deliver::deliver(&self.parts, &self.health, &self.alive, &claim, &devices, give_up_at);
                settle::Result::Finished(Box::new(finished.await))
            }
            _ => settle::Result::Unsent(Box::new(claim)),
        };
        self.hand_over(result).await;
        drop(slot);
    }

    /// A slot, unless the worker stops or too much time passes before there is one.
    async fn slot(&self, before: Instant) -> Option<SemaphorePermit<'_>> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Some(slot);
        }
        tokio::select! {
            slot = self.slots.acquire() => slot.ok(),
            () = self.stop.cancelled() => None,
            () = tokio::time::sleep_until(before) => None,
        }
    }

    /// Leaves a result to be written.
    pub(super) async fn hand_over(&self, result: settle::Result) {
        if self.results.send(result).await.is_err() {
            tracing::warn!("a result could not be written; its claim will be rescued");
        }
    }

    /// Waits for free slots: a quarter of all, so that claims come in batches, or as many as a moment brings. Says how many
    /// alerts to claim: some more than there are slots, so that none is empty while the next ones are claimed.
    pub(super) async fn room(&self) -> usize {
        let all = self.parts.settings.concurrency;
        if tokio::time::timeout(GATHER, self.slots.acquire_many((all / 4).max(1))).await.is_err() {
            drop(self.slots.acquire().await);
        }
        let ahead = usize::try_from(all / 4 * 3).unwrap_or(0);
        self.slots.available_permits() + ahead
    }
}
