//! Which providers and devices to leave alone for a while, in this process. A paused provider costs no tries: its
//! alerts wait. Operators hear of a pause once, not per alert.

use std::collections::HashMap;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::alert::{PushOutcome, Scope};
use crate::push::PushTarget;
use crate::telemetry::{Metrics, ProviderLabel};

/// FCM asks for a minute where it does not say how long (its scaling guide); the others ask for less.
const DEFAULT_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// Refused credentials are tried again after a minute, then twice as long each time, up to this.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(30);
/// This many suspect addresses in a row, with none accepted between, are our own mistake and not theirs.
const SUSPECTS_IN_A_ROW: u32 = 10;

/// From so many origins or devices on, those that are not paused are forgotten.
const MOST_REMEMBERED: usize = 10_000;

#[derive(Debug, Default, Clone, Copy)]
struct Realm {
    paused_until: Option<DateTime<Utc>>,
    refusals: u32,
    suspects: u32,
}

#[derive(Debug, Default)]
struct State {
    realms: HashMap<String, Realm>,
    devices: HashMap<Uuid, DateTime<Utc>>,
}

impl State {
    /// Endpoints are chosen by devices, so the number of their origins has no natural bound: what is over goes first.
    fn forget(&mut self, now: DateTime<Utc>) {
        if self.realms.len() > MOST_REMEMBERED {
            self.realms.retain(|_, realm| realm.paused_until.is_some_and(|until| until > now));
        }
        if self.devices.len() > MOST_REMEMBERED {
            self.devices.retain(|_, until| *until > now);
        }
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

    /// The outcome of not even trying, if the target is to be left alone at `now` (wall clock).
    pub(super) fn pause(&self, target: &PushTarget, now: DateTime<Utc>) -> Option<PushOutcome> {
        let Ok(mut state) = self.state.lock() else { return None };
        let device = state.devices.get(&target.device_id).copied().filter(|until| *until > now);
        if let Some(until) = device {
            return Some(throttled(Scope::Device, until - now));
        }
        state.devices.remove(&target.device_id);
        let until = state.realms.get(&target.realm())?.paused_until?;
        (until > now).then(|| throttled(Scope::Provider, until - now))
    }

    /// Learns from an outcome. Returns it, or what it means where many like it mean something else.
    pub(super) fn learn(&self, target: &PushTarget, outcome: PushOutcome, now: DateTime<Utc>) -> PushOutcome {
        let Ok(mut state) = self.state.lock() else { return outcome };
        state.forget(now);
        let name = target.realm();
        match &outcome {
            PushOutcome::Throttled { scope: Scope::Device, retry_after, .. } => {
                state.devices.insert(target.device_id, now + retry_after.unwrap_or(DEFAULT_PAUSE));
                return outcome;
            }
            PushOutcome::Throttled { scope: Scope::Provider, retry_after, .. } => {
                let realm = state.realms.entry(name).or_default();
                self.start_pause(realm, target, now + retry_after.unwrap_or(DEFAULT_PAUSE), now, "throttled");
                return outcome;
            }
            PushOutcome::Unauthorized { reason } => {
                let realm = state.realms.entry(name).or_default();
                let pause = (DEFAULT_PAUSE * 2_i32.pow(realm.refusals.min(5))).min(LONGEST_PAUSE);
                realm.refusals += 1;
                self.start_pause(realm, target, now + pause, now, reason);
                return outcome;
            }
            _ => {}
        }
        let Some(realm) = state.realms.get_mut(&name) else {
            if matches!(outcome, PushOutcome::AddressSuspect { .. }) {
                state.realms.insert(name, Realm { suspects: 1, ..Realm::default() });
            }
            return outcome;
        };
        match outcome {
            PushOutcome::Accepted { .. } => {
                if realm.paused_until.is_some() {
                    tracing::info!(push.provider = target.provider.as_str(), "provider accepts again");
                    self.show(target, 0);
                }
                state.realms.remove(&name);
                outcome
            }
            PushOutcome::AddressSuspect { reason } => {
                realm.suspects += 1;
                if realm.suspects < SUSPECTS_IN_A_ROW {
                    return PushOutcome::AddressSuspect { reason };
                }
                self.start_pause(realm, target, now + DEFAULT_PAUSE, now, &reason);
                PushOutcome::Unauthorized { reason }
            }
            other => other,
        }
    }

    fn start_pause(
        &self,
        realm: &mut Realm,
        target: &PushTarget,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
        reason: &str,
    ) {
        if realm.paused_until.is_none_or(|paused| paused <= now) {
            let provider = target.provider.as_str();
            tracing::error!(push.provider = provider, push.reason = reason, %until, "provider paused; alerts wait");
            self.show(target, 1);
        }
        realm.paused_until = Some(realm.paused_until.map_or(until, |paused| paused.max(until)));
    }

    fn show(&self, target: &PushTarget, paused: i64) {
        self.metrics.paused.get_or_create(&ProviderLabel { provider: target.provider.as_str() }).set(paused);
    }
}

fn throttled(scope: Scope, wait: TimeDelta) -> PushOutcome {
    PushOutcome::Throttled { scope, retry_after: Some(wait), reason: "paused".into() }
}
