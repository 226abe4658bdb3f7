//! Every key this server holds: token signing keys, and what is derived from the one master secret.
//! Where they come from stands in `keys/files.rs`, what a signing key is in `keys/signing.rs`. Nothing here asks the
//! environment or the database, and nothing shows key material in `Debug`.

mod files;
mod signing;

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::{hkdf, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

pub use files::{Made, make, precede_vapid, rotate, write_private};
pub use signing::{Jwk, Jwks, SigningKey, parse as parse_signing_keys};

use crate::config::Config;

/// First byte of everything sealed: says how, so that the way may change.
const SEAL_VERSION: u8 = 1;
/// Bytes of a tag that is shown: 128 bits, 22 characters.
const SHORT_TAG: usize = 16;
/// Characters of invitation and reset codes: no I, L, O or U, so that they survive being read aloud.
const CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters of a code: 100 bits.
const CODE_LENGTH: usize = 20;

/// A key did not do its work: sealed under another key, cut short, or tampered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key does not fit")]
pub struct KeyError;

impl From<Unspecified> for KeyError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// All keys. Cheap to clone.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    signing: Vec<SigningKey>,
    vapid: SecretString,
    sealing: LessSafeKey,
    refresh: hmac::Key,
    collapse: hmac::Key,
    recipient: hmac::Key,
    codes: hmac::Key,
    trail: hmac::Key,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.0.signing.iter().map(SigningKey::kid).collect();
        f.debug_struct("Keys").field("signing", &kids).finish_non_exhaustive()
    }
}

impl Keys {
    /// The configured keys; in development, missing ones are generated into `<data dir>/keys` and kept there.
    pub fn load(config: &Config) -> anyhow::Result<Self> {
        Self::of(files::Material::load(config)?)
    }

    /// The same for a look around, which changes nothing: missing ones are made up and forgotten again.
    pub fn look(config: &Config) -> anyhow::Result<Self> {
        Self::of(files::Material::look(config)?)
    }

    fn of(material: files::Material) -> anyhow::Result<Self> {
        let signing = signing::parse(material.token.expose_secret())?;
        let secret = files::decode_secret(material.secret.expose_secret())?;
        Self::derive(signing, &secret, material.vapid)
    }

    fn derive(signing: Vec<SigningKey>, secret: &[u8], vapid: SecretString) -> anyhow::Result<Self> {
        let master = hkdf::Salt::new(hkdf::HKDF_SHA256, b"mendline/v1").extract(secret);
        let mac = |label: &'static str| -> anyhow::Result<hmac::Key> {
            let info = [label.as_bytes()];
            let derived = master.expand(&info, hmac::HMAC_SHA256).map_err(failed(label))?;
            Ok(hmac::Key::from(derived))
        };
        let info = [b"address sealing".as_slice()];
        let sealing = UnboundKey::from(master.expand(&info, &AES_256_GCM).map_err(failed("address sealing"))?);
        Ok(Self(Arc::new(Inner {
            signing,
            vapid,
            sealing: LessSafeKey::new(sealing),
            refresh: mac("refresh successor")?,
            collapse: mac("push collapse")?,
            recipient: mac("recipient tag")?,
            codes: mac("invitation code")?,
            trail: mac("audit seal")?,
        })))
    }

    /// The token keys: the first signs, all verify.
    pub fn signing(&self) -> &[SigningKey] {
        &self.0.signing
    }

    /// The public halves of the token keys.
    pub fn jwks(&self) -> Jwks {
        Jwks { keys: self.0.signing.iter().map(|key| key.jwk().clone()).collect() }
    }

    /// The PEM (PKCS#8, P-256) that signs towards Web Push services.
    pub fn vapid_pem(&self) -> &SecretString {
        &self.0.vapid
    }

    /// The refresh token that follows `presented`: always the same one, so that a lost answer can be repeated.
    pub fn refresh_successor(&self, presented: &[u8]) -> [u8; 32] {
        let mut successor = [0; 32];
        successor.copy_from_slice(&hmac::sign(&self.0.refresh, presented).as_ref()[..32]);
        successor
    }

    /// Encrypts `plaintext` (AES-256-GCM, random nonce) so that it opens only together with `aad`.
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce)?;
        let mut body = plaintext.to_vec();
        let sealing = Nonce::assume_unique_for_key(nonce);
        self.0.sealing.seal_in_place_append_tag(sealing, Aad::from(aad), &mut body)?;
        Ok([&[SEAL_VERSION], nonce.as_slice(), &body].concat())
    }

    /// Decrypts what [`Keys::seal`] made under the same `aad`.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (&version, sealed) = sealed.split_first().ok_or(KeyError)?;
        let (&nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeyError)?;
        if version != SEAL_VERSION {
            return Err(KeyError);
        }
        let mut body = body.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let length = self.0.sealing.open_in_place(nonce, Aad::from(aad), &mut body)?.len();
        body.truncate(length);
        Ok(body)
    }

    /// The seal of a clinic's day in the audit trail: whoever has the database and not the secret cannot make one.
    pub fn trail_seal(&self, day: &[u8]) -> [u8; 32] {
        let mut seal = [0; 32];
        seal.copy_from_slice(&hmac::sign(&self.0.trail, day).as_ref()[..32]);
        seal
    }

    /// The name under which a phone replaces an alert it already shows: 22 characters, opaque to providers.
    pub fn collapse(&self, alert_id: Uuid) -> String {
        short_tag(&self.0.collapse, alert_id.as_bytes())
    }

    /// The opaque tag by which an app knows whose alert arrived, where several people use one phone.
    pub fn recipient_tag(&self, recipient_id: Uuid) -> String {
        short_tag(&self.0.recipient, recipient_id.as_bytes())
    }

    /// The code of an invitation or a password reset: computed, so that a repeated request can be answered again
    /// although only the code's hash is stored. 20 characters in groups of five.
    pub fn code(&self, id: Uuid) -> String {
        let tag = hmac::sign(&self.0.codes, id.as_bytes());
        let mut code = String::with_capacity(CODE_LENGTH + 3);
        for (place, byte) in tag.as_ref().iter().take(CODE_LENGTH).enumerate() {
            if place > 0 && place % 5 == 0 {
                code.push('-');
            }
            code.push(char::from(CODE_ALPHABET[usize::from(byte % 32)]));
        }
        code
    }
}

