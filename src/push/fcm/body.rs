//! The JSON of one message. FCM speaks for three platforms, and each has its own block.
//! No `collapse_key` anywhere: a device may have four at a time, and alerts would push each other out.
//!
//! What only the phone may read makes a message of data alone: on Android the app itself decrypts and shows it, on Apple's
//! phones the neutral alert of the `apns` block is what the app's extension replaces.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::device::AddressKind;
use crate::push::{PushMessage, PushTarget, Urgency, VisibleText, sealed};

/// What is asked of FCM to see whether it knows us: to look at a message to nobody, and not to send it.
pub(super) const PROBE: &[u8] = br#"{"validate_only":true,"message":{"token":"mendline-doctor","data":{"v":"1"}}}"#;

#[derive(Serialize)]
pub(super) struct Request<'a> {
    message: Message<'a>,
}

#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<&'a VisibleText>,
    data: Data<'a>,
    android: Android<'a>,
    apns: Apns<'a>,
    webpush: WebPush<'a>,
}

/// The payload; FCM takes strings only.
#[derive(Serialize)]
struct Data<'a> {
    v: String,
    alert_id: Uuid,
    recipient: &'a str,
    category: &'static str,
    /// Encrypted to the phone's key, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

#[derive(Serialize)]
struct Android<'a> {
    priority: &'static str,
    ttl: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification: Option<AndroidNotification<'a>>,
}

#[derive(Serialize)]
struct AndroidNotification<'a> {
    /// A message with the same tag takes the place of the earlier one in the drawer.
    tag: &'a str,
    /// By kind, so that people can mute kinds; where an app has no such channel, its default one is used.
    channel_id: &'static str,
    visibility: &'static str,
}

#[derive(Serialize)]
struct Apns<'a> {
    headers: ApnsHeaders<'a>,
    payload: ApnsPayload<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ApnsHeaders<'a> {
    apns_collapse_id: &'a str,
    apns_expiration: String,
    apns_priority: &'static str,
    apns_push_type: &'static str,
}

#[derive(Serialize)]
struct ApnsPayload<'a> {
    aps: Aps<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Aps<'a> {
    alert: &'a VisibleText,
    sound: &'static str,
    /// The app's extension may fetch the real text and put it in place of the neutral one.
    mutable_content: u8,
}

#[derive(Serialize)]
struct WebPush<'a> {
    headers: WebPushHeaders<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct WebPushHeaders<'a> {
    #[serde(rename = "TTL")]
    ttl: String,
    urgency: &'static str,
    topic: &'a str,
}

impl<'a> Request<'a> {
    /// `ttl` is in seconds, and `now` is the wall's: Apple's expiry is a moment, not a duration, and the story's clock is
    /// not Apple's.
    pub(super) fn new(target: &'a PushTarget, message: &'a PushMessage, ttl: u32, now: DateTime<Utc>) -> Self {
        let address = target.address.expose();
        let (token, fid) = match target.address_kind {
            AddressKind::Token => (Some(address), None),
            AddressKind::Fid => (None, Some(address)),
        };
        let collapse = message.collapse.as_str();
        let category = message.payload.category.as_str();
        let sealed = sealed::seal_private(target, message);
        let by_the_app = sealed.is_some();
        let drawer = AndroidNotification { tag: collapse, channel_id: category, visibility: "PRIVATE" };
        let expires = now + TimeDelta::seconds(i64::from(ttl));
        // What somebody is meant to see at its time must wake a dozing phone; only what may wait saves the battery.
        let (priority, apns_priority) = match message.urgency {
            Urgency::Low => ("normal", "5"),
            Urgency::Normal | Urgency::High => ("high", "10"),
        };
        Self {
            message: Message {
                token,
                fid,
                notification: (!by_the_app).then_some(&message.text),
                data: Data {
                    v: message.payload.version().to_string(),
                    alert_id: message.payload.alert_id,
                    recipient: &message.payload.recipient,
                    category,
                    sealed,
                },
                android: Android { priority, ttl: format!("{ttl}s"), notification: (!by_the_app).then_some(drawer) },
                apns: Apns {
                    headers: ApnsHeaders {
                        apns_collapse_id: collapse,
                        apns_expiration: expires.timestamp().to_string(),
                        apns_priority,
                        apns_push_type: "alert",
                    },
                    payload: ApnsPayload { aps: Aps { alert: &message.text, sound: "default", mutable_content: 1 } },
                },
                webpush: WebPush {
                    headers: WebPushHeaders {
                        ttl: ttl.to_string(),
                        urgency: message.urgency.as_str(),
                        topic: collapse,
                    },
                },
            },
        }
    }
}
