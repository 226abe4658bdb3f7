//! All services that this worker met, found without a lock: readers take a snapshot, whoever meets a new one makes the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};

use super::realm::Realm;
use crate::domain::breaker::ServiceState;

/// Endpoints are chosen by devices, so that the number of their origins has no natural bound: from so many on, those that
/// are healthy are forgotten.
const MOST_REMEMBERED: usize = 1000;

type Map = HashMap<Box<str>, Arc<Realm>>;

/// See the module's words.
#[derive(Debug, Default)]
pub(super) struct Realms {
    known: ArcSwap<Map>,
    making: Mutex<()>,
}

impl Realms {
    /// The service of this name, if it was met before.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Realm>> {
        self.known.load().get(name).cloned()
    }

    /// The service of this name; `make` makes it where it is met for the first time.
    pub(super) fn find_or_make(&self, name: &str, now: DateTime<Utc>, make: impl FnOnce() -> Realm) -> Arc<Realm> {
        if let Some(realm) = self.find(name) {
            return realm;
        }
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(realm) = self.find(name) {
            return realm;
        }
        let mut map = Map::clone(&self.known.load());
        if map.len() >= MOST_REMEMBERED {
            map.retain(|_, realm| realm.snapshot(now).state != ServiceState::Healthy);
        }
        let realm = Arc::new(make());
        map.insert(realm.name.clone(), Arc::clone(&realm));
        self.known.store(Arc::new(map));
        realm
    }

    /// All of them.
    pub(super) fn list(&self) -> Vec<Arc<Realm>> {
        self.known.load().values().cloned().collect()
    }
}
