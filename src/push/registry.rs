//! The providers of this installation, ready to be handed messages. A message finds its provider by reference: there are a
//! handful, and nothing is hashed or compared letter by letter on a send's way.

use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;

use super::carriers::{Setup, SetupError};
use super::settings::Settings;
use super::{Finding, PushMessage, PushProvider, PushTarget, Receipts};
use crate::config::Limit;
use crate::domain::alert::{PushOutcome, Scope};
use crate::domain::provider::{Provider, Providers};

/// See the module's words.
#[derive(Clone)]
pub struct Registry {
    known: Providers,
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    provider: &'static Provider,
    limit: Limit,
    made: Option<Arc<dyn PushProvider>>,
}

impl Registry {
    /// Makes the providers that the settings have credentials for.
    pub fn build(settings: &Settings, setup: &Setup<'_>) -> Result<Self, SetupError> {
        let entries = settings.told.iter().map(|told| {
            let made = told.maker.as_ref().map(|maker| maker.make(setup)).transpose()?;
            Ok(Entry { provider: told.provider, limit: told.limit, made })
        });
        Ok(Self { known: settings.providers(), entries: entries.collect::<Result<_, _>>()? })
    }

    /// Adds a provider, or puts it in the place of the one that it stands in for.
    #[must_use]
    pub fn with(mut self, made: Arc<dyn PushProvider>) -> Self {
        let provider = made.provider();
        match self.entries.iter_mut().find(|entry| entry.provider == provider) {
            Some(entry) => entry.made = Some(made),
            None => {
                self.entries.push(Entry { provider, limit: Limit::default(), made: Some(made) });
                self.known = self.entries.iter().map(|entry| entry.provider).collect();
            }
        }
        self
    }

    /// Every provider there is, configured or not.
    pub fn known(&self) -> &Providers {
        &self.known
    }

    /// Who is configured.
    pub fn configured(&self) -> impl Iterator<Item = &'static Provider> {
        self.entries.iter().filter(|entry| entry.made.is_some()).map(|entry| entry.provider)
    }

    /// How fast each may be sent to.
    pub fn limits(&self) -> impl Iterator<Item = (&'static Provider, Limit)> {
        self.entries.iter().map(|entry| (entry.provider, entry.limit))
    }

    /// The memory of a provider that has one.
    pub fn receipts(&self, provider: &Provider) -> Option<&dyn Receipts> {
        self.made(provider)?.receipts()
    }

    /// Hands the message to the target's provider. One that is not configured is a matter of our credentials: no
    /// device is to blame, and alerts wait until they expire.
    pub async fn send(&self, target: &PushTarget, message: &PushMessage) -> PushOutcome {
        match self.made(target.provider) {
            Some(provider) => provider.send(target, message).await,
            None => PushOutcome::Unauthorized { scope: Scope::Provider, reason: "not_configured".into() },
        }
    }

    /// What the credentials of every provider are worth, asked of all at once.
    pub async fn check(&self) -> Vec<Finding> {
        join_all(self.entries.iter().filter_map(|entry| Some(entry.made.as_ref()?.check()))).await.concat()
    }

    fn made(&self, provider: &Provider) -> Option<&dyn PushProvider> {
        self.entries.iter().find(|entry| entry.provider == provider)?.made.as_deref()
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self { known: Providers::from_iter([]), entries: Vec::new() }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.configured()).finish()
    }
}
