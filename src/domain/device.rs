//! What a device is to a push provider: what kind of address, which keys. Who carries is `provider.rs`, whether a text can
//! be such an address `address.rs`; who owns it is the devices' store's business.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::words::word_enum;

word_enum! {
    /// What kind of address it is, where a provider has several: Firebase is moving from the first to the second.
    #[derive(Default)]
    pub enum AddressKind {
        /// A token, or whatever a provider calls its addresses.
        #[default]
        Token = "token",
        /// The id of an installation.
        Fid = "fid",
    }
}

word_enum! {
    /// Which of a provider's worlds an address belongs to, where it has two.
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
        for kind in AddressKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("pager".parse::<AddressKind>().is_err());
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
