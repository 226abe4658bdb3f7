//! The phone's side of RFC 8291, written from the standard and not from our code, as an app would: step by step with HMAC.
//! Only the curve, the cipher and the hash are the library's.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A phone with a key pair of its own.
pub struct Phone {
    private: PrivateKey,
    auth: [u8; 16],
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &parts.concat()).as_ref().to_vec()
}

impl Phone {
    pub fn new() -> Self {
        let mut auth = [0; 16];
        aws_lc_rs::rand::fill(&mut auth).unwrap();
        Self { private: PrivateKey::generate(&ECDH_P256).unwrap(), auth }
    }

    /// A known one.
    pub fn from_parts(private: &str, auth: &str) -> Self {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let private = PrivateKey::from_private_key(&ECDH_P256, &bytes(private)).unwrap();
        Self { private, auth: bytes(auth).try_into().unwrap() }
    }

    fn public(&self) -> Vec<u8> {
        self.private.compute_public_key().unwrap().as_ref().to_vec()
    }

    /// What the app registers.
    pub fn keys(&self) -> Value {
        json!({ "p256dh": URL_SAFE_NO_PAD.encode(self.public()), "auth": URL_SAFE_NO_PAD.encode(self.auth) })
    }

    /// Reads what arrived in base64url.
    pub fn open(&self, sealed: &str) -> Value {
        serde_json::from_slice(&self.decrypt(&URL_SAFE_NO_PAD.decode(sealed).unwrap())).unwrap()
    }

    pub fn decrypt(&self, body: &[u8]) -> Vec<u8> {
        let (salt, rest) = body.split_at(16);
        let (record_size, rest) = rest.split_at(4);
        assert!(u32::from_be_bytes(record_size.try_into().unwrap()) as usize >= rest.len() - 66, "one record");
        assert_eq!(rest[0], 65);
        let (sender, record) = rest[1..].split_at(65);
        let secret = agree(&self.private, UnparsedPublicKey::new(&ECDH_P256, sender), (), |z| Ok(z.to_vec())).unwrap();
        let prk_key = hmac_sha256(&self.auth, &[&secret]);
        let ikm = hmac_sha256(&prk_key, &[b"WebPush: info\0", &self.public(), sender, &[1]]);
        let prk = hmac_sha256(salt, &[&ikm]);
        let key = &hmac_sha256(&prk, &[b"Content-Encoding: aes128gcm\0", &[1]])[..16];
        let nonce = &hmac_sha256(&prk, &[b"Content-Encoding: nonce\0", &[1]])[..12];
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
        let mut record = record.to_vec();
        let padded = key.open_in_place(nonce, Aad::empty(), &mut record).expect("encrypted to this phone");
        let end = padded.iter().rposition(|byte| *byte != 0).unwrap();
        assert_eq!(padded[end], 2, "the last record");
        padded[..end].to_vec()
    }
}
