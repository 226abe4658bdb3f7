//! Who we are to Apple: a key of the developer account, and a token signed with it that all requests share.
//!
//! Apple refuses tokens older than an hour and minds those that change more often than every 20 minutes, so a token is
//! renewed at its own pace and never because many requests ask at once.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::header::HeaderValue;
use serde::Serialize;

/// A token in use is replaced at this age.
const RENEW_AT: TimeDelta = TimeDelta::minutes(45);
/// And never before this one, whatever happens.
const LEAST_AGE: TimeDelta = TimeDelta::minutes(20);
/// Apple's limit of an hour, less what clocks may differ.
const GREATEST_AGE: TimeDelta = TimeDelta::minutes(57);
/// A token from further ahead than this was signed before the clock was set back.
const AHEAD: TimeDelta = TimeDelta::minutes(5);
/// Characters of a key's and a team's id.
const ID_CHARS: usize = 10;

/// Why a key cannot be used. It never repeats any of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidApnsKey {
    /// Not a private key that can sign.
    #[error("not a P-256 private key in PEM (the .p8 file of the developer account)")]
    Key,
    /// Not the form of a key's id.
    #[error("not a key's id (10 letters and digits)")]
    KeyId,
    /// Not the form of a team's id.
    #[error("not a team's id (10 letters and digits)")]
    TeamId,
}

impl InvalidApnsKey {
    /// The setting that is at fault.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Key => "MENDLINE_APNS_KEY",
            Self::KeyId => "MENDLINE_APNS_KEY_ID",
            Self::TeamId => "MENDLINE_APNS_TEAM_ID",
        }
    }
}

/// A signing key with the names that Apple knows it by.
#[derive(Clone)]
pub struct ApnsKey {
    key: EncodingKey,
    key_id: String,
    team_id: String,
}

