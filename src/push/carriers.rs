//! Who carries messages here: every provider with how it is made from the settings. A new one is a line.

use std::sync::Arc;

use secrecy::SecretString;

use super::http::HttpSettings;
use super::{PushProvider, Registry, apns, expo, fcm, web_push};
use crate::clock::Clocks;
use crate::config;
use crate::domain::device::ProviderKind;
use crate::domain::endpoint::AllowedHosts;

/// Every provider there is.
const CARRIERS: &[Carrier] = &[fcm::CARRIER, apns::CARRIER, web_push::CARRIER, expo::CARRIER];

/// A provider before it is made.
#[derive(Debug, Clone, Copy)]
pub struct Carrier {
    /// Which of the providers it is.
    pub kind: ProviderKind,
    /// Whether the installation has credentials for it.
    pub is_configured: fn(&config::Push) -> bool,
    /// Makes it; not asked where it is not configured.
    pub build: fn(&Setup<'_>) -> Result<Arc<dyn PushProvider>, SetupError>,
}

/// The providers that an installation with these settings has credentials for.
pub fn configured(settings: &config::Push) -> impl Iterator<Item = &'static Carrier> {
    CARRIERS.iter().filter(|carrier| (carrier.is_configured)(settings))
}

/// What providers are made from.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// The operator's settings.
    pub settings: &'a config::Push,
    /// PEM of our keys towards Web Push services; generated in development.
    pub vapid_pem: &'a SecretString,
    /// Timeouts and certificates.
    pub http: &'a HttpSettings,
    /// Hosts that are exempt from the address guard.
    pub hosts: &'a AllowedHosts,
    /// The time.
    pub clocks: &'a Clocks,
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

impl Registry {
    /// The providers that the settings have credentials for.
    pub fn build(setup: &Setup<'_>) -> Result<Self, SetupError> {
        let built = configured(setup.settings).map(|carrier| (carrier.build)(setup));
        built.collect::<Result<Vec<_>, _>>().map(|built| built.into_iter().fold(Self::default(), Self::with))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_carrier() {
        let mut kinds: Vec<_> = CARRIERS.iter().map(|carrier| carrier.kind).collect();
        kinds.sort_unstable();
        let mut all = ProviderKind::ALL.to_vec();
        all.sort_unstable();
        assert_eq!(kinds, all);
    }
}