fn short_tag(key: &hmac::Key, data: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(&hmac::sign(key, data).as_ref()[..SHORT_TAG])
}

fn failed(what: &'static str) -> impl FnOnce(Unspecified) -> anyhow::Error {
    move |_| anyhow::anyhow!("deriving the key for {what}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secret: u8) -> Keys {
        let made = make().unwrap();
        let signing = signing::parse(made.token.expose_secret()).unwrap();
        Keys::derive(signing, &[secret; 32], made.vapid).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_only_whole_and_in_its_place() {
        let keys = keys(1);
        let sealed = keys.seal(b"device 1", b"https://push.example/secret").unwrap();
        assert_eq!(keys.open(b"device 1", &sealed).unwrap(), b"https://push.example/secret");
        assert_eq!(keys.open(b"device 2", &sealed), Err(KeyError));
        assert_eq!(self::keys(2).open(b"device 1", &sealed), Err(KeyError));
        for position in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[position] ^= 1;
            assert_eq!(keys.open(b"device 1", &bent), Err(KeyError), "byte {position}");
            assert_eq!(keys.open(b"device 1", &sealed[..position]), Err(KeyError), "cut to {position}");
        }
        assert_ne!(sealed, keys.seal(b"device 1", b"https://push.example/secret").unwrap());
    }

    #[test]
    fn derived_names_are_stable_per_secret_and_differ_by_purpose() {
        let id = Uuid::from_u128(7);
        let (one, same, other) = (keys(1), keys(1), keys(2));
        assert_eq!(one.collapse(id), same.collapse(id));
        assert_eq!(one.collapse(id).len(), 22);
        assert_ne!(one.collapse(id), other.collapse(id));
        assert_ne!(one.collapse(id), one.recipient_tag(id));
        assert_eq!(one.refresh_successor(b"a"), same.refresh_successor(b"a"));
        assert_ne!(one.refresh_successor(b"a"), one.refresh_successor(b"b"));
    }

    #[test]
    fn a_code_can_be_read_aloud_and_is_the_same_each_time() {
        let keys = keys(1);
        let code = keys.code(Uuid::from_u128(9));
        assert_eq!(code, keys.code(Uuid::from_u128(9)));
        assert_ne!(code, keys.code(Uuid::from_u128(10)));
        assert_eq!(code.len(), 23);
        assert!(code.split('-').all(|group| group.len() == 5 && group.bytes().all(|c| CODE_ALPHABET.contains(&c))));
    }

    #[test]
    fn debug_output_names_keys_without_showing_them() {
        let shown = format!("{:?}", keys(1));
        assert!(shown.contains("signing"));
        assert!(!shown.contains("PRIVATE") && !shown.contains("sealing"));
    }
}
