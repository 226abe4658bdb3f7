//! Which push providers this installation has: from settings to a registry. A fault names the variable.

use std::sync::Arc;

use anyhow::Context;
use secrecy::ExposeSecret;
use url::Url;

use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::config::Config;
use crate::domain::endpoint::AllowedHosts;
use crate::push::Registry;
use crate::push::expo::{Expo, ExpoSettings};
use crate::push::fcm::{Fcm, FcmSettings, ServiceAccount};
use crate::push::http::HttpSettings;
use crate::push::web_push::{VapidKey, VapidSubject, WebPush, WebPushSettings};

/// Whom push services may write to where the operator has not said: they want a subject, and development has none.
const DEVELOPMENT_SUBJECT: &str = "mailto:development@localhost";

/// The key towards Web Push services.
pub fn vapid_key(keys: &Keys) -> anyhow::Result<VapidKey> {
    VapidKey::from_pem(keys.vapid_pem().expose_secret()).context("MENDLINE_VAPID_KEY")
}

/// Web Push and Expo always, since they need nothing from us; FCM where there are credentials for it.
pub fn registry(config: &Config, keys: &Keys, hosts: &AllowedHosts, clocks: &Clocks) -> anyhow::Result<Registry> {
    let http = HttpSettings {
        total_timeout: config.worker.send_timeout,
        extra_ca: config.push.extra_ca.clone(),
        max_in_flight: usize::try_from(config.worker.concurrency).unwrap_or(256),
        ..HttpSettings::default()
    };
    let subject = config.push.vapid_subject.as_deref().unwrap_or(DEVELOPMENT_SUBJECT);
    let web_push = WebPushSettings {
        key: vapid_key(keys)?,
        subject: VapidSubject::parse(subject).context("MENDLINE_VAPID_SUBJECT")?,
        allowed_hosts: hosts.clone(),
        http: http.clone(),
    };
    let expo = ExpoSettings {
        token: config.push.expo_token.clone(),
        base_url: Url::parse(&config.push.expo_base_url).context("MENDLINE_EXPO_BASE_URL")?,
        http: http.clone(),
    };
    let mut registry = Registry::default()
        .with(Arc::new(WebPush::new(web_push, clocks.clone())?))
        .with(Arc::new(Expo::new(expo, clocks.clone()).context("MENDLINE_EXPO_TOKEN")?));
    if let Some(credentials) = &config.push.fcm_credentials {
        let fcm = FcmSettings {
            account: ServiceAccount::from_json(credentials.expose_secret()).context("MENDLINE_FCM_CREDENTIALS")?,
            base_url: Url::parse(&config.push.fcm_base_url).context("MENDLINE_FCM_BASE_URL")?,
            http,
        };
        registry = registry.with(Arc::new(Fcm::new(fcm, clocks.clone())?));
    }
    Ok(registry)
}
