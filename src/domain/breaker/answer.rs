//! What an outcome says about the service that gave it, whatever it says about the message; and what may be wrong with a
//! service.

use chrono::TimeDelta;

use crate::domain::alert::{PushOutcome, Scope};
use crate::domain::words::word_enum;

word_enum! {
    /// How a push service is doing, as far as one worker knows.
    pub enum ServiceState {
        /// It is used as fast as its limits allow.
        Healthy = "healthy",
        /// It is left alone.
        Paused = "paused",
        /// The pause is over and one message is on its way to see whether the trouble is.
        Probing = "probing",
        /// It took that message; it gets more and more of them.
        Ramping = "ramping",
    }
}

word_enum! {
    /// Why a service is left alone.
    pub enum Cause {
        /// Our credentials were refused.
        Credentials = "credentials",
        /// It calls nearly every address wrong or dead: our configuration is not theirs.
        Addresses = "addresses",
        /// We sent more than it takes.
        Quota = "quota",
        /// It answers nothing that makes sense.
        Outage = "outage",
    }
}

impl Cause {
    /// The first pause, and the longest: each failed probe doubles it. A minute is what FCM asks for where it does not say
    /// how long, an hour the most that it wants anybody to wait; one message every ten minutes troubles nobody and finds
    /// mended credentials soon.
    fn bounds(self) -> (TimeDelta, TimeDelta) {
        match self {
            Self::Credentials | Self::Addresses => (TimeDelta::minutes(1), TimeDelta::minutes(10)),
            Self::Quota => (TimeDelta::minutes(1), TimeDelta::hours(1)),
            Self::Outage => (TimeDelta::seconds(30), TimeDelta::minutes(10)),
        }
    }

    /// How long to leave the service alone after so many pauses in one trouble. What the service asked for is kept; a
    /// service that goes on refusing after that is asked less often than it allows.
    pub fn wait(self, round: u32, asked: Option<TimeDelta>) -> TimeDelta {
        let (first, longest) = self.bounds();
        let usual = (first * 2_i32.pow(round.min(10))).min(longest);
        match asked {
            Some(asked) if round == 0 => asked.max(TimeDelta::seconds(1)),
            Some(asked) => asked.max(usual),
            None => usual,
        }
    }
}

/// What an outcome says about the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It took a message.
    Accepted,
    /// It called an address wrong or dead.
    BadAddress,
    /// It refused our credentials.
    Refused,
    /// It wants fewer messages.
    Throttled(Option<TimeDelta>),
    /// It failed, or could not be reached.
    Down,
    /// It works: what it said is about one message or one device.
    Works,
    /// Nothing: it was not asked, or not waited for.
    Nothing,
}

impl Answer {
    /// Reads it off an outcome.
    pub fn of(outcome: &PushOutcome) -> Self {
        match outcome {
            PushOutcome::Accepted { .. } => Self::Accepted,
            PushOutcome::Unregistered { .. } | PushOutcome::AddressSuspect { .. } => Self::BadAddress,
            PushOutcome::Unauthorized { scope: Scope::Provider, .. } => Self::Refused,
            PushOutcome::Throttled { scope: Scope::Provider, retry_after, .. } => Self::Throttled(*retry_after),
            PushOutcome::Unavailable { reason, .. } | PushOutcome::NotSent { reason } => match &**reason {
                // The alert's time was over; that says nothing about the service.
                "expired" => Self::Nothing,
                _ => Self::Down,
            },
            PushOutcome::Throttled { scope: Scope::Device, .. }
            | PushOutcome::Unauthorized { scope: Scope::Device, .. }
            | PushOutcome::Rejected { .. } => Self::Works,
        }
    }
}
