//! What a push address looks like: the pure checks at registration. What is each provider's own about it stands in the
//! provider's file; what holds for all is here. Whether an address still works only its provider knows.

use std::borrow::Cow;

use super::device::{AddressKind, Environment, WebPushKeys};
use super::endpoint::AllowedHosts;

/// Where a phone is reached, as its app says. It has no `Debug`: an address is never shown.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    /// The address.
    pub address: &'a str,
    /// What kind of address it is to be.
    pub kind: AddressKind,
    /// Which of the provider's worlds it belongs to.
    pub environment: Environment,
    /// What to encrypt with.
    pub keys: Option<&'a WebPushKeys>,
    /// Hosts that may be private.
    pub hosts: &'a AllowedHosts,
}

/// What is wrong with a field, in words that follow its name.
pub type Problem = Cow<'static, str>;

/// A field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressFault {
    /// Which field of the device, as a JSON pointer.
    pub pointer: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What a provider's addresses look like, and what comes with them.
#[derive(Debug, Clone, Copy)]
pub struct AddressForm {
    /// Whether the address itself can be one; what is wrong with it otherwise.
    pub check: fn(&Said<'_>) -> Result<(), Problem>,
    /// Kinds to choose from.
    pub kinds: &'static [AddressKind],
    /// Worlds to choose from.
    pub environments: &'static [Environment],
    /// The same address in other letters is the same phone.
    pub ignores_case: bool,
    /// It is the endpoint of a subscription: made with one of our keys, and of no use without its own.
    pub is_subscription: bool,
}

impl AddressForm {
    /// Of a plain token, about which nothing is to be chosen.
    pub const fn of(check: fn(&Said<'_>) -> Result<(), Problem>) -> Self {
        Self {
            check,
            kinds: &[AddressKind::Token],
            environments: &[Environment::Production],
            ignores_case: false,
            is_subscription: false,
        }
    }

    /// Everything that is wrong with what an app said.
    pub fn faults(&self, said: &Said<'_>) -> Vec<AddressFault> {
        let mut faults = Vec::new();
        let mut fault = |pointer, problem| faults.push(AddressFault { pointer, problem });
        if let Err(problem) = (self.check)(said) {
            fault("/address", problem);
        }
        if !self.kinds.contains(&said.kind) {
            fault("/address_kind", "is not known to this provider: leave it out".into());
        }
        match said.keys {
            None if self.is_subscription => fault("/keys", "must hold the subscription's p256dh and auth".into()),
            None => {}
            // What is encrypted under them travels with any provider's message.
            Some(keys) => {
                if !is_uncompressed_point(&keys.p256dh) {
                    fault("/keys/p256dh", "is not an uncompressed P-256 public key (65 bytes in base64url)".into());
                }
                if !is_base64url(unpadded(&keys.auth), 22) {
                    fault("/keys/auth", "is not an authentication secret (16 bytes in base64url)".into());
                }
            }
        }
        if !self.environments.contains(&said.environment) {
            fault("/environment", "is not known to this provider: leave it out".into());
        }
        faults
    }

    /// The one spelling of an address.
    pub fn spelling(&self, address: &str) -> String {
        if self.ignores_case { address.to_ascii_lowercase() } else { address.to_owned() }
    }
}

/// 65 bytes of which the first is 4: in base64url `B`, then one of the sixteen letters that begin with two zero bits.
fn is_uncompressed_point(text: &str) -> bool {
    let text = unpadded(text);
    is_base64url(text, 87) && text.starts_with('B') && text.as_bytes().get(1).is_some_and(|b| (b'A'..=b'P').contains(b))
}

/// Whether a text is so many characters of base64url.
pub fn is_base64url(text: &str, chars: usize) -> bool {
    text.len() == chars && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// RFC 8291's subscribers leave the padding out; some libraries write it all the same.
fn unpadded(text: &str) -> &str {
    text.trim_end_matches('=')
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use proptest::prelude::*;

    static NOWHERE: LazyLock<AllowedHosts> = LazyLock::new(AllowedHosts::default);

    const PLAIN: AddressForm = AddressForm::of(|said| match said.address {
        "" => Err("is empty".into()),
        _ => Ok(()),
    });

    fn said() -> Said<'static> {
        let (kind, environment) = (AddressKind::default(), Environment::default());
        Said { address: "x", kind, environment, keys: None, hosts: &NOWHERE }
    }

    fn keys() -> WebPushKeys {
        WebPushKeys { p256dh: format!("BP{}", "x".repeat(85)), auth: "a_-9".repeat(5) + "AA" }
    }

    fn pointers(form: AddressForm, said: Said<'_>) -> Vec<&'static str> {
        form.faults(&said).into_iter().map(|fault| fault.pointer).collect()
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let (kind, environment) = (AddressKind::Fid, Environment::Sandbox);
        let chosen = Said { address: "", kind, environment, ..said() };
        assert_eq!(pointers(PLAIN, chosen), ["/address", "/address_kind", "/environment"]);
        let choosing = AddressForm { kinds: AddressKind::ALL, environments: Environment::ALL, ..PLAIN };
        assert_eq!(pointers(choosing, chosen), ["/address"]);
    }

    #[test]
    fn any_device_may_bring_keys_a_subscription_must_and_only_good_ones() {
        let (good, bad) = (keys(), WebPushKeys { p256dh: "B".repeat(86), auth: "short".into() });
        let padded = WebPushKeys { p256dh: keys().p256dh + "=", auth: keys().auth + "==" };
        let compressed = WebPushKeys { p256dh: format!("Ag{}", "x".repeat(85)), auth: keys().auth };
        let subscription = AddressForm { is_subscription: true, ..PLAIN };
        for form in [PLAIN, subscription] {
            let of = |keys| pointers(form, Said { keys: Some(keys), ..said() });
            assert_eq!((of(&good), of(&padded)), (vec![], vec![]));
            assert_eq!((of(&bad), of(&compressed)), (vec!["/keys/p256dh", "/keys/auth"], vec!["/keys/p256dh"]));
        }
        assert!(pointers(PLAIN, said()).is_empty());
        assert_eq!(pointers(subscription, said()), ["/keys"]);
    }

    #[test]
    fn case_is_kept_where_it_may_mean_something() {
        assert_eq!(PLAIN.spelling("aB"), "aB");
        assert_eq!(AddressForm { ignores_case: true, ..PLAIN }.spelling("aB"), "ab");
    }

    proptest! {
        #[test]
        fn no_keys_make_the_check_fall_over(p256dh in "\\PC{0,90}", auth in "\\PC{0,24}") {
            let keys = WebPushKeys { p256dh, auth };
            let _ = pointers(PLAIN, Said { keys: Some(&keys), ..said() });
        }
    }
}
