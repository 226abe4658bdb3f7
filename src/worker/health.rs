//! Which providers and devices to leave alone for a while, in this process. What is left alone costs no tries: its alerts
//! wait. Operators hear of a pause once, not per alert.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::alert::{DeviceResult, PushOutcome, Reason, Scope};
use crate::push::PushTarget;
use crate::telemetry::{Metrics, ProviderLabel};

/// FCM asks for a minute where it does not say how long (its scaling guide); the others ask for less.
const DEFAULT_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// Refused credentials are tried again after a minute, then twice as long each time, up to this.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(30);
/// How often an address that our key does not open is looked at again: the app may have registered anew by then.
const UNREADABLE_PAUSE: TimeDelta = TimeDelta::minutes(5);
/// This many suspect addresses in a row, with none accepted between, are our own mistake and not theirs.
const SUSPECTS_IN_A_ROW: u32 = 10;

/// From so many origins or devices on, those that are not paused are forgotten.
const MOST_REMEMBERED: usize = 10_000;

/// What went wrong lately with a provider or a device.
#[derive(Debug, Default, Clone)]
struct Trouble {
    paused: Option<(DateTime<Utc>, Reason)>,
    refusals: u32,
    suspects: u32,
}

impl Trouble {
    /// What is left of the pause at `now`, and its reason.
    fn left(&self, now: DateTime<Utc>) -> Option<DeviceResult> {
        let (until, reason) = self.paused.as_ref().filter(|(until, _)| *until > now)?;
        Some(DeviceResult::LeftAlone { wait: *until - now, reason: reason.clone() })
    }

    /// Starts a pause or lengthens the one that runs. Whether it starts.
    fn pause(&mut self, pause: TimeDelta, reason: &Reason, now: DateTime<Utc>) -> bool {
        let starts = self.left(now).is_none();
        let until = self.paused.as_ref().map_or(now + pause, |(paused, _)| (now + pause).max(*paused));
        self.paused = Some((until, reason.clone()));
        starts
    }

    /// Our credentials were refused once more. Whether a pause starts.
    fn refuse(&mut self, reason: &Reason, now: DateTime<Utc>) -> bool {
        let pause = (DEFAULT_PAUSE * 2_i32.pow(self.refusals.min(5))).min(LONGEST_PAUSE);
        self.refusals += 1;
        self.pause(pause, reason, now)
    }
}

#[derive(Debug, Default)]
struct State {
    realms: HashMap<String, Trouble>,
    devices: HashMap<Uuid, Trouble>,
    /// Faults of single devices that are the operator's to mend, and that operators were told of.
    told: HashSet<(&'static str, Reason)>,
}

impl State {
    /// Endpoints are chosen by devices, so the number of their origins has no natural bound: what is over goes first.
    fn forget(&mut self, now: DateTime<Utc>) {
        forget(&mut self.realms, now);
        forget(&mut self.devices, now);
    }

    /// A message was accepted. That ends a trouble unless its pause still runs: then the message was on its way before.
    /// Whether a pause of the provider ends with it.
    fn accepted(&mut self, target: &PushTarget, realm: &str, now: DateTime<Utc>) -> bool {
        if let Some(device) = self.devices.get(&target.device_id)
            && device.left(now).is_none()
        {
            if device.refusals > 0 {
                self.told.retain(|(provider, _)| *provider != target.provider.as_str());
            }
            self.devices.remove(&target.device_id);
        }
        let Some(provider) = self.realms.get_mut(realm) else { return false };
        provider.suspects = 0;
        if provider.left(now).is_some() {
            return false;
        }
        self.realms.remove(realm).is_some_and(|provider| provider.paused.is_some())
    }
}

fn forget<K: Hash + Eq>(troubles: &mut HashMap<K, Trouble>, now: DateTime<Utc>) {
    if troubles.len() > MOST_REMEMBERED {
        troubles.retain(|_, trouble| trouble.left(now).is_some());
    }
}

/// What is known of providers and devices.
#[derive(Debug)]
pub(super) struct Health {
    state: Mutex<State>,
    metrics: Metrics,
}

impl Health {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { state: Mutex::default(), metrics }
    }

