//! All services that this worker met, found without a lock: readers take a snapshot, whoever meets a new one makes the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};

use super::realm::Realm;
use crate::domain::breaker::ServiceState;
use crate::domain::provider::Provider;

/// Endpoints are chosen by devices, so that the number of their origins has no natural bound: from so many at a provider
/// on, those that are healthy are forgotten.
const MOST_REMEMBERED: usize = 1000;

/// A provider's services by their names.
type Services = HashMap<Box<str>, Arc<Realm>>;

/// The services of each provider: addresses may name them, so that two providers may have services of one name. There are a
/// handful of providers, told apart by reference.
#[derive(Debug, Clone, Default)]
struct Known(Vec<(&'static Provider, Services)>);

impl Known {
    fn find(&self, provider: &Provider, name: &str) -> Option<&Arc<Realm>> {
        self.0.iter().find_map(|(of, services)| (*of == provider).then_some(services))?.get(name)
    }

    fn services_of(&mut self, provider: &'static Provider) -> &mut Services {
        let index = self.0.iter().position(|(of, _)| *of == provider).unwrap_or_else(|| {
            self.0.push((provider, Services::new()));
            self.0.len() - 1
        });
        &mut self.0[index].1
    }
}

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Realms {
    known: ArcSwap<Known>,
    making: Mutex<()>,
}

impl Realms {
    /// The provider's service of this name, if it was met before.
    fn find(&self, provider: &Provider, name: &str) -> Option<Arc<Realm>> {
        self.known.load().find(provider, name).cloned()
    }

    /// The provider's service of this name; `make` makes it where it is met for the first time.
    pub(super) fn find_or_make(
        &self,
        provider: &'static Provider,
        name: &str,
        now: DateTime<Utc>,
        make: impl FnOnce() -> Realm,
    ) -> Arc<Realm> {
        if let Some(realm) = self.find(provider, name) {
            return realm;
        }
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(realm) = self.find(provider, name) {
            return realm;
        }
        let mut known = Known::clone(&self.known.load());
        let services = known.services_of(provider);
        if services.len() >= MOST_REMEMBERED {
            services.retain(|_, realm| realm.snapshot(now).state != ServiceState::Healthy);
        }
        let realm = Arc::new(make());
        services.insert(realm.name.clone(), Arc::clone(&realm));
        self.known.store(Arc::new(known));
        realm
    }

    /// All of them.
    pub(super) fn list(&self) -> Vec<Arc<Realm>> {
        self.known.load().0.iter().flat_map(|(_, services)| services.values()).cloned().collect()
    }
}
