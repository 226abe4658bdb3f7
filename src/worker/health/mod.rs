//! Which push services and devices to leave alone, as this process knows it: whether a message may leave now, and what an
//! answer means for those that come after it. What is left alone costs no tries: its alerts wait.
//!
//! What a service's answers mean is decided in `domain/breaker.rs`. Here it is shared by all tasks (`realm.rs`), told to
//! operators (`board.rs`) and to other workers (`shared.rs`). A message to a healthy service takes no lock.

mod board;
mod devices;
mod limits;
mod realm;
mod realms;
mod shared;
mod tally;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::clock::Clock;
use crate::domain::alert::{DeviceResult, PushOutcome, Reason, Scope};
use crate::domain::breaker::{Admission, Answer, Learned, PutOff, Ticket};
use crate::domain::provider::Provider;
use crate::push::PushTarget;
use crate::worker::Parts;

use board::Board;
use devices::Devices;
use limits::{BRIEF, Limits, Slot};
use realm::Realm;
use realms::Realms;

/// How often an address that our key does not open is looked at again: the app may have registered anew by then.
const UNREADABLE_PAUSE: TimeDelta = TimeDelta::minutes(5);

/// What is known of push services and devices.
#[derive(Debug)]
pub(super) struct Health {
    /// Under which this worker writes down what it knows.
    worker: Uuid,
    wall: Clock,
    realms: Realms,
    devices: Devices,
    limits: Limits,
    probe_patience: TimeDelta,
    board: Arc<Board>,
    /// Faults of single devices that are the operator's to mend, and that operators were told of.
    told: Mutex<HashSet<(&'static str, Reason)>>,
    /// Devices that a wave set aside, and since when they wait to be taken back.
    take_back: Mutex<Vec<(Uuid, DateTime<Utc>)>>,
}

/// The right to send one message. Dropped without an answer it makes room for another.
pub(super) struct Pass {
    realm: Arc<Realm>,
    ticket: Ticket,
    alert: Uuid,
    wall: Clock,
    answered: bool,
    _slot: Slot,
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.ticket.is_probe() && !self.answered {
            self.realm.abandon(self.ticket, self.wall.now());
        }
    }
}

impl From<PutOff> for DeviceResult {
    fn from(put_off: PutOff) -> Self {
        Self::LeftAlone { wait: put_off.wait, reason: put_off.reason }
    }
}

impl Health {
    pub(super) fn new(parts: &Parts) -> Self {
        let settings = &parts.settings;
        Self {
            worker: Uuid::new_v4(),
            wall: parts.clocks.wall.clone(),
            realms: Realms::default(),
            devices: Devices::default(),
            limits: Limits::new(settings.limit, parts.registry.limits()),
            probe_patience: TimeDelta::from_std(settings.lease).unwrap_or(TimeDelta::minutes(1)),
            board: Arc::new(Board::new(parts.metrics.clone())),
            told: Mutex::default(),
            take_back: Mutex::default(),
        }
    }

    /// Waits for the target's turn, a moment at most. If it has none, the target is to be left alone.
    pub(super) async fn admit(
        &self,
        target: &PushTarget,
        alert: Uuid,
        now: DateTime<Utc>,
    ) -> Result<Pass, DeviceResult> {
        if let Some(left_alone) = self.devices.pause_of(target.device_id, now) {
            return Err(left_alone);
        }
        let realm = self.realm(target.provider, &target.realm(), now);
        let ticket = match realm.open() {
            Some(ticket) => ticket,
            None => self.ask(&realm, alert, now).await?,
        };
        let mut pass = Pass { realm, ticket, alert, wall: self.wall.clone(), answered: false, _slot: Slot::default() };
        let over = |(wait, reason): limits::Over| DeviceResult::LeftAlone { wait, reason: reason.into() };
        pass._slot = self.limits.turn(target.provider).await.map_err(over)?;
        Ok(pass)
    }

    /// Asks the breaker of a service that is not healthy. While a probe is on its way, all wait for it a moment.
    async fn ask(&self, realm: &Realm, alert: Uuid, now: DateTime<Utc>) -> Result<Ticket, DeviceResult> {
        let probed = realm.probed.notified();
        tokio::pin!(probed);
        probed.as_mut().enable();
        match realm.admit(alert, now) {
            Admission::Go(ticket) => return Ok(ticket),
            Admission::Wait(put_off) => return Err(put_off.into()),
            Admission::Hold => {}
        }
        drop(tokio::time::timeout(BRIEF, probed).await);
        let now = self.wall.now();
        match realm.admit(alert, now) {
            Admission::Go(ticket) => Ok(ticket),
            Admission::Wait(put_off) => Err(put_off.into()),
            Admission::Hold => Err(realm.put_off(alert, now).into()),
        }
    }

