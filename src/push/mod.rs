//! Handing a message to a device's provider: the trait, what goes in, and who is configured.
//! A provider classifies what happened into a [`PushOutcome`] value and decides nothing: what becomes of the alert is
//! `domain/alert.rs`, what is written is `alerts/queue.rs`. Nothing here knows a database, a slice or a patient.

pub mod apns;
mod carriers;
pub mod check;
pub mod expo;
pub mod fcm;
pub mod http;
pub mod message;
pub mod recording;
pub mod sealed;
pub mod web_push;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::future::{BoxFuture, join_all};
use url::Url;
use uuid::Uuid;

use crate::domain::alert::{PushOutcome, Scope};
use crate::domain::device::{Address, AddressKind, Environment, ProviderKind, WebPushKeys};

pub use carriers::{Carrier, Setup, SetupError, configured};
pub use check::{Finding, Verdict};
pub use message::{Collapse, Payload, Private, PushMessage, Urgency, VisibleText};

/// One device's address, as a provider needs it.
#[derive(Debug, Clone)]
pub struct PushTarget {
    /// The device.
    pub device_id: Uuid,
    /// Who carries its messages.
    pub provider: ProviderKind,
    /// What kind of address it is.
    pub address_kind: AddressKind,
    /// The app the address belongs to, where the device told us.
    pub app_id: Option<String>,
    /// Which of the provider's worlds it belongs to.
    pub environment: Environment,
    /// Where to send.
    pub address: Address,
    /// What to encrypt with: what only the phone may read travels under these.
    pub keys: Option<WebPushKeys>,
    /// Which of our keys the subscription was made with (Web Push), where the device told us.
    pub vapid_key_id: Option<String>,
    /// When the app last registered this address.
    pub registered_at: DateTime<Utc>,
}

impl PushTarget {
    /// For whom an answer about the whole provider speaks: the key of pauses and of "many at once".
    ///
    /// A Web Push endpoint is the device's own choice and anybody can run such a service, so a 401 or a 429 from one
    /// of them must not silence the others: there it is the endpoint's origin. Elsewhere it is the provider.
    pub fn realm(&self) -> Cow<'_, str> {
        match self.provider {
            ProviderKind::WebPush => origin(self.address.expose()),
            ProviderKind::Apns => match self.environment {
                Environment::Production => "apns production".into(),
                Environment::Sandbox => "apns sandbox".into(),
            },
            ProviderKind::Fcm | ProviderKind::Expo => self.provider.as_str().into(),
        }
    }
}

/// The origin of an endpoint: without a copy where the text has the usual form, which is nearly always.
fn origin(endpoint: &str) -> Cow<'_, str> {
    let host = endpoint.strip_prefix("https://").unwrap_or_default();
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let usual = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    if !host.is_empty() && host.bytes().all(usual) {
        return endpoint.get(.."https://".len() + host.len()).unwrap_or_default().into();
    }
    Url::parse(endpoint).map_or(Cow::Borrowed("no origin"), |url| url.origin().ascii_serialization().into())
}

/// Somebody who carries messages.
pub trait PushProvider: Send + Sync {
    /// Which of the providers this is.
    fn kind(&self) -> ProviderKind;

    /// Hands over one message and says what came of it. It never fails: every fault is an outcome, and it takes no
    /// longer than the HTTP client's total timeout (twice that when credentials had to be renewed).
    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome>;

    /// Looks at our own credentials, one by one, without reaching anybody. It takes no longer than a send.
    fn check(&self) -> BoxFuture<'_, Vec<Finding>>;

    /// Whom to ask later what became of accepted messages, where an acceptance is no more than a promise.
    fn receipts(&self) -> Option<&dyn Receipts> {
        None
    }
}

/// What became of messages, by the id they were accepted under.
pub type WhatBecame = HashMap<String, PushOutcome>;

/// The memory of a provider that hands messages on: it knows after a while what became of them.
pub trait Receipts: Send + Sync {
    /// The most ids in one question.
    fn most(&self) -> usize;

    /// What became of the messages that were accepted under these ids. An id that is missing in the answer is not known
    /// yet, or no longer. An error says why nothing can be learnt for now.
    fn ask<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, Result<WhatBecame, PushOutcome>>;
}

/// The providers of this installation.
#[derive(Clone, Default)]
pub struct Registry(BTreeMap<ProviderKind, Arc<dyn PushProvider>>);

impl Registry {
    /// Adds a provider, in place of another one of its kind.
    #[must_use]
    pub fn with(mut self, provider: Arc<dyn PushProvider>) -> Self {
        self.0.insert(provider.kind(), provider);
        self
    }

    /// Who is configured.
    pub fn kinds(&self) -> impl Iterator<Item = ProviderKind> {
        self.0.keys().copied()
    }

    /// The memory of a provider that has one.
    pub fn receipts(&self, kind: ProviderKind) -> Option<&dyn Receipts> {
        self.0.get(&kind)?.receipts()
    }

    /// Hands the message to the target's provider. One that is not configured is a matter of our credentials: no
    /// device is to blame, and alerts wait until they expire.
    pub async fn send(&self, target: &PushTarget, message: &PushMessage) -> PushOutcome {
        match self.0.get(&target.provider) {
            Some(provider) => provider.send(target, message).await,
            None => PushOutcome::Unauthorized { scope: Scope::Provider, reason: "not_configured".into() },
        }
    }

    /// What the credentials of every provider are worth, asked of all at once.
    pub async fn check(&self) -> Vec<Finding> {
        join_all(self.0.values().map(|provider| provider.check())).await.concat()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
