//! Who we are to a push service: tokens signed with the key that a subscription was made with (RFC 8292), kept per
//! service, and somebody to write to.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, Header};
use reqwest::header::HeaderValue;
use serde::Serialize;
use url::Url;

use super::CARRIER;
use super::vapid_key::{InvalidVapidKey, VapidKey, VapidKeys};
use crate::domain::alert::{PushOutcome, Scope};
use crate::push::{Finding, Verdict};

/// How long a token is good for; the standard's limit is 24 hours.
const LIFETIME: TimeDelta = TimeDelta::hours(12);

/// A token is not used in its last hour, for services whose clocks differ.
const RENEW_BEFORE: TimeDelta = TimeDelta::hours(1);

/// Origins whose tokens are kept. There are a handful of push services; more origins than this are somebody's game.
const MAX_ORIGINS: usize = 512;

/// The text is not a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mailto: or https: URL")]
pub struct InvalidVapidSubject;

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

/// A key's id, and the origin that a token is for.
type Place = (String, String);

/// Signs for origins and remembers what it signed.
#[derive(Debug)]
pub(super) struct Vapid {
    keys: VapidKeys,
    subject: VapidSubject,
    tokens: Mutex<HashMap<Place, (HeaderValue, DateTime<Utc>)>>,
}

impl Vapid {
    pub(super) fn new(keys: VapidKeys, subject: VapidSubject) -> Self {
        Self { keys, subject, tokens: Mutex::default() }
    }

    /// The `Authorization` header for an endpoint whose subscription was made with the key of that id.
    pub(super) fn authorization(
        &self,
        endpoint: &Url,
        key_id: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<HeaderValue, PushOutcome> {
        let key = match key_id {
            // The service takes no other key for this subscription: it is over, for this device alone.
            Some(id) => self
                .keys
                .find(id)
                .ok_or(PushOutcome::Unauthorized { scope: Scope::Device, reason: "vapid_key_removed".into() })?,
            // Registered before devices said which: there was but one then, and newer ones were put in front of it.
            None => self.keys.oldest(),
        };
        self.signed(endpoint, key, now).map_err(|_never| PushOutcome::Rejected { reason: "vapid".into() })
    }

    fn signed(&self, endpoint: &Url, key: &VapidKey, now: DateTime<Utc>) -> Result<HeaderValue, InvalidVapidKey> {
        let origin = endpoint.origin().ascii_serialization();
        let place: Place = (key.id().to_owned(), origin);
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        // A token of the far future is as useless as one of the past: the clock was set back.
        let fresh = |expires: &DateTime<Utc>| *expires > now + RENEW_BEFORE && *expires <= now + LIFETIME;
        if let Some((header, _)) = tokens.get(&place).filter(|(_, expires)| fresh(expires)) {
            return Ok(header.clone());
        }
        if tokens.len() >= MAX_ORIGINS {
            tokens.clear();
        }
        let expires = now + LIFETIME;
        let claims = Claims { aud: &place.1, exp: expires.timestamp(), sub: &self.subject.0 };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, key.signing())
            .map_err(|_opaque| InvalidVapidKey)?;
        let mut header = HeaderValue::from_str(&format!("vapid t={token}, k={}", key.public_key()))
            .map_err(|_opaque| InvalidVapidKey)?;
        header.set_sensitive(true);
        tokens.insert(place, (header.clone(), expires));
        Ok(header)
    }

    /// Nobody can be asked: every service believes the key that a subscription was made with. What can be seen from here
    /// is that the keys sign and that the contact is somebody.
    pub(super) fn check(&self, now: DateTime<Utc>) -> Vec<Finding> {
        let finding = |subject: String, verdict| Finding::new(&CARRIER.provider, subject, verdict);
        let nowhere = Url::parse("https://push.invalid/");
        let of_key = |(place, key): (usize, &VapidKey)| {
            let verdict = match nowhere.as_ref().is_ok_and(|url| self.signed(url, key, now).is_ok()) {
                true if place == 0 => Verdict::good("it signs, and apps subscribe with it"),
                true => Verdict::good("it signs for subscriptions that were made with it"),
                false => {
                    Verdict::bad("it does not sign", "MENDLINE_VAPID_KEY: make another with `mendline admin keys new`")
                }
            };
            finding(format!("VAPID key {}", key.id()), verdict)
        };
        let VapidSubject(subject) = &self.subject;
        let contact = match subject.ends_with("@localhost") || subject.starts_with("https://localhost") {
            true => Verdict::doubtful(
                format!("{subject} is nobody outside this machine"),
                "name a contact in MENDLINE_VAPID_SUBJECT: Apple refuses made-up ones",
            ),
            false => Verdict::good(format!("services may write to {subject}")),
        };
        let contact = finding("VAPID subject".into(), contact);
        self.keys.iter().enumerate().map(of_key).chain([contact]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(count: usize) -> VapidKeys {
        let pems: String = (0..count).map(|_| VapidKey::generate_pem().unwrap()).collect();
        VapidKeys::from_pem(&pems).unwrap()
    }

    fn vapid() -> Vapid {
        Vapid::new(keys(1), VapidSubject::parse("mailto:ops@example.org").unwrap())
    }

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + hours * 3600, 0).unwrap()
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
        let first = vapid.authorization(&one, None, at(0)).unwrap();
        assert_eq!(vapid.authorization(&same, None, at(10)).unwrap(), first);
        assert_ne!(vapid.authorization(&other, None, at(0)).unwrap(), first);
        assert_ne!(vapid.authorization(&one, None, at(11)).unwrap(), first);
    }

    #[test]
    fn a_subscription_is_served_with_the_key_that_it_was_made_with() {
        let keys = keys(3);
        let vapid = Vapid::new(keys.clone(), VapidSubject::parse("mailto:ops@example.org").unwrap());
        let url: Url = "https://push.example.org/a".parse().unwrap();
        let public = |key_id| {
            let header = vapid.authorization(&url, key_id, at(0)).unwrap();
            header.to_str().unwrap().split_once(", k=").unwrap().1.to_owned()
        };
        for key in keys.iter() {
            assert_eq!(public(Some(key.id())), key.public_key());
        }
        assert_eq!(public(None), keys.iter().last().unwrap().public_key(), "the one that was there first");
        let removed = vapid.authorization(&url, Some("gone"), at(0)).unwrap_err();
        assert_eq!(removed, PushOutcome::Unauthorized { scope: Scope::Device, reason: "vapid_key_removed".into() });
    }

    #[test]
    fn a_clock_that_was_set_back_leads_to_a_new_token() {
        let vapid = vapid();
        let url: Url = "https://push.example.org/a".parse().unwrap();
        let future = vapid.authorization(&url, None, at(48)).unwrap();
        assert_ne!(vapid.authorization(&url, None, at(0)).unwrap(), future);
    }

    #[test]
    fn thousands_of_made_up_origins_do_not_fill_the_memory() {
        let vapid = vapid();
        for n in 0..MAX_ORIGINS + 20 {
            vapid.authorization(&format!("https://h{n}.example.org/").parse().unwrap(), None, at(0)).unwrap();
        }
        assert!(vapid.tokens.lock().unwrap().len() <= MAX_ORIGINS);
    }
}
