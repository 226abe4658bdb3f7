//! What the operator said about push providers: read by each provider's own file, kept here until they are made.

use super::carriers::{Carrier, Maker};
use crate::config::{Environment, Limit, Vars};
use crate::domain::provider::{Provider, Providers};

/// What was said to all of them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Provider by provider, whether or not they are configured.
    pub told: Vec<Told>,
    /// `MENDLINE_PUSH_ALLOWED_HOSTS`: `host:port` of self-hosted push services; only these may be private or plain http.
    pub allowed_hosts: Vec<String>,
    /// PEM of `MENDLINE_EXTRA_CA`.
    pub extra_ca: Option<String>,
}

/// What was said to one.
#[derive(Debug, Clone)]
pub struct Told {
    /// To whom.
    pub provider: &'static Provider,
    /// How fast it may be sent to.
    pub limit: Limit,
    /// Makes it, where it is configured.
    pub maker: Option<Maker>,
}

impl Settings {
    /// Reads the settings of these providers.
    pub fn read(
        vars: &mut Vars,
        environment: Environment,
        extra_ca: Option<String>,
        carriers: &[&'static Carrier],
    ) -> Self {
        let told = |carrier: &&'static Carrier| Told {
            provider: &carrier.provider,
            limit: carrier.limit.read(vars),
            maker: (carrier.read)(vars, environment),
        };
        Self {
            told: carriers.iter().map(told).collect(),
            allowed_hosts: vars.list("MENDLINE_PUSH_ALLOWED_HOSTS"),
            extra_ca,
        }
    }

    /// Every provider there is.
    pub fn providers(&self) -> Providers {
        self.told.iter().map(|told| told.provider).collect()
    }

    /// Those that there are credentials for.
    pub fn configured(&self) -> impl Iterator<Item = &'static Provider> {
        self.told.iter().filter(|told| told.maker.is_some()).map(|told| told.provider)
    }
}
