//! Who we are to a push service: a key of our own and tokens signed with it (RFC 8292).
//! The key is for life: browsers bind subscriptions to it, and changing it ends them all.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::HeaderValue;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use url::Url;

use crate::domain::device::ProviderKind;
use crate::push::{Finding, Verdict};

/// How long a token is good for; the standard's limit is 24 hours.
const LIFETIME: TimeDelta = TimeDelta::hours(12);

/// A token is not used in its last hour, for services whose clocks differ.
const RENEW_BEFORE: TimeDelta = TimeDelta::hours(1);

/// Origins whose tokens are kept. There are a handful of push services; more origins than this are somebody's game.
const MAX_ORIGINS: usize = 512;

/// The text is not a P-256 private key in PKCS #8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 private key in PEM (PKCS #8, `BEGIN PRIVATE KEY`)")]
pub struct InvalidVapidKey;

/// The text is not a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mailto: or https: URL")]
pub struct InvalidVapidSubject;

/// Our key pair.
#[derive(Clone)]
pub struct VapidKey {
    signing: EncodingKey,
    public: String,
    id: String,
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VapidKey").field("id", &self.id).finish_non_exhaustive()
    }
}

impl VapidKey {
    /// Reads a key from PEM.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidVapidKey> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_opaque| InvalidVapidKey)?;
        let der = der.secret_pkcs8_der();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_opaque| InvalidVapidKey)?;
        let public = pair.public_key().as_ref();
        let id = URL_SAFE_NO_PAD.encode(&digest(&SHA256, public).as_ref()[..9]);
        Ok(Self { signing: EncodingKey::from_ec_der(der), public: URL_SAFE_NO_PAD.encode(public), id })
    }

    /// Draws a new key and returns its PEM, to be kept somewhere safe.
    pub fn generate_pem() -> Result<String, InvalidVapidKey> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_opaque| InvalidVapidKey)?;
        let der = pair.to_pkcs8v1().map_err(|_opaque| InvalidVapidKey)?;
        let mut pem = String::from("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = STANDARD.encode(der.as_ref());
        while !rest.is_empty() {
            let tail = rest.split_off(rest.len().min(64));
            pem.push_str(&rest);
            pem.push('\n');
            rest = tail;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// The public half as apps need it for `applicationServerKey`: 65 bytes in base64url.
    pub fn public_key(&self) -> &str {
        &self.public
    }

    /// A short name of the key (from its hash), by which an app notices that it has changed.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Whom a push service may write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VapidSubject(String);

impl VapidSubject {
    /// Reads a `mailto:` or `https:` URL; Apple refuses anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidVapidSubject> {
        let url = Url::parse(text).map_err(|_opaque| InvalidVapidSubject)?;
        let address =
            |path: &str| path.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
        let good = match url.scheme() {
            "https" => url.has_host(),
            // No blank after the colon: Apple takes `mailto: me@example.org` for a missing subject.
            "mailto" => address(url.path()) && !text.contains([' ', '<', '>']),
            _ => false,
        };
        if good { Ok(Self(text.to_owned())) } else { Err(InvalidVapidSubject) }
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    sub: &'a str,
}

/// Signs for origins and remembers what it signed.
#[derive(Debug)]
pub(super) struct Vapid {
    key: VapidKey,
    subject: VapidSubject,
    tokens: Mutex<HashMap<String, (HeaderValue, DateTime<Utc>)>>,
}

impl Vapid {
    /// Nobody can be asked: every service believes the key that a subscription was made with. What can be seen from here
    /// is that the key signs and that the contact is somebody.
    pub(super) fn check(&self, now: DateTime<Utc>) -> Vec<Finding> {
        let signs = Url::parse("https://push.invalid/").is_ok_and(|url| self.authorization(&url, now).is_ok());
        let key = match signs {
            true => Verdict::good("it signs; services judge it when they get a message"),
            false => {
                Verdict::bad("it does not sign", "MENDLINE_VAPID_KEY: make another with `mendline admin keys new`")
            }
        };
        let VapidSubject(subject) = &self.subject;
        let contact = match subject.ends_with("@localhost") || subject.starts_with("https://localhost") {
            true => Verdict::doubtful(
                format!("{subject} is nobody outside this machine"),
                "name a contact in MENDLINE_VAPID_SUBJECT: Apple refuses made-up ones",
            ),
            false => Verdict::good(format!("services may write to {subject}")),
        };
        let finding = |subject: String, verdict| Finding::new(ProviderKind::WebPush, subject, verdict);
        vec![finding(format!("VAPID key {}", self.key.id), key), finding("VAPID subject".into(), contact)]
    }

    pub(super) fn new(key: VapidKey, subject: VapidSubject) -> Self {
        Self { key, subject, tokens: Mutex::default() }
    }

    /// The `Authorization` header for an endpoint.
    pub(super) fn authorization(&self, endpoint: &Url, now: DateTime<Utc>) -> Result<HeaderValue, InvalidVapidKey> {
        let origin = endpoint.origin().ascii_serialization();
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // A token of the far future is as useless as one of the past: the clock was set back.
        let fresh = |expires: &DateTime<Utc>| *expires > now + RENEW_BEFORE && *expires <= now + LIFETIME;
        if let Some((header, _)) = tokens.get(&origin).filter(|(_, expires)| fresh(expires)) {
            return Ok(header.clone());
        }
        if tokens.len() >= MAX_ORIGINS {
            tokens.clear();
        }
        let expires = now + LIFETIME;
        let claims = Claims { aud: &origin, exp: expires.timestamp(), sub: &self.subject.0 };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.key.signing)
            .map_err(|_opaque| InvalidVapidKey)?;
        let mut header = HeaderValue::from_str(&format!("vapid t={token}, k={}", self.key.public))
            .map_err(|_opaque| InvalidVapidKey)?;
        header.set_sensitive(true);
        tokens.insert(origin, (header.clone(), expires));
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vapid() -> Vapid {
        let key = VapidKey::from_pem(&VapidKey::generate_pem().unwrap()).unwrap();
        Vapid::new(key, VapidSubject::parse("mailto:ops@example.org").unwrap())
    }

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + hours * 3600, 0).unwrap()
    }

    #[test]
    fn a_key_reads_back_from_its_pem_as_the_same_key() {
        let pem = VapidKey::generate_pem().unwrap();
        let (one, again) = (VapidKey::from_pem(&pem).unwrap(), VapidKey::from_pem(&pem).unwrap());
        assert_eq!((one.public_key(), one.id()), (again.public_key(), again.id()));
        assert_eq!(one.public_key().len(), 87);
        assert_ne!(one.id(), vapid().key.id());
        assert!(!format!("{one:?}").contains(one.public_key()));
    }

    #[test]
    fn what_is_not_a_p256_key_is_refused() {
        use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
        let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
        let p384 =
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", STANDARD.encode(p384.as_ref()));
        for pem in ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", &p384] {
            assert_eq!(VapidKey::from_pem(pem).err(), Some(InvalidVapidKey));
        }
    }

    #[test]
    fn only_addresses_that_somebody_can_write_to_are_subjects() {
        for good in ["mailto:ops@example.org", "https://example.org/contact"] {
            assert!(VapidSubject::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "ops@example.org", "mailto:", "mailto:ops", "mailto: ops@example.org", "http://example.org"] {
            assert_eq!(VapidSubject::parse(bad), Err(InvalidVapidSubject), "{bad}");
        }
    }

    #[test]
    fn a_token_is_kept_per_origin_until_its_last_hour() {
        let vapid = vapid();
        let one: Url = "https://push.example.org/a".parse().unwrap();
        let same: Url = "https://push.example.org/b".parse().unwrap();
        let other: Url = "https://push.example.org:8443/a".parse().unwrap();
        let first = vapid.authorization(&one, at(0)).unwrap();
        assert_eq!(vapid.authorization(&same, at(10)).unwrap(), first);
        assert_ne!(vapid.authorization(&other, at(0)).unwrap(), first);
        assert_ne!(vapid.authorization(&one, at(11)).unwrap(), first);
    }

    #[test]
    fn a_clock_that_was_set_back_leads_to_a_new_token() {
        let vapid = vapid();
        let url: Url = "https://push.example.org/a".parse().unwrap();
        let future = vapid.authorization(&url, at(48)).unwrap();
        assert_ne!(vapid.authorization(&url, at(0)).unwrap(), future);
    }

    #[test]
    fn thousands_of_made_up_origins_do_not_fill_the_memory() {
        let vapid = vapid();
        for n in 0..MAX_ORIGINS + 20 {
            vapid.authorization(&format!("https://h{n}.example.org/").parse().unwrap(), at(0)).unwrap();
        }
        assert!(vapid.tokens.lock().unwrap().len() <= MAX_ORIGINS);
    }
}
