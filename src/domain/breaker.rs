//! Whether a push service is to be used, left alone, tried with one message, or used more and more again: a state machine
//! over its answers, with time as an argument. It says nothing about messages and devices but whether a bad word about an
//! address is to be believed.
//!
//! ```text
//! healthy -> paused -> probing -> ramping -> healthy
//!              ^---------'          |
//!              '--------------------'
//! ```

mod answer;
mod learn;
mod ramp;
mod ticket;
mod window;

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::domain::alert::Reason;

pub use answer::{Answer, Cause, ServiceState};
pub use learn::{OUTAGE, WAVE};
pub use ramp::Ramp;
pub use ticket::{Admission, Learned, Pause, PutOff, Ticket};
use window::Window;

/// So many messages may follow a probe at once: a small clinic does not wait for a ramp that is made for thousands.
const BURST: f64 = 10.0;
/// How long those wait at least who could not wait for the end of a probe.
const AFTER_PROBE: TimeDelta = TimeDelta::seconds(2);

#[derive(Debug, Clone)]
enum Phase {
    Healthy,
    Paused(Pause),
    Probing { pause: Pause, given_up_at: DateTime<Utc> },
    Ramping { pause: Pause, since: DateTime<Utc>, credit: f64, counted_at: DateTime<Utc> },
}

/// One service's breaker.
#[derive(Debug, Clone)]
pub struct Breaker {
    phase: Phase,
    /// Counts pauses and probes: answers to what was sent before are no news.
    epoch: u64,
    window: Window,
    /// How many bad addresses a wave needs by now.
    wave: u32,
    failures: u32,
    believed: VecDeque<Uuid>,
    ramp: Ramp,
    /// How far turns are given out, in seconds of the ramp.
    promised: f64,
    probe_patience: TimeDelta,
}

impl Breaker {
    /// A healthy service that is used at the `ramp`'s rate, and whose probes take `probe_patience` at most.
    pub fn new(ramp: Ramp, probe_patience: TimeDelta) -> Self {
        Self {
            phase: Phase::Healthy,
            epoch: 0,
            window: Window::default(),
            wave: WAVE,
            failures: 0,
            believed: VecDeque::new(),
            ramp,
            promised: 0.0,
            probe_patience,
        }
    }

    /// The present epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Where it stands.
    pub fn state(&self) -> ServiceState {
        match self.phase {
            Phase::Healthy => ServiceState::Healthy,
            Phase::Paused(_) => ServiceState::Paused,
            Phase::Probing { .. } => ServiceState::Probing,
            Phase::Ramping { .. } => ServiceState::Ramping,
        }
    }

    /// The trouble it is in, or comes out of.
    pub fn pause(&self) -> Option<&Pause> {
        match &self.phase {
            Phase::Healthy => None,
            Phase::Paused(pause) | Phase::Probing { pause, .. } | Phase::Ramping { pause, .. } => Some(pause),
        }
    }

    /// Lets time do what it does by itself: a ramp ends.
    pub fn tick(&mut self, now: DateTime<Utc>) {
        if let Phase::Ramping { since, .. } = self.phase
            && ramp::seconds(now - since) >= ramp::RAMP_SECONDS
        {
            self.phase = Phase::Healthy;
        }
    }

    /// Whether one more message may be sent.
    pub fn admit(&mut self, now: DateTime<Utc>) -> Admission {
        self.tick(now);
        match &mut self.phase {
            Phase::Healthy => Admission::Go(Ticket::plain(self.epoch)),
            Phase::Paused(pause) if now < pause.until => Admission::Wait(self.put_off(now)),
            Phase::Probing { given_up_at, .. } if now < *given_up_at => Admission::Hold,
            Phase::Paused(pause) | Phase::Probing { pause, .. } => {
                let given_up_at = now + self.probe_patience;
                self.phase = Phase::Probing { pause: pause.clone(), given_up_at };
                self.epoch += 1;
                Admission::Go(Ticket { epoch: self.epoch, probe: true })
            }
            Phase::Ramping { since, credit, counted_at, .. } => {
                let (from, to) = (ramp::seconds(*counted_at - *since), ramp::seconds(now - *since));
                let most = self.ramp.rate(to).max(BURST);
                *credit = (*credit + (self.ramp.amount(to) - self.ramp.amount(from)).max(0.0)).min(most);
                *counted_at = now;
                if *credit < 1.0 {
                    return Admission::Wait(self.put_off(now));
                }
                *credit -= 1.0;
                Admission::Go(Ticket::plain(self.epoch))
            }
        }
    }

    /// When somebody who cannot send now is to come again. Nobody else is told the same moment.
    pub fn put_off(&mut self, now: DateTime<Utc>) -> PutOff {
        let (begins, least, reason) = match &self.phase {
            Phase::Healthy => return PutOff { wait: TimeDelta::zero(), reason: "busy".into() },
            Phase::Paused(pause) => (pause.until, TimeDelta::zero(), pause.reason.clone()),
            Phase::Probing { pause, .. } => (now, AFTER_PROBE, pause.reason.clone()),
            Phase::Ramping { since, .. } => (*since, TimeDelta::milliseconds(100), "ramping".into()),
        };
        let turn = self.promised.max(ramp::seconds(now - begins));
        self.promised = self.ramp.next(turn);
        PutOff { wait: (begins + ramp::span(turn) - now).max(least), reason }
    }

    /// So many messages were accepted by a healthy service.
    pub fn accepted(&mut self, messages: u64) {
        if messages > 0 {
            self.window.good(messages);
            self.failures = 0;
        }
    }

    /// What was sent under `ticket` was not sent after all.
    pub fn abandon(&mut self, ticket: Ticket, now: DateTime<Utc>) {
        if let Phase::Probing { pause, .. } = &self.phase
            && ticket.probe
            && ticket.epoch == self.epoch
        {
            self.phase = Phase::Paused(Pause { until: now, ..pause.clone() });
        }
    }

    /// Another worker paused the service. Returns the devices to take back, if it is a wave.
    pub fn adopt(&mut self, pause: Pause) -> Vec<Uuid> {
        if !matches!(self.phase, Phase::Healthy) {
            return Vec::new();
        }
        let cause = pause.cause;
        self.begin(pause);
        self.take_back(cause)
    }

    fn stop(&mut self, cause: Cause, asked: Option<TimeDelta>, reason: &Reason, now: DateTime<Utc>) {
        let (since, round) = self.pause().map_or((now, 0), |pause| (pause.since, pause.round + 1));
        self.begin(Pause { cause, reason: reason.clone(), since, until: now + cause.wait(round, asked), round });
    }

    fn begin(&mut self, pause: Pause) {
        self.phase = Phase::Paused(pause);
        self.epoch += 1;
        self.window = Window::default();
        self.failures = 0;
        self.promised = 0.0;
    }

    fn take_back(&mut self, cause: Cause) -> Vec<Uuid> {
        if cause == Cause::Addresses { self.believed.drain(..).collect() } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests;
