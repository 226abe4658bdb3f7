//! Whether a text can be a push address: the pure checks at registration.
//! Whether an address still works only its provider knows.

use std::fmt;

use super::device::{AddressKind, ProviderKind, WebPushKeys};
use super::endpoint::{self, AllowedHosts, EndpointError};

/// What is wrong with an address as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// It does not have the provider's form.
    Form(ProviderKind),
    /// It does not have the form of a Firebase installation id.
    FidForm,
    /// Only FCM has kinds of addresses.
    KindWithoutFcm,
    /// Web Push needs keys.
    KeysMissing,
    /// `p256dh` is not an uncompressed P-256 point in base64url.
    P256dh,
    /// `auth` is not 16 bytes in base64url.
    Auth,
    /// The Web Push endpoint is not acceptable.
    Endpoint(EndpointError),
}

impl AddressError {
    /// Which field of the device it concerns, as a JSON pointer.
    pub fn pointer(self) -> &'static str {
        match self {
            Self::Form(_) | Self::FidForm | Self::Endpoint(_) => "/address",
            Self::KindWithoutFcm => "/address_kind",
            Self::KeysMissing => "/keys",
            Self::P256dh => "/keys/p256dh",
            Self::Auth => "/keys/auth",
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form(ProviderKind::Fcm) => "is not an FCM registration token (1 to 4096 of A-Z a-z 0-9 _ - : .)",
            Self::Form(ProviderKind::Apns) => "is not an APNs device token (32 to 100 bytes in hexadecimal)",
            Self::Form(ProviderKind::Expo) => "is not an Expo push token (ExponentPushToken[...] or a UUID)",
            Self::Form(ProviderKind::WebPush) => "is not a Web Push endpoint",
            Self::FidForm => "is not a Firebase installation id (22 characters of base64url)",
            Self::KindWithoutFcm => "only FCM has installation ids: leave it out",
            Self::KeysMissing => "Web Push needs the subscription's p256dh and auth",
            Self::P256dh => "is not an uncompressed P-256 public key (65 bytes in base64url)",
            Self::Auth => "is not an authentication secret (16 bytes in base64url)",
            Self::Endpoint(error) => return error.fmt(f),
        })
    }
}

impl std::error::Error for AddressError {}

