//! Devices that are left alone for a while: their service throttles them, told them apart in an outage, or refuses the
//! platform's credentials that stand behind them. In many small maps, so that tasks do not wait for each other; one that is
//! empty, as nearly all are, is not even locked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::alert::{DeviceResult, Reason};
use crate::domain::breaker::Cause;

const SHARDS: usize = 64;
/// From so many devices in a map on, those that are not paused are forgotten.
const MOST_REMEMBERED: usize = 1000;
/// Where a service does not say how long.
const DEFAULT_PAUSE: TimeDelta = TimeDelta::seconds(60);

#[derive(Debug)]
struct Trouble {
    until: DateTime<Utc>,
    reason: Reason,
    refusals: u32,
}

#[derive(Debug, Default)]
struct Shard {
    length: AtomicUsize,
    devices: Mutex<HashMap<Uuid, Trouble>>,
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Trouble>> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_empty(&self) -> bool {
        self.length.load(Ordering::Acquire) == 0
    }

    fn change(&self, now: DateTime<Utc>, change: impl FnOnce(&mut HashMap<Uuid, Trouble>)) {
        let mut devices = self.lock();
        change(&mut devices);
        if devices.len() > MOST_REMEMBERED {
            devices.retain(|_, trouble| trouble.until > now);
        }
        self.length.store(devices.len(), Ordering::Release);
    }
}

/// What is known of devices.
#[derive(Debug)]
pub(super) struct Devices(Box<[Shard]>);

impl Default for Devices {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Shard::default()).collect())
    }
}

impl Devices {
    fn shard(&self, device: Uuid) -> &Shard {
        // The last byte is random in every version of a UUID.
        &self.0[usize::from(device.as_bytes()[15]) % SHARDS]
    }

    /// What is left of the device's pause at `now`.
    pub(super) fn pause_of(&self, device: Uuid, now: DateTime<Utc>) -> Option<DeviceResult> {
        let shard = self.shard(device);
        if shard.is_empty() {
            return None;
        }
        let devices = shard.lock();
        let trouble = devices.get(&device).filter(|trouble| trouble.until > now)?;
        Some(DeviceResult::LeftAlone { wait: trouble.until - now, reason: trouble.reason.clone() })
    }

    /// Leaves the device alone; a longer pause that runs is kept.
    pub(super) fn pause(&self, device: Uuid, wait: Option<TimeDelta>, reason: &Reason, now: DateTime<Utc>) {
        let until = now + wait.unwrap_or(DEFAULT_PAUSE);
        self.shard(device).change(now, |devices| {
            let fresh = || Trouble { until, reason: reason.clone(), refusals: 0 };
            let trouble = devices.entry(device).or_insert_with(fresh);
            trouble.until = trouble.until.max(until);
            trouble.reason.clone_from(reason);
        });
    }

    /// Credentials were refused for this device once more.
    pub(super) fn refuse(&self, device: Uuid, reason: &Reason, now: DateTime<Utc>) {
        self.shard(device).change(now, |devices| {
            let refusals = devices.get(&device).map_or(0, |trouble| trouble.refusals);
            let until = now + Cause::Credentials.wait(refusals, None);
            devices.insert(device, Trouble { until, reason: reason.clone(), refusals: refusals + 1 });
        });
    }

    /// The device took a message. That ends its trouble unless its pause still runs: then the message was on its way
    /// before. Whether credentials that were refused for it are good again.
    pub(super) fn accepted(&self, device: Uuid, now: DateTime<Utc>) -> bool {
        let shard = self.shard(device);
        if shard.is_empty() {
            return false;
        }
        let mut was_refused = false;
        shard.change(now, |devices| {
            if devices.get(&device).is_some_and(|trouble| trouble.until <= now) {
                was_refused = devices.remove(&device).is_some_and(|trouble| trouble.refusals > 0);
            }
        });
        was_refused
    }
}
