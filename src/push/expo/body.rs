//! The JSON of one message. Expo makes an FCM or an APNs message of it.
//!
//! `tag` replaces what an Android phone shows already. There is no `collapseId`: on Android that would be FCM's collapse
//! key, of which a device may have four at a time, and alerts would push each other out.

use serde::Serialize;
use uuid::Uuid;

use crate::push::{PushMessage, PushTarget, Urgency, sealed};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) to: String,
    title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    data: Data,
    /// In seconds; written when the request leaves. Without it, what is not delivered at once may be lost.
    pub(super) ttl: u32,
    priority: &'static str,
    sound: &'static str,
    /// By kind, so that people can mute kinds; where an app has no such channel, its default one is used.
    channel_id: &'static str,
    /// The app's extension may put the real text in place of the neutral one.
    mutable_content: bool,
    tag: String,
}

#[derive(Debug, Serialize)]
struct Data {
    v: u8,
    alert_id: Uuid,
    recipient: String,
    category: &'static str,
    /// Encrypted to the phone's key, in base64url. Apple's phones show it in place of the neutral text, by the app's
    /// extension; on Android Expo shows the neutral one, and the app has the words at hand when it is opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

impl Message {
    pub(super) fn new(target: &PushTarget, message: &PushMessage) -> Self {
        let category = message.payload.category.as_str();
        Self {
            to: target.address.expose().to_owned(),
            title: message.text.title.clone(),
            body: message.text.body.clone(),
            data: Data {
                v: message.payload.version(),
                alert_id: message.payload.alert_id,
                recipient: message.payload.recipient.clone(),
                category,
                sealed: sealed::seal_private(target, message),
            },
            ttl: 0,
            priority: match message.urgency {
                Urgency::Low => "normal",
                Urgency::Normal | Urgency::High => "high",
            },
            sound: "default",
            channel_id: category,
            mutable_content: true,
            tag: message.collapse.as_str().to_owned(),
        }
    }
}
