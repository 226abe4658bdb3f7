//! The wires of push providers, spoken to servers on loopback: what exactly is sent, and what every answer means.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on should fall over")]

mod apns;
mod apns_connection;
mod apns_table;
mod check;
mod expo;
mod faults;
mod fcm;
mod http_guard;
mod pigeon;
mod settings;
mod sixth;
mod web_push;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mendline::clock::{Clock, Clocks};
use mendline::domain::device::{Address, AddressKind, Environment};
use mendline::domain::endpoint::AllowedHosts;
use mendline::domain::neutral_text::NeutralKind;
use mendline::domain::provider::Provider;
use mendline::push::http::HttpSettings;
use mendline::push::web_push::{
    CARRIER as WEB_PUSH, Receiver, VapidKey, VapidKeys, VapidSubject, WebPush, WebPushSettings,
};
use mendline::push::{Collapse, Payload, PushMessage, PushTarget, Urgency, VisibleText};
use uuid::Uuid;

/// What the wall clock shows in these tests.
pub fn now() -> DateTime<Utc> {
    "2026-03-01T09:00:00Z".parse().unwrap()
}

/// The story's clock is not the wall's: what is left of an alert's time is what counts.
pub fn clocks() -> Clocks {
    Clocks { care: Clock::manual(now() - TimeDelta::days(30)), wall: Clock::manual(now()) }
}

/// Timeouts that a test can wait for.
pub fn quick() -> HttpSettings {
    HttpSettings {
        total_timeout: Duration::from_millis(400),
        connect_timeout: Duration::from_millis(400),
        ..HttpSettings::default()
    }
}

pub fn message() -> PushMessage {
    let alert = Uuid::from_u128(0xa1);
    PushMessage {
        delivery_id: Uuid::from_u128(0xd1),
        collapse: Collapse::new("c0llapse-name-0f-22-ch"),
        payload: Payload::new(alert, "r7", NeutralKind::Reminder),
        text: VisibleText::neutral(NeutralKind::Reminder, "en"),
        private: None,
        urgency: Urgency::Normal,
        expires_at: clocks().care.now() + TimeDelta::hours(2),
    }
}

pub fn target(provider: &'static Provider, address: &str) -> PushTarget {
    PushTarget {
        device_id: Uuid::from_u128(0xde),
        provider,
        address_kind: AddressKind::Token,
        app_id: None,
        environment: Environment::Production,
        address: Address::new(address),
        keys: None,
        vapid_key_id: None,
        registered_at: now() - TimeDelta::days(1),
    }
}

/// A subscription at `endpoint` and the phone that holds its private half.
pub fn subscription(endpoint: &str) -> (PushTarget, Receiver) {
    let phone = Receiver::generate().unwrap();
    let target = PushTarget { keys: Some(phone.keys()), ..target(&WEB_PUSH.provider, endpoint) };
    (target, phone)
}

pub fn vapid_keys() -> VapidKeys {
    VapidKeys::from_pem(&VapidKey::generate_pem().unwrap()).unwrap()
}

/// A Web Push sender that may reach `hosts` on this machine.
pub fn web_push(hosts: &str, http: HttpSettings) -> WebPush {
    let settings = WebPushSettings {
        keys: vapid_keys(),
        subject: VapidSubject::parse("mailto:ops@example.org").unwrap(),
        allowed_hosts: AllowedHosts::parse(hosts).unwrap(),
        http,
    };
    WebPush::new(settings, clocks()).unwrap()
}