    /// How long the target is to be left alone from `now` (wall clock) on, if it is.
    pub(super) fn pause(&self, target: &PushTarget, now: DateTime<Utc>) -> Option<DeviceResult> {
        let state = self.state();
        let device = state.devices.get(&target.device_id).and_then(|device| device.left(now));
        device.or_else(|| state.realms.get(&target.realm())?.left(now))
    }

    /// An address that our sealing key does not open is no fault of the device's: it keeps its place, and its alerts wait
    /// for the right key or for a new registration.
    pub(super) fn unreadable(&self, provider: &'static str) -> DeviceResult {
        let reason = Reason::from("sealing_key");
        if self.state().told.insert(("any", reason.clone())) {
            tracing::error!(
                push.provider = provider,
                push.reason = &*reason,
                "the secret key does not open a device's address; alerts wait for the right one"
            );
        }
        DeviceResult::LeftAlone { wait: UNREADABLE_PAUSE, reason }
    }

    /// Learns from an outcome. Returns it, or what it means where many like it mean something else.
    pub(super) fn learn(&self, target: &PushTarget, outcome: PushOutcome, now: DateTime<Utc>) -> PushOutcome {
        let mut state = self.state();
        state.forget(now);
        let name = target.realm();
        match &outcome {
            PushOutcome::Accepted { .. } => {
                if state.accepted(target, &name, now) {
                    tracing::info!(push.provider = target.provider.as_str(), "provider accepts again");
                    self.show(&state, target);
                }
            }
            PushOutcome::Throttled { scope: Scope::Device, retry_after, reason } => {
                let device = state.devices.entry(target.device_id).or_default();
                device.pause(retry_after.unwrap_or(DEFAULT_PAUSE), reason, now);
            }
            // Without a word on how long, the alert's own schedule is as good as any.
            PushOutcome::Unavailable { retry_after: Some(wait), reason } => {
                state.devices.entry(target.device_id).or_default().pause(*wait, reason, now);
            }
            PushOutcome::Throttled { scope: Scope::Provider, retry_after, reason } => {
                let pause = retry_after.unwrap_or(DEFAULT_PAUSE);
                let starts = state.realms.entry(name).or_default().pause(pause, reason, now);
                self.tell(&state, target, starts, reason);
            }
            PushOutcome::Unauthorized { scope: Scope::Provider, reason } => {
                let starts = state.realms.entry(name).or_default().refuse(reason, now);
                self.tell(&state, target, starts, reason);
            }
            PushOutcome::Unauthorized { scope: Scope::Device, reason } => {
                state.devices.entry(target.device_id).or_default().refuse(reason, now);
                let provider = target.provider.as_str();
                if state.told.insert((provider, reason.clone())) {
                    tracing::error!(
                        push.provider = provider,
                        push.reason = &**reason,
                        "credentials are refused for some devices; their alerts wait"
                    );
                }
            }
            PushOutcome::AddressSuspect { reason } => {
                let provider = state.realms.entry(name).or_default();
                provider.suspects += 1;
                if provider.suspects >= SUSPECTS_IN_A_ROW {
                    let starts = provider.pause(DEFAULT_PAUSE, reason, now);
                    self.tell(&state, target, starts, reason);
                    return PushOutcome::Unauthorized { scope: Scope::Provider, reason: reason.clone() };
                }
            }
            PushOutcome::Unavailable { retry_after: None, .. }
            | PushOutcome::Unregistered { .. }
            | PushOutcome::NotSent { .. }
            | PushOutcome::Rejected { .. } => {}
        }
        outcome
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &State, target: &PushTarget, starts: bool, reason: &Reason) {
        if starts {
            let provider = target.provider.as_str();
            tracing::error!(push.provider = provider, push.reason = &**reason, "provider paused; alerts wait");
            self.show(state, target);
        }
    }

    /// How many of the provider's services were paused and have accepted nothing since.
    fn show(&self, state: &State, target: &PushTarget) {
        let provider = target.provider.as_str();
        let paused =
            state.realms.iter().filter(|(name, trouble)| name.starts_with(provider) && trouble.paused.is_some());
        let paused = i64::try_from(paused.count()).unwrap_or(i64::MAX);
        self.metrics.paused.get_or_create(&ProviderLabel { provider }).set(paused);
    }
}