    /// An address that our sealing key does not open is no fault of the device's: it keeps its place, and its alerts wait
    /// for the right key or for a new registration.
    pub(super) fn unreadable(&self, provider: &'static str) -> DeviceResult {
        let reason = Reason::from("sealing_key");
        if self.told().insert(("any", reason.clone())) {
            tracing::error!(
                push.provider = provider,
                push.reason = &*reason,
                "the secret key does not open a device's address; alerts wait for the right one"
            );
        }
        DeviceResult::LeftAlone { wait: UNREADABLE_PAUSE, reason }
    }

    /// Learns from the outcome of what was sent under `pass`. `Some` if it says nothing about the message and the device,
    /// since the service itself is in trouble: then the device keeps its address and its alert waits.
    pub(super) fn learn(
        &self,
        mut pass: Pass,
        target: &PushTarget,
        outcome: &PushOutcome,
        now: DateTime<Utc>,
    ) -> Option<DeviceResult> {
        pass.answered = true;
        let answer = Answer::of(outcome);
        self.learn_of_device(target, outcome, now);
        if answer == Answer::Accepted && pass.realm.open() == Some(pass.ticket) {
            pass.realm.accepted(now);
            return None;
        }
        let learned = self.learn_of_service(&pass.realm, pass.ticket, (pass.alert, target.device_id), outcome, now);
        (!learned.believed).then(|| DeviceResult::from(pass.realm.put_off(pass.alert, now)))
    }

    /// Learns from what a service said later, of a message that it had accepted or when it was asked: no send waits for it.
    /// Whether that is to be believed: not while the service is in trouble.
    pub(super) fn learn_later(
        &self,
        alert: Uuid,
        target: &PushTarget,
        outcome: &PushOutcome,
        now: DateTime<Utc>,
    ) -> bool {
        self.learn_of_device(target, outcome, now);
        let realm = self.realm(target.provider, &target.realm(), now);
        match realm.open() {
            Some(ticket) => {
                self.learn_of_service(&realm, ticket, (alert, target.device_id), outcome, now).believed
                    && realm.open().is_some()
            }
            None => false,
        }
    }

    /// Tells the breaker what became of an alert at a device.
    fn learn_of_service(
        &self,
        realm: &Arc<Realm>,
        ticket: Ticket,
        about: (Uuid, Uuid),
        outcome: &PushOutcome,
        now: DateTime<Utc>,
    ) -> Learned {
        let reason = match outcome {
            PushOutcome::Unregistered { .. } => "unregistered".into(),
            other => other.reason().map_or(Reason::Borrowed("accepted"), |reason| reason.to_owned().into()),
        };
        let learned = realm.learn(Answer::of(outcome), &reason, about, ticket, now);
        self.remember(&learned.take_back, now);
        learned
    }

    fn learn_of_device(&self, target: &PushTarget, outcome: &PushOutcome, now: DateTime<Utc>) {
        let (device, provider) = (target.device_id, target.provider.word);
        match outcome {
            PushOutcome::Accepted { .. } => {
                let is_mended = self.devices.accepted(device, now);
                if is_mended {
                    self.told().retain(|(known, _)| *known != provider);
                }
            }
            PushOutcome::Throttled { scope: Scope::Device, retry_after, reason } => {
                self.devices.pause(device, *retry_after, reason, now);
            }
            // Without a word on how long, the alert's own schedule is as good as any.
            PushOutcome::Unavailable { retry_after: Some(wait), reason } => {
                self.devices.pause(device, Some(*wait), reason, now);
            }
            PushOutcome::AddressSuspect { reason } if self.told().insert((provider, reason.clone())) => {
                tracing::error!(
                    push.provider = provider,
                    push.reason = &**reason,
                    "addresses are refused; they are left alone until their apps register again"
                );
            }
            PushOutcome::Unauthorized { scope: Scope::Device, reason } => {
                self.devices.refuse(device, reason, now);
                if self.told().insert((provider, reason.clone())) {
                    tracing::error!(
                        push.provider = provider,
                        push.reason = &**reason,
                        "credentials are refused for some devices; their alerts wait"
                    );
                }
            }
            _ => {}
        }
    }

    fn realm(&self, provider: &'static Provider, name: &str, now: DateTime<Utc>) -> Arc<Realm> {
        self.realms.find_or_make(provider, name, now, || {
            let rate = self.limits.full_rate(provider);
            Realm::new(provider, name, rate, self.probe_patience, Arc::clone(&self.board))
        })
    }

    fn remember(&self, devices: &[Uuid], now: DateTime<Utc>) {
        if !devices.is_empty() {
            let mut list = self.take_back.lock().unwrap_or_else(PoisonError::into_inner);
            list.extend(devices.iter().map(|device| (*device, now)));
            self.board.tell();
        }
    }

    fn told(&self) -> MutexGuard<'_, HashSet<(&'static str, Reason)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
