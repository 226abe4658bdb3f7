//! Handing a message to a device's provider: the trait, what goes in, and which providers there are.
//! A provider classifies what happened into a [`PushOutcome`] value and decides nothing: what becomes of the alert is
//! `domain/alert.rs`, what is written is `alerts/queue.rs`. Nothing here knows a database, a slice or a patient.

mod carriers;
pub mod check;
pub mod http;
pub mod message;
pub mod recording;
mod registry;
pub mod sealed;
mod settings;

use std::borrow::Cow;
use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::domain::alert::PushOutcome;
use crate::domain::device::{Address, AddressKind, Environment, WebPushKeys};
use crate::domain::provider::Provider;

pub use carriers::{Carrier, Made, Maker, Setup, SetupError};
pub use check::{Finding, Verdict};
pub use message::{Collapse, Payload, Private, PushMessage, Urgency, VisibleText};
pub use registry::Registry;
pub use settings::{Settings, Told};

// A new provider is a file of its own beside these, and its name here.
carriers::carriers! {
    fcm,
    apns,
    web_push,
    expo,
}

/// One device's address, as a provider needs it.
#[derive(Debug, Clone)]
pub struct PushTarget {
    /// The device.
    pub device_id: Uuid,
    /// Who carries its messages.
    pub provider: &'static Provider,
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
    /// For whom an answer about the whole service speaks: the key of pauses and of "many at once".
    pub fn realm(&self) -> Cow<'_, str> {
        self.provider.service(self.address.expose(), self.environment)
    }
}

/// Somebody who carries messages.
pub trait PushProvider: Send + Sync {
    /// Which of the providers this is.
    fn provider(&self) -> &'static Provider;

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
