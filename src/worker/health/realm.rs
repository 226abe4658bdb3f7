//! One push service as all tasks see it: a gate that the healthy path reads and nothing else, and behind it the breaker,
//! under a lock that is taken only while something is wrong.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use uuid::Uuid;

use super::board::Board;
use super::tally::Tally;
use crate::domain::alert::Reason;
use crate::domain::breaker::{Admission, Answer, Breaker, Learned, Pause, PutOff, Ramp, ServiceState, Ticket};
use crate::domain::provider::Provider;

/// Alerts that wait are counted one by one up to here.
const MOST_COUNTED: usize = 100_000;

/// What stands behind the gate.
#[derive(Debug)]
struct Guarded {
    breaker: Breaker,
    /// Alerts that wait for the end of the trouble.
    waiting: HashSet<Uuid>,
    /// Alerts that had to wait since it began.
    waited: usize,
}

/// One service.
#[derive(Debug)]
pub(super) struct Realm {
    pub(super) provider: &'static Provider,
    pub(super) name: Box<str>,
    pub(super) tally: Tally,
    /// Rises when a probe's answer is there.
    pub(super) probed: Notify,
    /// The breaker's epoch, and in the lowest bit whether the breaker must be asked.
    gate: AtomicU64,
    /// Messages accepted since the breaker was last told.
    accepted: AtomicU64,
    /// Wall clock, in microseconds.
    last_accepted: AtomicI64,
    guarded: Mutex<Guarded>,
    board: Arc<Board>,
}

/// A realm's state at a moment, for whoever tells others.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) state: ServiceState,
    pub(super) pause: Option<Pause>,
    pub(super) waiting: usize,
}

impl Realm {
    pub(super) fn new(
        provider: &'static Provider,
        name: &str,
        full_rate: f64,
        probe_patience: TimeDelta,
        board: Arc<Board>,
    ) -> Self {
        let breaker = Breaker::new(Ramp::to(full_rate), probe_patience);
        board.opened(provider);
        Self {
            provider,
            name: name.into(),
            tally: Tally::default(),
            probed: Notify::new(),
            gate: AtomicU64::new(breaker.epoch() << 1),
            accepted: AtomicU64::new(0),
            last_accepted: AtomicI64::new(i64::MIN),
            guarded: Mutex::new(Guarded { breaker, waiting: HashSet::new(), waited: 0 }),
            board,
        }
    }

    /// The ticket of a healthy service: all that the healthy path asks.
    pub(super) fn open(&self) -> Option<Ticket> {
        let gate = self.gate.load(Ordering::Acquire);
        (gate & 1 == 0).then(|| Ticket::plain(gate >> 1))
    }

    /// A healthy service accepted a message: all that the healthy path tells.
    pub(super) fn accepted(&self, now: DateTime<Utc>) {
        self.tally.count(true, now);
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.last_accepted.store(now.timestamp_micros(), Ordering::Relaxed);
    }

    /// Asks the breaker.
    pub(super) fn admit(&self, alert: Uuid, now: DateTime<Utc>) -> Admission {
        self.with(now, |guarded, board| {
            let admission = guarded.breaker.admit(now);
            match &admission {
                // A probe waits for its answer like everybody else.
                Admission::Go(ticket) if ticket.is_probe() => {}
                Admission::Go(_) => guarded.leave(alert, self.provider, board),
                Admission::Wait(_) => guarded.wait(alert, self.provider, board),
                Admission::Hold => {}
            }
            admission
        })
    }

    /// When an alert that cannot be sent now is to come again.
    pub(super) fn put_off(&self, alert: Uuid, now: DateTime<Utc>) -> PutOff {
        self.with(now, |guarded, board| {
            guarded.wait(alert, self.provider, board);
            guarded.breaker.put_off(now)
        })
    }

