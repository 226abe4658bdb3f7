//! One alert to its recipient's devices: render, send, decide. It writes nothing.

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use prometheus_client::metrics::gauge::Gauge;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::health::Health;
use super::{Parts, compose};
use crate::alerts::queue::{AttemptRow, Claim, Settlement};
use crate::alerts::store::{DeviceRow, ReceiptRow};
use crate::domain::alert::{Decision, DeviceResult, PushOutcome, TryFrame, decide};
use crate::domain::backoff::{MAX_JITTER_BP, MAX_TRIES};
use crate::domain::backstop;
use crate::failpoint::failpoint;
use crate::telemetry::{Metrics, PushLabels};

/// What came of one claimed alert, to be written.
#[derive(Debug, Clone)]
pub(super) struct Finished {
    /// What it was claimed with.
    pub(super) claim_id: Uuid,
    pub(super) settlement: Settlement,
    pub(super) attempts: Vec<AttemptRow>,
    /// Whom to ask later what became of an accepted message, and for what.
    pub(super) receipts: Vec<(&'static str, ReceiptRow)>,
    /// Addresses that are gone: the device, and since when.
    pub(super) dead: Vec<(Uuid, DateTime<Utc>)>,
    /// Addresses to leave alone: the device, when we tried it, and the provider's word.
    pub(super) suspect: Vec<(Uuid, DateTime<Utc>, String)>,
}

/// Claims with their devices.
pub(super) fn pair(claims: Vec<Claim>, devices: Vec<DeviceRow>) -> Vec<(Claim, Vec<DeviceRow>)> {
    let mut pairs: Vec<_> = claims.into_iter().map(|claim| (claim, Vec::new())).collect();
    for device in devices {
        let index = usize::try_from(device.position).unwrap_or(0).wrapping_sub(1);
        if let Some((_, list)) = pairs.get_mut(index) {
            list.push(device);
        }
    }
    pairs
}

/// Takes the alert to every device that has not accepted it yet. What has no answer at `give_up_at` is given up: before
/// somebody else may take the claim over.
pub(super) async fn deliver(
    parts: &Parts,
    health: &Health,
    alive: &CancellationToken,
    claim: &Claim,
    devices: &[DeviceRow],
    give_up_at: tokio::time::Instant,
) -> Finished {
    let _in_flight = InFlight::begin(&parts.metrics);
    let send = |device| send(parts, health, alive, claim, device, give_up_at);
    let sent: Vec<Sent> = match devices {
        [device] => vec![send(device).await],
        devices => futures_util::future::join_all(devices.iter().map(send)).await,
    };

    let frame = TryFrame {
        now: parts.clocks.care.now(),
        due_at: claim.due_at,
        expires_at: claim.expires_at,
        tries: claim.tries,
        jitter_bp: jitter(),
    };
    let results: Vec<DeviceResult> = sent.iter().map(|sent| sent.result.clone()).collect();
    let decision = decide(&results, frame);
    observe(parts, claim, decision);
    let reason = match decision {
        Decision::Sent => None,
        _ => results.iter().rev().find_map(DeviceResult::reason).map(str::to_owned),
    };
    let settlement = claim.settled(decision, frame.now, reason);
    let mut finished = Finished {
        claim_id: claim.claim_id,
        settlement,
        attempts: Vec::new(),
        receipts: Vec::new(),
        dead: Vec::new(),
        suspect: Vec::new(),
    };
    for sent in sent {
        finished.receipts.extend(sent.attempt.as_ref().and_then(|attempt| receipt(parts, attempt)));
        match &sent.result {
            DeviceResult::Tried(PushOutcome::Unregistered { since }) => {
                finished.dead.push((sent.device_id, since.unwrap_or(sent.started_at)));
            }
            DeviceResult::Tried(PushOutcome::AddressSuspect { reason }) => {
                finished.suspect.push((sent.device_id, sent.started_at, reason.to_string()));
            }
            DeviceResult::Tried(_)
            | DeviceResult::AlreadyAccepted
            | DeviceResult::UsedUp
            | DeviceResult::LeftAlone { .. } => {}
        }
        finished.attempts.extend(sent.attempt);
    }
    finished
}

/// Counts a send as long as it lives, however it ends.
struct InFlight(Gauge);

impl InFlight {
    fn begin(metrics: &Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics.in_flight.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What came of one device.
struct Sent {
    device_id: Uuid,
    /// Wall clock: an address registered after this is a newer one than the one we tried.
    started_at: DateTime<Utc>,
    result: DeviceResult,
    attempt: Option<AttemptRow>,
}

async fn send(
    parts: &Parts,
    health: &Health,
    alive: &CancellationToken,
    claim: &Claim,
    device: &DeviceRow,
    give_up_at: tokio::time::Instant,
) -> Sent {
    let started_at = parts.clocks.wall.now();
    let without_try = |result| Sent { device_id: device.device_id, started_at, result, attempt: None };
    if device.accepted {
        return without_try(DeviceResult::AlreadyAccepted);
    }
    let now = parts.clocks.care.now();
    let push_at = backstop::push_at(claim.due_at, claim.send_until());
    if device.rings_locally && now < push_at {
        return without_try(DeviceResult::LeftAlone { wait: push_at - now, reason: "rings_locally".into() });
    }
    let Some(target) = compose::target(parts, device) else {
        let provider = parts.registry.known().find(&device.provider).map_or("other", |provider| provider.word);
        count(parts, provider, "unauthorized");
        return without_try(health.unreadable(provider));
    };
    // Tries are given back while another device waits for a paused service: this one has had its share all the same.
    if claim.tries >= MAX_TRIES && device.tries >= i64::from(MAX_TRIES) {
        return without_try(DeviceResult::UsedUp);
    }
    let pass = match health.admit(&target, claim.id, started_at).await {
        Ok(pass) => pass,
        Err(left_alone) => return without_try(left_alone),
    };
    if alive.is_cancelled() {
        // Somebody else may be sending it by now.
        return without_try(DeviceResult::LeftAlone { wait: TimeDelta::zero(), reason: "place_lost".into() });
    }
    failpoint!("send:before");
    let message = compose::message(parts, claim, device, target.keys.is_some());
    let clock = Instant::now();
    let given_up = |reason: &'static str| PushOutcome::Unavailable { retry_after: None, reason: reason.into() };
    let outcome = tokio::select! {
        biased;
        outcome = parts.registry.send(&target, &message) => outcome,
        () = tokio::time::sleep_until(give_up_at) => given_up("timeout"),
        () = parts.clocks.care.sleep_until(claim.send_until()) => given_up(if claim.send_until() < claim.expires_at { "slot_over" } else { "expired" }),
    };
    let outcome = match outcome {
        // It speaks of an address that the app has registered anew since.
        PushOutcome::Unregistered { since: Some(since) } if since < device.registered_at => {
            PushOutcome::Unavailable { retry_after: None, reason: "unregistered_before".into() }
        }
        outcome => outcome,
    };
    if let PushOutcome::Accepted { .. } = outcome {
        failpoint!("send:accepted");
    }
    let at = parts.clocks.wall.now();
    let left_alone = health.learn(pass, &target, &outcome, at);
    let duration_ms = i32::try_from(clock.elapsed().as_millis()).unwrap_or(i32::MAX);

    let provider = target.provider.word;
    count(parts, provider, outcome.label());
    tracing::debug!(
        alert.id = %claim.id, alert.r#try = claim.tries, push.provider = provider, push.outcome = outcome.label(),
        push.reason = outcome.reason(), duration_ms, "pushed"
    );
    let provider_message_id = match &outcome {
        PushOutcome::Accepted { provider_id } => provider_id.clone(),
        _ => None,
    };
    let attempt = AttemptRow {
        at,
        clinic_id: claim.clinic_id,
        alert_id: claim.id,
        device_id: device.device_id,
        claim_no: claim.claim_no,
        provider,
        outcome: outcome.label(),
        reason: outcome.reason().map(str::to_owned),
        provider_message_id,
        duration_ms,
    };
    let result = left_alone.unwrap_or(DeviceResult::Tried(outcome));
    Sent { device_id: device.device_id, started_at, result, attempt: Some(attempt) }
}

/// What to ask for later, if the message was accepted by somebody who only promises.
fn receipt(parts: &Parts, attempt: &AttemptRow) -> Option<(&'static str, ReceiptRow)> {
    // Only an accepted message has an id.
    let receipt_id = attempt.provider_message_id.clone()?;
    parts.registry.receipts(parts.registry.known().find(attempt.provider).ok()?)?;
    let row = ReceiptRow {
        clinic_id: attempt.clinic_id,
        receipt_id,
        alert_id: attempt.alert_id,
        device_id: attempt.device_id,
        claim_no: attempt.claim_no,
        accepted_at: attempt.at,
    };
    Some((attempt.provider, row))
}

fn count(parts: &Parts, provider: &'static str, outcome: &'static str) {
    parts.metrics.pushes.get_or_create(&PushLabels { provider, outcome }).inc();
}

fn observe(parts: &Parts, claim: &Claim, decision: Decision) {
    if decision == Decision::Sent {
        let late = (parts.clocks.care.now() - claim.due_at).to_std().unwrap_or_default();
        parts.metrics.lateness_seconds.observe(late.as_secs_f64());
    }
}

/// A fresh draw for the next wait, in basis points.
fn jitter() -> u16 {
    let draw = Uuid::new_v4().as_u128() % (u128::from(MAX_JITTER_BP) + 1);
    u16::try_from(draw).unwrap_or(0)
}
