//! What push providers are made from in this process. Which there are stands in `push/mod.rs`.

use secrecy::ExposeSecret;

use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::config::Config;
use crate::domain::endpoint::AllowedHosts;
use crate::push::http::HttpSettings;
use crate::push::web_push::VapidKeys;
use crate::push::{Registry, Setup, SetupError};

/// The keys towards Web Push services.
pub fn vapid_keys(keys: &Keys) -> Result<VapidKeys, SetupError> {
    VapidKeys::from_pem(keys.vapid_pem().expose_secret()).map_err(SetupError::of("MENDLINE_VAPID_KEY"))
}

/// The providers that the settings have credentials for. A fault names the variable.
pub fn registry(config: &Config, keys: &Keys, hosts: &AllowedHosts, clocks: &Clocks) -> Result<Registry, SetupError> {
    let http = HttpSettings {
        total_timeout: config.worker.send_timeout,
        extra_ca: config.push.extra_ca.clone(),
        max_in_flight: usize::try_from(config.worker.concurrency).unwrap_or(256),
        ..HttpSettings::default()
    };
    Registry::build(&config.push, &Setup { vapid_pem: keys.vapid_pem(), http: &http, hosts, clocks })
}
