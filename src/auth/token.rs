//! Access tokens: what they say, how they are signed and what makes one acceptable.
//! Whether an acceptable one has been called back is `revocation.rs`' business.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::extract::Caller;
use super::keys::{Keys, SigningKey};
use crate::domain::role::Role;

/// How long an access token is good for.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// How far the clock of the node that issued a token may run ahead of ours.
pub const SKEW: TimeDelta = TimeDelta::seconds(60);
/// The longest token that is looked at, in bytes; ours have about 700.
const MAX_LENGTH: usize = 2048;
/// RFC 9068: says that it is an access token and nothing else that we might sign.
const TYPE: &str = "at+jwt";
/// Who it is for.
const AUDIENCE: &str = "mendline";

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The login.
    sub: Uuid,
    /// The session.
    sid: Uuid,
    /// The active clinic.
    clinic: Uuid,
    /// The membership there.
    mid: Uuid,
    role: Role,
    /// The patient record, for patients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<Uuid>,
    /// Seconds.
    iat: i64,
    /// Seconds.
    exp: i64,
    /// Seconds. Ours have none; one that is there counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// The clinic wants a second factor that the login does not have: good for nothing but setting one up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    limited: bool,
    /// `iat` in microseconds: a token issued just after a change of role must not look older than the change.
    iau: i64,
}

/// Why a token is not acceptable. For the log and the tests; a client hears only that it must authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than any of ours.
    #[error("too long")]
    TooLong,
    /// Not a token, or without what ours have.
    #[error("malformed")]
    Malformed,
    /// Not an access token.
    #[error("not an access token")]
    WrongType,
    /// Signed with a key we do not have, or the wrong way.
    #[error("unknown key or algorithm")]
    UnknownKey,
    /// The signature does not fit, or issuer or audience are not ours.
    #[error("not ours")]
    NotOurs,
    /// Too old.
    #[error("expired")]
    Expired,
    /// From the future.
    #[error("not valid yet")]
    NotYet,
}

/// A caller, and when the token was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Who.
    pub caller: Caller,
    /// Whether it is good for looking after the login alone.
    pub limited: bool,
    /// When, by the wall clock of the node that issued it.
    pub issued_at: DateTime<Utc>,
}

/// Signs and verifies access tokens of one installation.
#[derive(Debug, Clone)]
pub struct Tokens {
    keys: Keys,
    issuer: String,
    /// One per key, each with that key's one algorithm.
    validations: Vec<Validation>,
}

impl Tokens {
    /// Tokens issued by `issuer`, the public URL.
    pub fn new(keys: Keys, issuer: &str) -> Self {
        let validations = keys.signing().iter().map(|key| validation(key, issuer)).collect();
        Self { keys, issuer: issuer.to_owned(), validations }
    }

    /// A signed token for `caller`.
    pub fn issue(&self, caller: &Caller, now: DateTime<Utc>) -> anyhow::Result<String> {
        self.sign(caller, false, now)
    }

    /// One that is good for looking after the login alone.
    pub fn issue_limited(&self, caller: &Caller, now: DateTime<Utc>) -> anyhow::Result<String> {
        self.sign(caller, true, now)
    }