    /// Tells the breaker of an answer about an alert at a device.
    pub(super) fn learn(
        &self,
        answer: Answer,
        reason: &Reason,
        (alert, device): (Uuid, Uuid),
        ticket: Ticket,
        now: DateTime<Utc>,
    ) -> Learned {
        if answer != Answer::Nothing {
            self.tally.count(answer == Answer::Accepted, now);
        }
        if answer == Answer::Accepted {
            self.last_accepted.store(now.timestamp_micros(), Ordering::Relaxed);
        }
        self.with(now, |guarded, board| {
            let learned = guarded.breaker.learn(answer, reason, device, ticket, now);
            if ticket.is_probe() && learned.believed {
                guarded.leave(alert, self.provider, board);
            }
            learned
        })
    }

    /// Nothing came of what was to be sent.
    pub(super) fn abandon(&self, ticket: Ticket, now: DateTime<Utc>) {
        self.with(now, |guarded, _| guarded.breaker.abandon(ticket, now));
    }

    /// Another worker paused the service; unless it accepted something here since, it is paused here as well. Returns the
    /// devices to take back.
    pub(super) fn adopt(&self, pause: Pause, now: DateTime<Utc>) -> Vec<Uuid> {
        if self.last_accepted.load(Ordering::Relaxed) >= pause.since.timestamp_micros() {
            return Vec::new();
        }
        self.with(now, |guarded, _| {
            guarded.breaker.tick(now);
            guarded.breaker.adopt(pause)
        })
    }

    /// How it is doing.
    pub(super) fn snapshot(&self, now: DateTime<Utc>) -> Snapshot {
        self.with(now, |guarded, _| {
            guarded.breaker.tick(now);
            let pause = guarded.breaker.pause().cloned();
            Snapshot { state: guarded.breaker.state(), pause, waiting: guarded.waiting.len() }
        })
    }

    /// Does something to the breaker, and tells everybody whom the change concerns.
    fn with<T>(&self, now: DateTime<Utc>, work: impl FnOnce(&mut Guarded, &Board) -> T) -> T {
        let mut guarded = self.lock();
        let accepted = self.accepted.swap(0, Ordering::Relaxed);
        let before = guarded.breaker.state();
        if before == ServiceState::Healthy {
            guarded.breaker.accepted(accepted);
        }
        let (epoch, known) = (guarded.breaker.epoch(), guarded.breaker.pause().cloned());
        let done = work(&mut guarded, &self.board);
        let (state, pause) = (guarded.breaker.state(), guarded.breaker.pause().cloned());
        if state != before || guarded.breaker.epoch() != epoch {
            let guard = u64::from(state != ServiceState::Healthy);
            self.gate.store(guarded.breaker.epoch() << 1 | guard, Ordering::Release);
            if state == ServiceState::Healthy {
                guarded.clear(self.provider, &self.board);
            }
            let waited = guarded.waited;
            drop(guarded);
            self.board.moved(self, before, state, pause.as_ref().or(known.as_ref()), waited, now);
            if before == ServiceState::Probing {
                self.probed.notify_waiters();
            }
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, Guarded> {
        self.guarded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        let mut guarded = self.lock();
        guarded.clear(self.provider, &self.board);
        self.board.closed(self.provider, guarded.breaker.state());
    }
}

impl Guarded {
    fn wait(&mut self, alert: Uuid, provider: &Provider, board: &Board) {
        if self.waiting.len() < MOST_COUNTED && self.waiting.insert(alert) {
            self.waited += 1;
            board.waits(provider, 1);
        }
    }

    fn leave(&mut self, alert: Uuid, provider: &Provider, board: &Board) {
        if self.waiting.remove(&alert) {
            board.waits(provider, -1);
        }
    }

    fn clear(&mut self, provider: &Provider, board: &Board) {
        board.waits(provider, -i64::try_from(self.waiting.len()).unwrap_or(0));
        self.waiting = HashSet::new();
        self.waited = 0;
    }
}
