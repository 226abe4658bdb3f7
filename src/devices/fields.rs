//! A device as an app sends it, and the checks of its values.

use aws_lc_rs::digest::{SHA256, digest};
use chrono_tz::Tz;
use serde::Deserialize;

use crate::body::Faults;
use crate::domain::address::Said;
use crate::domain::device::{Address, AddressKind, Environment, Permission, WebPushKeys};
use crate::domain::endpoint::AllowedHosts;
use crate::domain::provider::{Provider, Providers};
use crate::error::ApiError;

/// Characters of an app's name at its provider.
const APP_ID: std::ops::RangeInclusive<usize> = 1..=255;

/// The body of `put_device`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceFields {
    provider: String,
    address: String,
    #[serde(default)]
    address_kind: AddressKind,
    #[serde(default)]
    environment: Environment,
    app_id: Option<String>,
    keys: Option<WebPushKeys>,
    vapid_key_id: Option<String>,
    locale: String,
    time_zone: String,
    permission: Permission,
}

/// Which of our keys a Web Push subscription was made with.
#[derive(Debug, Clone)]
pub struct SubscribedWith {
    /// The key's id.
    pub id: String,
    /// Whether the app said so; otherwise it is the current one.
    pub is_told: bool,
}

/// A device to be registered. `Debug` shows neither address nor keys.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Who carries its messages.
    pub provider: &'static Provider,
    /// The app at the provider; empty where there is but one.
    pub app_id: String,
    /// Which of the provider's worlds it belongs to.
    pub environment: Environment,
    /// What the address is: `token`, `fid` or `endpoint`.
    pub address_kind: &'static str,
    /// Where to send to.
    pub address: Address,
    /// What to encrypt with.
    pub keys: Option<WebPushKeys>,
    /// Which of our keys the subscription was made with (Web Push).
    pub vapid_key: Option<SubscribedWith>,
    /// Language of the phone.
    pub locale: String,
    /// Zone the phone is in.
    pub time_zone: Tz,
    /// Whether the person lets the app notify.
    pub permission: Permission,
}

impl DeviceFields {
    /// Checks the values. `vapid_keys` are the ids of our keys, the current one first.
    pub fn read(
        self,
        faults: &mut Faults,
        providers: &Providers,
        hosts: &AllowedHosts,
        vapid_keys: &[String],
    ) -> Result<Registration, ApiError> {
        let provider =
            providers.find(&self.provider).map_err(|error| ApiError::misshapen("/provider", error.to_string()))?;
        let form = &provider.address;
        let address = self.address.trim();
        let (kind, environment) = (self.address_kind, self.environment);
        for fault in form.faults(&Said { address, kind, environment, keys: self.keys.as_ref(), hosts }) {
            faults.push(fault.pointer, fault.problem);
        }
        Ok(Registration {
            provider,
            address: Address::new(form.spelling(address)),
            address_kind: if form.is_subscription { "endpoint" } else { kind.as_str() },
            app_id: app_id(faults, self.app_id.as_deref()),
            vapid_key: vapid_key(faults, form.is_subscription, self.vapid_key_id, vapid_keys),
            locale: faults.locale("/locale", &self.locale),
            time_zone: faults.time_zone("/time_zone", self.time_zone.trim()),
            environment,
            keys: self.keys,
            permission: self.permission,
        })
    }
}

fn vapid_key(
    faults: &mut Faults,
    is_subscription: bool,
    told: Option<String>,
    ours: &[String],
) -> Option<SubscribedWith> {
    match told {
        Some(_) if !is_subscription => {
            faults.push("/vapid_key_id", "is for subscriptions, of which this provider knows nothing: leave it out");
            None
        }
        Some(id) if !ours.contains(&id) => {
            faults.push(
                "/vapid_key_id",
                "is none of this server's keys: subscribe with the one that `GET /v1/config` names",
            );
            None
        }
        Some(id) => Some(SubscribedWith { id, is_told: true }),
        None if is_subscription => ours.first().map(|id| SubscribedWith { id: id.clone(), is_told: false }),
        None => None,
    }
}

fn app_id(faults: &mut Faults, value: Option<&str>) -> String {
    let app_id = faults.optional_text("/app_id", value, APP_ID).unwrap_or_default();
    if !app_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        faults.push("/app_id", "must be visible ASCII without blanks");
    }
    app_id
}

impl Registration {
    /// What makes the address unique without being readable.
    pub fn address_hash(&self) -> Vec<u8> {
        digest(&SHA256, self.address.expose().as_bytes()).as_ref().to_vec()
    }
}