/// Checks an address as an app sent it; returns every fault at once.
pub fn check_address(
    provider: ProviderKind,
    kind: AddressKind,
    address: &str,
    keys: Option<&WebPushKeys>,
    allowed: &AllowedHosts,
) -> Result<(), Vec<AddressError>> {
    let mut faults = Vec::new();
    match (provider, kind) {
        (ProviderKind::Fcm, AddressKind::Token) if !is_fcm_token(address) => faults.push(AddressError::Form(provider)),
        (ProviderKind::Fcm, AddressKind::Fid) if !is_base64url(address, 22) => faults.push(AddressError::FidForm),
        (ProviderKind::Apns, _) if !is_apns_token(address) => faults.push(AddressError::Form(provider)),
        (ProviderKind::Expo, _) if !is_expo_token(address) => faults.push(AddressError::Form(provider)),
        (ProviderKind::WebPush, _) => {
            faults.extend(endpoint::parse_endpoint(address, allowed).err().map(AddressError::Endpoint));
        }
        _ => {}
    }
    if kind == AddressKind::Fid && provider != ProviderKind::Fcm {
        faults.push(AddressError::KindWithoutFcm);
    }
    match (provider, keys) {
        (ProviderKind::WebPush, None) => faults.push(AddressError::KeysMissing),
        // The others carry what is encrypted under them beside the rest.
        (_, Some(keys)) => {
            if !is_uncompressed_point(&keys.p256dh) {
                faults.push(AddressError::P256dh);
            }
            if !is_base64url(unpadded(&keys.auth), 22) {
                faults.push(AddressError::Auth);
            }
        }
        (_, None) => {}
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Tokens are opaque and have grown before, so only what could break a JSON body or a log is refused.
fn is_fcm_token(text: &str) -> bool {
    (1..=4096).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:.".contains(&b))
}

/// 32 bytes today; Apple asks not to rely on it and has named 100 bytes as the most.
fn is_apns_token(text: &str) -> bool {
    (64..=200).contains(&text.len()) && text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_expo_token(text: &str) -> bool {
    let inner = ["ExponentPushToken[", "ExpoPushToken["].iter().find_map(|prefix| text.strip_prefix(prefix));
    match inner.and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => (1..=200).contains(&inner.len()) && inner.bytes().all(|b| b.is_ascii_graphic() && b != b']'),
        None => text.len() == 36 && uuid::Uuid::try_parse(text).is_ok(),
    }
}

/// 65 bytes of which the first is 4: in base64url `B`, then one of the sixteen letters that begin with two zero bits.
fn is_uncompressed_point(text: &str) -> bool {
    let text = unpadded(text);
    is_base64url(text, 87) && text.starts_with('B') && text.as_bytes().get(1).is_some_and(|b| (b'A'..=b'P').contains(b))
}

fn is_base64url(text: &str, chars: usize) -> bool {
    text.len() == chars && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// RFC 8291's subscribers leave the padding out; some libraries write it all the same.
fn unpadded(text: &str) -> &str {
    text.trim_end_matches('=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(
        provider: ProviderKind,
        kind: AddressKind,
        address: &str,
        keys: Option<&WebPushKeys>,
    ) -> Vec<AddressError> {
        check_address(provider, kind, address, keys, &AllowedHosts::default()).err().unwrap_or_default()
    }

    fn keys() -> WebPushKeys {
        WebPushKeys { p256dh: format!("BP{}", "x".repeat(85)), auth: "a_-9".repeat(5) + "AA" }
    }

    #[test]
    fn good_addresses_of_every_provider_pass() {
        let token = AddressKind::Token;
        assert_eq!(faults(ProviderKind::Fcm, token, "cQ1x-Y_z:APA91bE.x", None), []);
        assert_eq!(faults(ProviderKind::Fcm, AddressKind::Fid, "cQ1xAAAAAAAAAAAAAAAA-_", None), []);
        assert_eq!(faults(ProviderKind::Apns, token, &"0aF9".repeat(16), None), []);
        assert_eq!(faults(ProviderKind::Expo, token, "ExponentPushToken[xxYY-1_2]", None), []);
        assert_eq!(faults(ProviderKind::Expo, token, "f58ab5ae-6f9d-4d3a-8d0c-7d1f4b0f1a2b", None), []);
        assert_eq!(faults(ProviderKind::WebPush, token, "https://push.example.com/x", Some(&keys())), []);
        let padded = WebPushKeys { p256dh: keys().p256dh + "=", auth: keys().auth + "==" };
        assert_eq!(faults(ProviderKind::WebPush, token, "https://push.example.com/x", Some(&padded)), []);
    }

    #[test]
    fn bad_addresses_of_every_provider_are_named() {
        let token = AddressKind::Token;
        for address in ["", "a b", "a\"b", "ü", &"x".repeat(4097)] {
            assert_eq!(faults(ProviderKind::Fcm, token, address, None), [AddressError::Form(ProviderKind::Fcm)]);
        }
        assert_eq!(faults(ProviderKind::Fcm, AddressKind::Fid, "short", None), [AddressError::FidForm]);
        for address in ["", "zz".repeat(32).as_str(), "ab".repeat(31).as_str(), &"a".repeat(65)] {
            assert_eq!(faults(ProviderKind::Apns, token, address, None), [AddressError::Form(ProviderKind::Apns)]);
        }
        for address in ["", "ExponentPushToken[]", "ExponentPushToken[x", "PushToken[x]", "ExpoPushToken[a]b]"] {
            assert_eq!(faults(ProviderKind::Expo, token, address, None), [AddressError::Form(ProviderKind::Expo)]);
        }
    }

    #[test]
    fn every_fault_of_a_web_push_subscription_is_named_at_once() {
        let bad = WebPushKeys { p256dh: "B".repeat(86), auth: "short".into() };
        let found = faults(ProviderKind::WebPush, AddressKind::Fid, "http://10.0.0.1/", Some(&bad));
        let pointers: Vec<_> = found.iter().map(|fault| fault.pointer()).collect();
        assert_eq!(pointers, ["/address", "/address_kind", "/keys/p256dh", "/keys/auth"]);
        let compressed = WebPushKeys { p256dh: format!("Ag{}", "x".repeat(85)), auth: keys().auth };
        assert_eq!(
            faults(ProviderKind::WebPush, AddressKind::Token, "https://push.example.com/", Some(&compressed)),
            [AddressError::P256dh]
        );
        assert_eq!(
            faults(ProviderKind::WebPush, AddressKind::Token, "https://push.example.com/", None),
            [AddressError::KeysMissing]
        );
    }

    #[test]
    fn any_device_may_bring_keys_but_only_good_ones() {
        let bad = WebPushKeys { p256dh: "B".repeat(86), auth: "short".into() };
        let apns = "0aF9".repeat(16);
        for (provider, address) in
            [(ProviderKind::Fcm, "abc"), (ProviderKind::Apns, &apns), (ProviderKind::Expo, "ExponentPushToken[x]")]
        {
            assert_eq!(faults(provider, AddressKind::Token, address, Some(&keys())), []);
            let found = faults(provider, AddressKind::Token, address, Some(&bad));
            assert_eq!(found, [AddressError::P256dh, AddressError::Auth]);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_check_fall_over(text in "\\PC{0,120}", p256dh in "\\PC{0,90}", auth in "\\PC{0,24}") {
            let keys = WebPushKeys { p256dh, auth };
            for provider in ProviderKind::ALL {
                for kind in AddressKind::ALL {
                    let _ = faults(*provider, *kind, &text, Some(&keys));
                }
            }
        }
    }
}