impl fmt::Debug for ApnsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApnsKey").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl ApnsKey {
    /// Reads a key from the text of its `.p8` file.
    pub fn new(pem: &str, key_id: &str, team_id: &str) -> Result<Self, InvalidApnsKey> {
        let is_id = |text: &str| text.len() == ID_CHARS && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_id(key_id) {
            return Err(InvalidApnsKey::KeyId);
        }
        if !is_id(team_id) {
            return Err(InvalidApnsKey::TeamId);
        }
        let key = EncodingKey::from_ec_pem(pem.as_bytes()).map_err(|_secret| InvalidApnsKey::Key)?;
        let key = Self { key, key_id: key_id.to_owned(), team_id: team_id.to_owned() };
        // A key of another curve is read but cannot sign: better noticed at the start than with the first alert.
        key.sign(DateTime::UNIX_EPOCH)?;
        Ok(key)
    }

    fn sign(&self, now: DateTime<Utc>) -> Result<HeaderValue, InvalidApnsKey> {
        #[derive(Serialize)]
        struct Claims<'a> {
            iss: &'a str,
            iat: i64,
        }
        let header = Header { typ: None, kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        let claims = Claims { iss: &self.team_id, iat: now.timestamp() };
        let token = jsonwebtoken::encode(&header, &claims, &self.key).map_err(|_secret| InvalidApnsKey::Key)?;
        // In lower case: stand-ins for Apple insist on it.
        let mut value = HeaderValue::from_str(&format!("bearer {token}")).map_err(|_never| InvalidApnsKey::Key)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[derive(Debug, Clone)]
struct Token {
    header: HeaderValue,
    issued_at: DateTime<Utc>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Token>,
    /// The one before, for when Apple finds that we change too often.
    previous: Option<Token>,
    /// No new token until then.
    hold_until: Option<DateTime<Utc>>,
}

/// Signs, and remembers what it signed.
#[derive(Debug)]
pub(super) struct Signer {
    key: ApnsKey,
    held: Mutex<Held>,
}

impl Signer {
    pub(super) fn new(key: ApnsKey) -> Self {
        Self { key, held: Mutex::default() }
    }

    pub(super) fn key_id(&self) -> &str {
        &self.key.key_id
    }

    /// The `authorization` header of the moment.
    pub(super) fn authorization(&self, now: DateTime<Utc>) -> Result<HeaderValue, InvalidApnsKey> {
        let mut held = self.held();
        let held_back = held.hold_until.is_some_and(|until| now < until);
        let lasts = if held_back { GREATEST_AGE } else { RENEW_AT };
        match held.token.as_ref().filter(|token| token.issued_at <= now + AHEAD && now < token.issued_at + lasts) {
            Some(token) => Ok(token.header.clone()),
            None => held.renew(&self.key, now),
        }
    }

    /// Another token in place of one that Apple calls expired. `None`: ours is too young for that to be true.
    pub(super) fn replace(&self, refused: &HeaderValue, now: DateTime<Utc>) -> Option<HeaderValue> {
        let mut held = self.held();
        let token = held.token.as_ref()?;
        if token.header != *refused {
            return Some(token.header.clone());
        }
        let held_back = held.hold_until.is_some_and(|until| now < until);
        if held_back || now < token.issued_at + LEAST_AGE {
            return None;
        }
        held.renew(&self.key, now).ok()
    }

    /// Apple finds that tokens change too often: the one before is used again while it lives, and none is signed for a
    /// while.
    pub(super) fn hold(&self, refused: &HeaderValue, now: DateTime<Utc>) {
        let mut held = self.held();
        held.hold_until = Some(now + LEAST_AGE);
        let is_current = held.token.as_ref().is_some_and(|token| token.header == *refused);
        if is_current && held.previous.as_ref().is_some_and(|previous| now < previous.issued_at + GREATEST_AGE) {
            held.token = held.previous.take();
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn renew(&mut self, key: &ApnsKey, now: DateTime<Utc>) -> Result<HeaderValue, InvalidApnsKey> {
        let header = key.sign(now)?;
        self.previous = self.token.replace(Token { header: header.clone(), issued_at: now });
        Ok(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::web_push::VapidKey;

    fn signer() -> Signer {
        // Any P-256 key will do.
        Signer::new(ApnsKey::new(&VapidKey::generate_pem().unwrap(), "ABC123DEFG", "TEAM123456").unwrap())
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + minutes * 60, 0).unwrap()
    }

    #[test]
    fn a_token_lasts_forty_five_minutes_for_everybody() {
        let signer = signer();
        let first = signer.authorization(at(0)).unwrap();
        assert!(first.to_str().unwrap().starts_with("bearer ey"));
        assert_eq!(signer.authorization(at(44)).unwrap(), first);
        let second = signer.authorization(at(45)).unwrap();
        assert_ne!(second, first);
        assert_eq!(signer.authorization(at(46)).unwrap(), second);
    }

    #[test]
    fn a_token_that_apple_calls_expired_is_replaced_once_and_never_while_it_is_young() {
        let signer = signer();
        let first = signer.authorization(at(0)).unwrap();
        assert_eq!(signer.replace(&first, at(19)), None);
        let second = signer.replace(&first, at(20)).unwrap();
        assert_ne!(second, first);
        assert_eq!(signer.replace(&first, at(20)), Some(second.clone()), "whoever still held the old one");
        assert_eq!(signer.replace(&second, at(21)), None);
    }

    #[test]
    fn where_tokens_change_too_often_the_one_before_is_used_again_and_none_is_signed() {
        let signer = signer();
        let first = signer.authorization(at(0)).unwrap();
        let second = signer.authorization(at(45)).unwrap();
        signer.hold(&second, at(46));
        assert_eq!(signer.authorization(at(47)).unwrap(), first);
        assert_eq!(signer.replace(&first, at(48)), None);
        assert_eq!(signer.authorization(at(56)).unwrap(), first);
        let third = signer.authorization(at(57)).unwrap();
        assert_ne!(third, first, "an hour old is of no use to anybody");

        signer.hold(&third, at(58));
        assert_eq!(signer.authorization(at(59)).unwrap(), third, "with none before it, it stays");
    }

    #[test]
    fn a_clock_that_was_set_back_leads_to_a_new_token() {
        let signer = signer();
        let future = signer.authorization(at(500)).unwrap();
        assert_ne!(signer.authorization(at(0)).unwrap(), future);
    }

    #[test]
    fn what_is_no_key_is_told_apart_without_repeating_it() {
        let pem = VapidKey::generate_pem().unwrap();
        let refused = |pem: &str, key: &str, team: &str| ApnsKey::new(pem, key, team).unwrap_err();
        assert_eq!(refused(&pem, "short", "TEAM123456"), InvalidApnsKey::KeyId);
        assert_eq!(refused(&pem, "ABC123DEFG", "TEAM-12345"), InvalidApnsKey::TeamId);
        for bad in ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert_eq!(refused(bad, "ABC123DEFG", "TEAM123456"), InvalidApnsKey::Key);
        }
        let key = ApnsKey::new(&pem, "ABC123DEFG", "TEAM123456").unwrap();
        assert_eq!(format!("{key:?}"), r#"ApnsKey { key_id: "ABC123DEFG", .. }"#);
    }
}
