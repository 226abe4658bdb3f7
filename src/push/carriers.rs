//! Who carries messages here: every provider with how it is made from the settings. A new one is a line.

use std::sync::Arc;

use secrecy::SecretString;

use super::http::HttpSettings;
use super::{PushProvider, Registry, apns, expo, fcm, web_push};
use crate::clock::Clocks;
use crate::config;
use crate::domain::endpoint::AllowedHosts;

/// Every provider there is.
const CARRIERS: &[Build] = &[fcm::build, apns::build, web_push::build, expo::build];

/// Makes a provider; `None` where the installation has no credentials for it.
pub type Build = fn(&Setup<'_>) -> Result<Option<Arc<dyn PushProvider>>, SetupError>;

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
        CARRIERS
            .iter()
            .try_fold(Self::default(), |registry, build| Ok(build(setup)?.into_iter().fold(registry, Registry::with)))
    }
}
