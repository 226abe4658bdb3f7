//! What a breaker is asked for and what it gives: values only.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::Cause;
use crate::domain::alert::Reason;

/// What somebody got who asked whether to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    pub(super) epoch: u64,
    pub(super) probe: bool,
}

impl Ticket {
    /// A ticket of a service that was healthy in the given epoch.
    pub fn plain(epoch: u64) -> Self {
        Self { epoch, probe: false }
    }

    /// Whether everybody waits for what comes of this one.
    pub fn is_probe(self) -> bool {
        self.probe
    }
}

/// The answer to whoever wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Send.
    Go(Ticket),
    /// A probe is on its way: wait for it, or be put off.
    Hold,
    /// Come again later.
    Wait(PutOff),
}

/// For how long a service is to be left alone, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutOff {
    /// For how long. Everybody gets a turn of their own, as fast as the service will be used by then.
    pub wait: TimeDelta,
    /// The service's word for what is wrong.
    pub reason: Reason,
}

/// What is to be made of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The answer is about the message or the device. If not, the device is not to blame and nothing is to be removed.
    pub believed: bool,
    /// Devices about which bad words were believed that turn out to be a wave's.
    pub take_back: Vec<Uuid>,
}

/// A pause, for whoever tells operators and other workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// What kind of trouble it is.
    pub cause: Cause,
    /// The service's word for it.
    pub reason: Reason,
    /// When the trouble began.
    pub since: DateTime<Utc>,
    /// When the service is tried again.
    pub until: DateTime<Utc>,
    /// Pauses of this trouble before this one.
    pub round: u32,
}
