//! A provider that carries nothing: it remembers what it was given and answers from a script.
//! For tests of everything above the trait; the real wires have tests of their own.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, FutureExt as _, ready};
use uuid::Uuid;

use super::{Finding, PushMessage, PushProvider, PushTarget, Verdict};
use crate::domain::alert::PushOutcome;
use crate::domain::provider::Provider;

/// What was handed over, in order.
#[derive(Debug, Clone)]
pub struct Sent {
    /// To whom.
    pub target: PushTarget,
    /// What.
    pub message: PushMessage,
    /// What was answered.
    pub outcome: PushOutcome,
}

/// See the module's words.
#[derive(Debug)]
pub struct Recording {
    provider: &'static Provider,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sent: Vec<Sent>,
    script: VecDeque<(Option<Uuid>, PushOutcome)>,
}

impl Recording {
    /// Stands in for `provider` and accepts everything until told otherwise.
    pub fn new(provider: &'static Provider) -> Self {
        Self { provider, inner: Mutex::default() }
    }

    /// The next message, whoever it is for, gets this answer. Answers queue up.
    pub fn answer_next(&self, outcome: PushOutcome) {
        self.inner().script.push_back((None, outcome));
    }

    /// The next message for this device gets this answer. Answers queue up.
    pub fn answer_next_of(&self, device: Uuid, outcome: PushOutcome) {
        self.inner().script.push_back((Some(device), outcome));
    }

    /// Everything that was handed over so far.
    pub fn sent(&self) -> Vec<Sent> {
        self.inner().sent.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PushProvider for Recording {
    fn provider(&self) -> &'static Provider {
        self.provider
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        let mut inner = self.inner();
        let fits = |(device, _): &(Option<Uuid>, PushOutcome)| device.is_none_or(|id| id == target.device_id);
        let scripted = inner.script.iter().position(fits).and_then(|index| inner.script.remove(index));
        let outcome = scripted.map_or(PushOutcome::Accepted { provider_id: None }, |(_, outcome)| outcome);
        inner.sent.push(Sent { target: target.clone(), message: message.clone(), outcome: outcome.clone() });
        ready(outcome).boxed()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        ready(vec![Finding::new(self.provider, "recording", Verdict::good("it sends nothing"))]).boxed()
    }
}
