//! The other end: a subscriber that reads what was encrypted for it. The demo's phone and the tests are ones; the server
//! itself never reads a push.

use aws_lc_rs::aead::Aad;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::encryption::{AUTH_BYTES, EncryptionError, HEADER_BYTES, LAST_RECORD, POINT_BYTES, Parties, SALT_BYTES};
use crate::domain::device::WebPushKeys;

/// A subscription's private half.
pub struct Receiver {
    private: PrivateKey,
    public: Vec<u8>,
    auth: [u8; AUTH_BYTES],
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receiver(…)")
    }
}

impl Receiver {
    /// A new subscription.
    pub fn generate() -> Result<Self, EncryptionError> {
        let mut auth = [0; AUTH_BYTES];
        rand::fill(&mut auth).map_err(|_opaque| EncryptionError::Crypto)?;
        Self::new(PrivateKey::generate(&ECDH_P256).map_err(|_opaque| EncryptionError::Crypto)?, auth)
    }

    /// A known one: the 32 bytes of its private key and its authentication secret.
    pub fn from_parts(private: &[u8], auth: [u8; AUTH_BYTES]) -> Result<Self, EncryptionError> {
        Self::new(PrivateKey::from_private_key(&ECDH_P256, private).map_err(|_opaque| EncryptionError::Keys)?, auth)
    }

    fn new(private: PrivateKey, auth: [u8; AUTH_BYTES]) -> Result<Self, EncryptionError> {
        let public = private.compute_public_key().map_err(|_opaque| EncryptionError::Crypto)?.as_ref().to_vec();
        Ok(Self { private, public, auth })
    }

    /// What the app registers with its server.
    pub fn keys(&self) -> WebPushKeys {
        WebPushKeys { p256dh: URL_SAFE_NO_PAD.encode(&self.public), auth: URL_SAFE_NO_PAD.encode(self.auth) }
    }

    /// Reads a body. Only single records are read: a push message must be one (RFC 8291, section 4).
    pub fn decrypt(&self, body: &[u8]) -> Result<Vec<u8>, EncryptionError> {
        let (header, record) = body.split_at_checked(HEADER_BYTES).ok_or(EncryptionError::Crypto)?;
        let (salt, rest) = header.split_at(SALT_BYTES);
        let (record_size, rest) = rest.split_at(4);
        let (id_length, sender_public) = rest.split_at(1);
        let record_size = record_size.iter().fold(0, |size: usize, byte| (size << 8) | usize::from(*byte));
        if usize::from(id_length[0]) != POINT_BYTES || record.len() > record_size {
            return Err(EncryptionError::Crypto);
        }
        let parties = Parties {
            ours: &self.private,
            theirs: sender_public,
            receiver_public: &self.public,
            sender_public,
            auth: &self.auth,
        };
        let (key, nonce) = parties.record_key(salt)?;
        let mut record = record.to_vec();
        let plain = key.open_in_place(nonce, Aad::empty(), &mut record).map_err(|_opaque| EncryptionError::Crypto)?;
        let end = plain.iter().rposition(|byte| *byte != 0).ok_or(EncryptionError::Crypto)?;
        if plain[end] != LAST_RECORD {
            return Err(EncryptionError::Crypto);
        }
        Ok(plain[..end].to_vec())
    }
}
