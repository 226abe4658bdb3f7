//! A model of one person's rows of `alerts`: what the statements of `alerts/queue` do to them, without the database.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::alert::{Decision, DeviceResult, PushOutcome, TryFrame, decide, is_expired};
use crate::domain::backoff::MAX_TRIES;
use crate::domain::reminders::{Fate, Owed, Told};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Scheduled,
    Sent(DateTime<Utc>),
    Merged(String),
    Ended { state: &'static str, reason: &'static str },
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub owed: Owed,
    pub state: State,
    pub next_attempt_at: DateTime<Utc>,
    pub tries: i32,
}

/// What a worker is to do with a row whose moment has come.
pub(super) enum Claimed {
    /// Send it.
    Send(Row),
    /// Its plan holds no longer.
    PlanAnew,
    /// It ended.
    Over,
}

#[derive(Debug, Default)]
pub(super) struct Queue(pub BTreeMap<String, Row>);

impl Queue {
    /// As `queue::replace_plan`.
    pub(super) fn replace_plan(&mut self, plan: Vec<Owed>) {
        let keys: Vec<String> = plan.iter().map(|owed| owed.dedupe_key.clone()).collect();
        let sent: Vec<String> =
            self.0.iter().filter(|(_, row)| matches!(row.state, State::Sent(_))).map(|(key, _)| key.clone()).collect();
        for (key, row) in &mut self.0 {
            let leaves = match &row.state {
                State::Scheduled => true,
                State::Merged(into) => !sent.contains(into),
                State::Ended { state, .. } => *state == "suppressed",
                State::Sent(_) => false,
            };
            if leaves && !keys.contains(key) {
                row.state = State::Ended { state: "cancelled", reason: "left_the_plan" };
            }
        }
        for owed in plan {
            let state = match &owed.fate {
                Fate::Due => State::Scheduled,
                Fate::Merged { into } => State::Merged(into.clone()),
                Fate::Suppressed(why) => State::Ended { state: "suppressed", reason: why.as_str() },
            };
            let fresh = Row { next_attempt_at: owed.due_at, tries: 0, state, owed };
            match self.0.get_mut(&fresh.owed.dedupe_key) {
                Some(row) if matches!(row.state, State::Sent(_)) => {}
                Some(row) => {
                    let same = row.state == State::Scheduled && row.owed.due_at == fresh.owed.due_at;
                    let tries = if same { row.tries } else { 0 };
                    let waits = same && row.owed.slot_ends_at == fresh.owed.slot_ends_at;
                    let next_attempt_at = if waits { row.next_attempt_at } else { fresh.next_attempt_at };
                    *row = Row { tries, next_attempt_at, ..fresh };
                }
                None => drop(self.0.insert(fresh.owed.dedupe_key.clone(), fresh)),
            }
        }
    }

    /// When a worker has something to do.
    pub(super) fn next(&self) -> Option<DateTime<Utc>> {
        let waiting = self.0.values().filter(|row| row.state == State::Scheduled);
        waiting.map(|row| row.next_attempt_at).min()
    }

    pub(super) fn due(&self, now: DateTime<Utc>) -> Option<String> {
        let waiting = self.0.iter().filter(|(_, row)| row.state == State::Scheduled && row.next_attempt_at <= now);
        waiting.min_by_key(|(_, row)| row.next_attempt_at).map(|(key, _)| key.clone())
    }

    /// As `queue::claim_due`.
    pub(super) fn claim(&mut self, key: &str, now: DateTime<Utc>) -> Claimed {
        let Some(row) = self.0.get_mut(key) else { return Claimed::Over };
        if is_expired(now, row.owed.expires_at) {
            row.state = State::Ended { state: "expired", reason: "too_late" };
            Claimed::Over
        } else if is_expired(now, row.owed.slot_ends_at) {
            row.next_attempt_at = now + TimeDelta::minutes(1);
            Claimed::PlanAnew
        } else if row.tries >= MAX_TRIES {
            row.state = State::Ended { state: "failed", reason: "tries_used_up" };
            Claimed::Over
        } else {
            row.tries += 1;
            Claimed::Send(row.clone())
        }
    }

    /// As `queue::settle`, for one device.
    pub(super) fn settle(&mut self, key: &str, now: DateTime<Utc>, outcome: PushOutcome, jitter_bp: u16) {
        let Some(row) = self.0.get_mut(key) else { return };
        let frame =
            TryFrame { now, due_at: row.owed.due_at, expires_at: row.owed.expires_at, tries: row.tries, jitter_bp };
        match decide(&[DeviceResult::Tried(outcome)], frame) {
            Decision::Sent => row.state = State::Sent(now),
            Decision::RetryAt { at, refund } => {
                row.next_attempt_at = at;
                row.tries -= i32::from(refund);
            }
            Decision::Expired => row.state = State::Ended { state: "expired", reason: "retries_outlast_it" },
            Decision::Failed => row.state = State::Ended { state: "failed", reason: "tries_used_up" },
            Decision::NoDevice => row.state = State::Ended { state: "no_device", reason: "no_device" },
        }
    }

    /// As planning reads it.
    pub(super) fn told(&self) -> Vec<Told> {
        let told = self.0.iter().filter_map(|(key, row)| {
            let (at, merged_into) = match &row.state {
                State::Sent(at) => (*at, None),
                State::Merged(into) => match self.0.get(into)?.state {
                    State::Sent(at) => (at, Some(into.clone())),
                    _ => return None,
                },
                State::Scheduled | State::Ended { .. } => return None,
            };
            Some(Told {
                dedupe_key: key.clone(),
                treatment_id: Some(row.owed.treatment_id),
                item_key: Some(row.owed.item_key.clone()),
                at: Some(at),
                merged_into,
            })
        });
        told.collect()
    }
}
