//! What a device is to a push provider: who carries, what kind of address, which keys.
//! Whether a text can be such an address is `address.rs`; who owns it is the devices' store's business.

use std::fmt;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::words::word_enum;

word_enum! {
    /// Who carries the message.
    pub enum ProviderKind {
        /// Firebase Cloud Messaging.
        Fcm = "fcm",
        /// Apple's own service.
        Apns = "apns",
        /// RFC 8030: browsers, UnifiedPush, Safari.
        WebPush = "web_push",
        /// Expo's relay.
        Expo = "expo",
    }
}

impl ProviderKind {
    /// For how long an address is believed of whose app nobody has heard: afterwards the phone is most likely gone, and
    /// a provider that goes on accepting for it only flatters the figures.
    pub const fn believed_for(self) -> TimeDelta {
        match self {
            // Firebase itself forgets an Android registration that was inactive for so long; Expo stands before it.
            Self::Fcm | Self::Expo => TimeDelta::days(270),
            // Apple tells of a token that is gone, but not when it wants to.
            Self::Apns => TimeDelta::days(180),
            // A push service keeps a browser's subscription although nobody opens the browser; nobody tells.
            Self::WebPush => TimeDelta::days(90),
        }
    }
}

word_enum! {
    /// What kind of FCM address it is: both are in use while Firebase moves from the first to the second.
    #[derive(Default)]
    pub enum AddressKind {
        /// A registration token (or whatever a provider without kinds calls its address).
        #[default]
        Token = "token",
        /// A Firebase installation id.
        Fid = "fid",
    }
}

word_enum! {
    /// Which of APNs' two worlds an address belongs to.
    #[derive(Default)]
    pub enum Environment {
        /// Apps from the store.
        #[default]
        Production = "production",
        /// Development builds.
        Sandbox = "sandbox",
    }
}

word_enum! {
    /// Whether the person lets the app notify, as the phone says.
    pub enum Permission {
        /// They do.
        Granted = "granted",
        /// They do not: nothing is sent to the phone.
        Denied = "denied",
        /// Nobody asked them yet.
        Unknown = "unknown",
    }
}

/// A push address: whoever knows it may be able to send to the device, so it is never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(String);

impl Address {
    /// Wraps the text of an address.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for the wire and for encryption at rest, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(…)")
    }
}

/// The two values with which a device lets us encrypt for it, in base64url: those of a Web Push subscription, or a pair that
/// the app made itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebPushKeys {
    /// The subscriber's public key: an uncompressed P-256 point of 65 bytes.
    pub p256dh: String,
    /// The secret shared with the subscriber: 16 bytes.
    pub auth: String,
}

impl fmt::Debug for WebPushKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebPushKeys(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_what_they_name() {
        for kind in ProviderKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("sms".parse::<ProviderKind>().is_err());
        assert_eq!("fid".parse(), Ok(AddressKind::Fid));
        assert_eq!("sandbox".parse(), Ok(Environment::Sandbox));
    }

    #[test]
    fn neither_addresses_nor_keys_show_in_debug() {
        let keys = WebPushKeys { p256dh: "xxx".into(), auth: "xxx".into() };
        let shown = format!("{:?} {:?}", Address::new("secret-token"), keys);
        assert!(!shown.contains("secret") && !shown.contains("xxx"), "{shown}");
    }
}
