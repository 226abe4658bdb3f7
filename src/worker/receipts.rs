//! Asking providers that only promise what became of the messages they accepted. An alert that was sent stays sent: what
//! is learnt concerns the device, our credentials, and whoever wants to know why nothing arrived.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::health::Health;
use super::{Parts, Worker};
use crate::alerts::queue::{self, AttemptRow, Batch};
use crate::alerts::store::{self, ReceiptRow};
use crate::db::{DbError, Scope};
use crate::devices::store::{DEAD, quarantine_all};
use crate::domain::alert::PushOutcome;
use crate::domain::device::{Address, AddressKind, Environment};
use crate::domain::provider::Provider;
use crate::push::{PushTarget, Receipts, WhatBecame};
use crate::telemetry::PushLabels;

/// How often a worker looks for receipts to ask for.
const EVERY: TimeDelta = TimeDelta::minutes(1);

impl Worker {
    /// Asks for every receipt that is to be asked for now, and acts on the answers; returns how many there were: the step
    /// that tests take.
    pub async fn ask_for_receipts(&self) -> anyhow::Result<usize> {
        Ok(round(&self.parts, &self.health).await?)
    }
}

/// Asks again and again until `stop`. What is interrupted is asked for later.
pub(super) async fn run(parts: Arc<Parts>, health: Arc<Health>, stop: CancellationToken) {
    let work = async {
        loop {
            if let Err(error) = round(&parts, &health).await {
                tracing::warn!(%error, "receipts could not be asked for; they are later");
            }
            let wall = &parts.clocks.wall;
            wall.sleep_until(wall.now() + EVERY).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

async fn round(parts: &Parts, health: &Health) -> Result<usize, DbError> {
    let mut answered = 0;
    for provider in parts.registry.configured() {
        if let Some(receipts) = parts.registry.receipts(provider) {
            answered += ask(parts, health, provider, receipts).await?;
        }
    }
    Ok(answered)
}

/// Everything that one provider is to be asked for. If it cannot be asked, the rest waits as well.
async fn ask(
    parts: &Parts,
    health: &Health,
    carrier: &'static Provider,
    receipts: &dyn Receipts,
) -> Result<usize, DbError> {
    let provider = carrier.word;
    let mut answered = 0;
    loop {
        let now = parts.clocks.wall.now();
        let (forgotten, rows) = parts
            .db
            .scoped(Scope::System, async |conn| {
                let forgotten = store::delete_forgotten(conn, provider, now).await?;
                Ok::<_, DbError>((forgotten, store::claim_receipts(conn, provider, now, receipts.most()).await?))
            })
            .await?;
        count(parts, provider, "missing", u64::try_from(forgotten).unwrap_or(0));
        if rows.is_empty() {
            return Ok(answered);
        }
        let ids: Vec<String> = rows.iter().map(|row| row.receipt_id.clone()).collect();
        match receipts.ask(&ids).await {
            Ok(known) => answered += act(parts, health, carrier, &rows, known).await?,
            Err(refused) => {
                count(parts, provider, "not_asked", u64::try_from(rows.len()).unwrap_or(0));
                tracing::debug!(
                    push.provider = provider,
                    push.reason = refused.reason(),
                    "receipts were not to be had"
                );
                if matches!(refused, PushOutcome::Unauthorized { .. }) {
                    let first = &rows[0];
                    let target = behind(carrier, first.device_id, first.accepted_at);
                    health.learn_later(first.alert_id, &target, &refused, now);
                }
                return Ok(answered);
            }
        }
    }
}

/// Acts on what is known by now, once, whoever else may have asked; returns how many receipts those were.
async fn act(
    parts: &Parts,
    health: &Health,
    carrier: &'static Provider,
    rows: &[ReceiptRow],
    mut known: WhatBecame,
) -> Result<usize, DbError> {
    let now = parts.clocks.wall.now();
    let provider = carrier.word;
    let answered: Vec<&ReceiptRow> = rows.iter().filter(|row| known.contains_key(&row.receipt_id)).collect();
    if answered.is_empty() {
        return Ok(0);
    }
    let learnt: HashMap<&ReceiptRow, PushOutcome> =
        answered.iter().filter_map(|row| Some((*row, known.remove(&row.receipt_id)?))).collect();
    let ours = parts
        .db
        .scoped(Scope::System, async |conn| {
            let ours = store::delete_answered(conn, provider, &answered).await?;
            let learnt = learnt.iter().filter(|(row, _)| ours.contains(&row.receipt_id));
            let failed: Vec<_> = learnt.filter(|(_, outcome)| !is_good(outcome)).collect();
            let attempts: Vec<AttemptRow> =
                failed.iter().map(|(row, outcome)| attempt(provider, row, outcome, now)).collect();
            if !attempts.is_empty() {
                queue::settle(conn, &Batch { attempts, ..Batch::default() }).await?;
            }
            Ok::<_, DbError>(ours)
        })
        .await?;
    let (mut dead, mut is_wave) = (Vec::new(), false);
    for (row, outcome) in learnt.into_iter().filter(|(row, _)| ours.contains(&row.receipt_id)) {
        count(parts, provider, outcome.label(), 1);
        if !is_good(&outcome) {
            tracing::debug!(
                alert.id = %row.alert_id, push.provider = provider, push.outcome = outcome.label(),
                push.reason = outcome.reason(), "a receipt says that an accepted message went no further"
            );
            let target = behind(carrier, row.device_id, row.accepted_at);
            let is_believed = health.learn_later(row.alert_id, &target, &outcome, now);
            if let PushOutcome::Unregistered { since } = outcome {
                dead.push((row.device_id, since.unwrap_or(row.accepted_at)));
                is_wave |= !is_believed;
            }
        }
    }
    if !is_wave {
        forget(parts, dead, now).await?;
    }
    Ok(ours.len())
}

/// Leaves addresses alone that are gone. Those of a wave are kept: whoever is really gone is called so again.
async fn forget(parts: &Parts, dead: Vec<(Uuid, DateTime<Utc>)>, now: DateTime<Utc>) -> Result<(), DbError> {
    if dead.is_empty() {
        return Ok(());
    }
    let dead = dead.into_iter().map(|(device, since)| (device, since, DEAD)).collect();
    let forget = async |conn: &mut _| Ok::<_, DbError>(quarantine_all(conn, dead, now).await?);
    parts.db.scoped(Scope::System, forget).await
}

fn is_good(outcome: &PushOutcome) -> bool {
    matches!(outcome, PushOutcome::Accepted { .. })
}

/// One more line in the story of the alert; its reason says that a receipt told it.
fn attempt(provider: &'static str, row: &ReceiptRow, outcome: &PushOutcome, at: DateTime<Utc>) -> AttemptRow {
    let reason = outcome.reason().map_or_else(|| "receipt".to_owned(), |reason| format!("receipt:{reason}"));
    AttemptRow {
        at,
        clinic_id: row.clinic_id,
        alert_id: row.alert_id,
        device_id: row.device_id,
        claim_no: row.claim_no,
        provider,
        outcome: outcome.label(),
        reason: Some(reason),
        provider_message_id: Some(row.receipt_id.clone()),
        duration_ms: i32::try_from((at - row.accepted_at).num_milliseconds()).unwrap_or(i32::MAX),
    }
}

/// Whom a receipt speaks of, as far as it is known: where the device is reached plays no part any more.
fn behind(provider: &'static Provider, device_id: Uuid, registered_at: DateTime<Utc>) -> PushTarget {
    PushTarget {
        device_id,
        provider,
        address_kind: AddressKind::default(),
        app_id: None,
        environment: Environment::default(),
        address: Address::new(""),
        keys: None,
        vapid_key_id: None,
        registered_at,
    }
}

fn count(parts: &Parts, provider: &'static str, outcome: &'static str, receipts: u64) {
    if receipts > 0 {
        parts.metrics.receipts.get_or_create(&PushLabels { provider, outcome }).inc_by(receipts);
    }
}
