//! Whether a provider's credentials are worth anything: what `mendline doctor` asks before the first alert does.
//! A check reaches nobody: it sends to an address that cannot exist, and a provider that says so knows us.

use crate::domain::alert::{PushOutcome, Scope};
use crate::domain::provider::Provider;

/// One credential that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose credential it is.
    pub provider: &'static Provider,
    /// Which one, by a name that is no secret: a project, a key's id, an environment.
    pub subject: String,
    /// What was found.
    pub verdict: Verdict,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Good {
        /// How we know.
        because: String,
    },
    /// It may work, but something about it wants attention, or the provider could not be asked.
    Doubtful {
        /// What was found.
        because: String,
        /// What to do.
        remedy: String,
    },
    /// It does not work.
    Bad {
        /// What was found.
        because: String,
        /// What to do.
        remedy: String,
    },
}

impl Finding {
    /// A finding about `subject`.
    pub fn new(provider: &'static Provider, subject: impl Into<String>, verdict: Verdict) -> Self {
        Self { provider, subject: subject.into(), verdict }
    }

    /// Whether sending with this credential is bound to fail.
    pub fn is_bad(&self) -> bool {
        matches!(self.verdict, Verdict::Bad { .. })
    }
}

impl Verdict {
    /// It works, and this is how we know.
    pub fn good(because: impl Into<String>) -> Self {
        Self::Good { because: because.into() }
    }

    /// It may work.
    pub fn doubtful(because: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Doubtful { because: because.into(), remedy: remedy.into() }
    }

    /// It does not work.
    pub fn bad(because: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Bad { because: because.into(), remedy: remedy.into() }
    }

    /// What it means for our credentials that a message to an address that cannot exist came to this. `remedy` is what
    /// to do where they were refused, given the provider's word.
    pub(super) fn of_probe(outcome: &PushOutcome, remedy: impl Fn(&str) -> String) -> Self {
        let word = outcome.reason().unwrap_or_default();
        match outcome {
            // Whoever judges an address has let us in.
            PushOutcome::AddressSuspect { .. } | PushOutcome::Unregistered { .. } | PushOutcome::Accepted { .. } => {
                Self::good("the provider knows us: it refused a made-up address and nothing else")
            }
            PushOutcome::Unauthorized { scope: Scope::Provider, .. } => {
                Self::bad(format!("refused: {word}"), remedy(word))
            }
            PushOutcome::Unauthorized { scope: Scope::Device, .. } => {
                Self::doubtful(format!("refused for some devices: {word}"), remedy(word))
            }
            PushOutcome::Throttled { .. } => {
                Self::doubtful(format!("the provider is limiting us: {word}"), "ask again in some minutes")
            }
            PushOutcome::Unavailable { .. } | PushOutcome::NotSent { .. } => Self::doubtful(
                format!("no verdict from the provider: {word}"),
                "see that this machine reaches it (name server, firewall, TLS), then ask again",
            ),
            PushOutcome::Rejected { .. } => {
                Self::doubtful(format!("an answer that is not known here: {word}"), remedy(word))
            }
        }
    }
}
