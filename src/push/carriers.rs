//! What a push provider is to the program before it is made: everything that its own file says of it. The list of them is in
//! `mod.rs`, where their modules are.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;

use super::PushProvider;
use super::http::HttpSettings;
use crate::clock::Clocks;
use crate::config::{Environment, LimitSettings, Vars};
use crate::domain::endpoint::AllowedHosts;
use crate::domain::provider::Provider;

/// Declares the providers there are: each is the module of that name, with a `CARRIER` in it.
macro_rules! carriers {
    ($($name:ident),+ $(,)?) => {
        $( pub mod $name; )+

        /// Every provider there is, in the order in which they are listed.
        pub static CARRIERS: &[&Carrier] = &[$( &$name::CARRIER ),+];
    };
}
pub(super) use carriers;

/// A provider as its file declares it.
pub struct Carrier {
    /// What is true of it, configured or not.
    pub provider: Provider,
    /// How fast it may be sent to: what it says it takes is the default.
    pub limit: LimitSettings,
    /// Reads its settings, all of them, and notes what is wrong under the variable's name. `None` where the operator has
    /// no credentials for it.
    pub read: fn(&mut Vars, Environment) -> Option<Maker>,
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.provider.word)
    }
}

/// What all providers are made from, beside their own settings.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// PEM of our keys towards Web Push services; generated in development.
    pub vapid_pem: &'a SecretString,
    /// Timeouts and certificates.
    pub http: &'a HttpSettings,
    /// Hosts that are exempt from the address guard.
    pub hosts: &'a AllowedHosts,
    /// The time.
    pub clocks: &'a Clocks,
}

/// A provider as it comes out of a [`Maker`].
pub type Made = Result<Arc<dyn PushProvider>, SetupError>;

/// Makes a provider from what its settings said. It shows nothing of them.
#[derive(Clone)]
pub struct Maker(Arc<dyn Fn(&Setup<'_>) -> Made + Send + Sync>);

impl Maker {
    /// Of a function that holds the settings.
    pub fn new(make: impl Fn(&Setup<'_>) -> Made + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// Makes it.
    pub fn make(&self, setup: &Setup<'_>) -> Made {
        (self.0)(setup)
    }
}

impl fmt::Debug for Maker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Maker(…)")
    }
}

/// A setting that stops the start.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct SetupError {
    /// The environment variable.
    pub variable: &'static str,
    /// What is wrong with it.
    pub problem: Box<dyn std::error::Error + Send + Sync>,
}

impl SetupError {
    /// For `map_err`: the problem is this variable's.
    pub fn of<E>(variable: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |problem| Self { variable, problem: problem.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use crate::domain::address::Said;
    use crate::domain::device::{AddressKind, Environment};
    use crate::push::CARRIERS;

    #[test]
    fn every_provider_is_told_apart_by_its_word_and_by_its_settings() {
        let words: BTreeSet<_> = CARRIERS.iter().map(|carrier| carrier.provider.word).collect();
        assert_eq!(words.len(), CARRIERS.len(), "{words:?}");
        for word in words {
            assert!(word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
            // What `devices_provider_check` of the schema takes.
            assert!((1..=20).contains(&word.len()), "{word}");
        }
        let limits = CARRIERS.iter().flat_map(|carrier| [carrier.limit.rate.0, carrier.limit.concurrency.0]);
        assert_eq!(limits.collect::<BTreeSet<_>>().len(), 2 * CARRIERS.len());
        for carrier in CARRIERS {
            let word = carrier.provider.word.to_uppercase();
            let names = (carrier.limit.rate.0, carrier.limit.concurrency.0);
            assert_eq!(names, (&*format!("MENDLINE_{word}_RATE"), &*format!("MENDLINE_{word}_CONCURRENCY")));
        }
    }

    #[test]
    fn every_provider_takes_the_kind_and_the_world_that_an_app_means_by_saying_nothing() {
        for form in CARRIERS.iter().map(|carrier| carrier.provider.address) {
            assert!(
                form.kinds.contains(&AddressKind::default()) && form.environments.contains(&Environment::default())
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_check_or_a_services_name_fall_over(address in "\\PC{0,120}") {
            let hosts = Default::default();
            for carrier in CARRIERS {
                for (kind, environment) in AddressKind::ALL.iter().zip(Environment::ALL) {
                    let (kind, environment) = (*kind, *environment);
                    let said = Said { address: &address, kind, environment, keys: None, hosts: &hosts };
                    let _ = carrier.provider.address.faults(&said);
                    let _ = carrier.provider.service(&address, environment);
                }
            }
        }
    }
}
