//! An authenticator app, written from RFC 4226, 4648 and 6238 alone: it knows nothing but the address that was scanned.

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use url::Url;

use super::TestApp;
use super::people::{PASSWORD, Person};

/// The app on somebody's phone.
pub struct Authenticator {
    secret: Vec<u8>,
}

impl Authenticator {
    /// Scans what is shown as a QR code.
    pub fn scan(uri: &str) -> Self {
        let uri = Url::parse(uri).unwrap();
        assert_eq!((uri.scheme(), uri.host_str()), ("otpauth", Some("totp")));
        let value = |name: &str| uri.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!((value("algorithm"), value("digits"), value("period")), ("SHA1".into(), "6".into(), "30".into()));
        Self { secret: base32(&value("secret")) }
    }

    /// Whether this is what it scanned.
    pub fn knows(&self, secret: &[u8]) -> bool {
        self.secret == secret
    }

    /// The code that the app shows.
    pub fn code(&self, now: DateTime<Utc>) -> String {
        let counter = u64::try_from(now.timestamp() / 30).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &counter.to_be_bytes());
        let offset = usize::from(tag.as_ref()[19] & 15);
        let word: [u8; 4] = tag.as_ref()[offset..offset + 4].try_into().unwrap();
        format!("{:06}", (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000)
    }
}

fn base32(text: &str) -> Vec<u8> {
    let bits = text.bytes().flat_map(|byte| {
        let value = if byte.is_ascii_uppercase() { byte - b'A' } else { byte - b'2' + 26 };
        (0..5).rev().map(move |bit| value >> bit & 1)
    });
    let bits: Vec<u8> = bits.collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit)).collect()
}

impl TestApp {
    /// Sets up a second factor; brings the app and the recovery codes.
    pub async fn enrol(&self, person: &Person) -> (Authenticator, Vec<String>) {
        let path = "/v1/me/second-factor";
        let begun = self.post(path, &person.token, json!({ "current_password": PASSWORD })).await.expect(201);
        let phone = Authenticator::scan(begun["uri"].as_str().unwrap());
        let code = phone.code(self.state.clocks.wall.now());
        let done = self.post(&format!("{path}/confirm"), &person.token, json!({ "code": code })).await.expect(200);
        let codes = done["recovery_codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
        (phone, codes.collect())
    }

    /// Tries to log somebody in with a code, or without one.
    pub async fn try_log_in(&self, person: &Person, code: Option<&str>) -> super::Answer {
        let mut body = json!({ "email": person.email, "password": PASSWORD });
        if let Some(code) = code {
            body["code"] = Value::from(code);
        }
        self.post("/v1/auth/login", "", body).await
    }
}