    fn sign(&self, caller: &Caller, limited: bool, now: DateTime<Utc>) -> anyhow::Result<String> {
        let key = self.keys.signing().first().ok_or_else(|| anyhow::anyhow!("no signing key"))?;
        let mut header = Header::new(key.algorithm());
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key.kid().to_owned());
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: caller.user_id,
            sid: caller.session_id,
            clinic: caller.clinic_id,
            mid: caller.membership_id,
            role: caller.role,
            pid: caller.patient_id,
            limited,
            iat: now.timestamp(),
            exp: (now + LIFETIME).timestamp(),
            nbf: None,
            iau: now.timestamp_micros(),
        };
        Ok(jsonwebtoken::encode(&header, &claims, key.encoding())?)
    }

    /// Who presents this token, if it is acceptable at `now` (wall clock).
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Verified, TokenError> {
        if token.len() > MAX_LENGTH {
            return Err(TokenError::TooLong);
        }
        let header = jsonwebtoken::decode_header(token).map_err(refusal)?;
        if header.typ.as_deref() != Some(TYPE) {
            return Err(TokenError::WrongType);
        }
        let kid = header.kid.ok_or(TokenError::UnknownKey)?;
        let known = self.keys.signing().iter().zip(&self.validations);
        let (key, validation) = known.into_iter().find(|(key, _)| key.kid() == kid).ok_or(TokenError::UnknownKey)?;
        if header.alg != key.algorithm() {
            return Err(TokenError::UnknownKey);
        }
        let claims = jsonwebtoken::decode::<Claims>(token, key.decoding(), validation).map_err(refusal)?.claims;
        let issued_at = DateTime::from_timestamp_micros(claims.iau).ok_or(TokenError::Malformed)?;
        if claims.exp <= now.timestamp() {
            return Err(TokenError::Expired);
        }
        if issued_at > now + SKEW
            || claims.nbf.is_some_and(|nbf| nbf > (now + SKEW).timestamp())
            || claims.iat != issued_at.timestamp()
            || claims.exp - claims.iat > LIFETIME.num_seconds()
        {
            return Err(TokenError::NotYet);
        }
        let caller = Caller {
            user_id: claims.sub,
            clinic_id: claims.clinic,
            membership_id: claims.mid,
            role: claims.role,
            patient_id: claims.pid,
            session_id: claims.sid,
        };
        Ok(Verified { caller, limited: claims.limited, issued_at })
    }
}

/// Signature, issuer and audience. The library reads the system's time itself, so both time claims are checked above.
fn validation(key: &SigningKey, issuer: &str) -> Validation {
    let mut validation = Validation::new(key.algorithm());
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.required_spec_claims = HashSet::from(["iss", "aud", "sub"].map(str::to_owned));
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[AUDIENCE]);
    validation
}

fn refusal(error: jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature | ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => TokenError::NotOurs,
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Vars};

    fn tokens(dir: &std::path::Path, issuer: &str) -> Tokens {
        let vars = [("MENDLINE_DATA_DIR".to_owned(), dir.display().to_string())];
        Tokens::new(Keys::load(&Config::read(Vars::from_map(vars.into())).unwrap()).unwrap(), issuer)
    }

    fn caller() -> Caller {
        let id = Uuid::from_u128;
        Caller {
            user_id: id(1),
            clinic_id: id(2),
            membership_id: id(3),
            role: Role::Patient,
            patient_id: Some(id(4)),
            session_id: id(5),
        }
    }

    #[test]
    fn a_token_names_its_bearer_for_a_quarter_of_an_hour() {
        let dir = tempfile::tempdir().unwrap();
        let tokens = tokens(dir.path(), "https://mendline.example");
        let now = DateTime::from_timestamp_micros(1_770_000_000_123_456).unwrap();
        let token = tokens.issue(&caller(), now).unwrap();
        assert!(token.len() < MAX_LENGTH / 2, "{} bytes", token.len());
        assert_eq!(tokens.verify(&token, now), Ok(Verified { caller: caller(), limited: false, issued_at: now }));
        let limited = tokens.issue_limited(&caller(), now).unwrap();
        assert_eq!(tokens.verify(&limited, now), Ok(Verified { caller: caller(), limited: true, issued_at: now }));
        assert!(tokens.verify(&token, now + LIFETIME - TimeDelta::seconds(1)).is_ok());
        assert_eq!(tokens.verify(&token, now + LIFETIME), Err(TokenError::Expired));
        assert!(tokens.verify(&token, now - SKEW).is_ok(), "another node's clock may run ahead");
        assert_eq!(tokens.verify(&token, now - SKEW - TimeDelta::seconds(1)), Err(TokenError::NotYet));
    }

    #[test]
    fn another_installation_with_other_keys_or_another_name_is_not_believed() {
        let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ours = tokens(here.path(), "https://mendline.example");
        let now = DateTime::from_timestamp(1_770_000_000, 0).unwrap();
        let renamed = tokens(here.path(), "https://other.example").issue(&caller(), now).unwrap();
        assert_eq!(ours.verify(&renamed, now), Err(TokenError::NotOurs));
        let foreign = tokens(there.path(), "https://mendline.example").issue(&caller(), now).unwrap();
        assert_eq!(ours.verify(&foreign, now), Err(TokenError::UnknownKey));
    }
}
