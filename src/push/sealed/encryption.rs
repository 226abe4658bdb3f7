//! Encryption to a phone's key: `aes128gcm` (RFC 8188) with keys agreed as RFC 8291 says. Nothing here does I/O.
//!
//! Own code on aws-lc-rs, which is in the binary for TLS anyway: the crates for this draw their keys and salts where no
//! test can reach (so that the standard's own example could not be reproduced) or bring a second crypto library.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::device::WebPushKeys;

/// Four steps of padding, less the delimiter. FCM, APNs and Expo carry 4096 bytes of JSON: this comes to 2867 characters in
/// base64url, and the rest of a message has a few hundred. The Web Push service that bridges to FCM takes bodies of about
/// 2.7 KB; this comes to 2150 bytes.
pub const MAX_PLAINTEXT_BYTES: usize = 4 * PAD_TO - 1;

/// Bodies come in steps of this size, so that a push service cannot tell kinds of messages apart by their length.
const PAD_TO: usize = 512;

pub(super) const SALT_BYTES: usize = 16;
pub(super) const AUTH_BYTES: usize = 16;
pub(super) const POINT_BYTES: usize = 65;
/// Salt, record size, length of the key id, and the key id: our public key.
pub(super) const HEADER_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES;
const RECORD_SIZE: u32 = 4096;
/// Ends the last record's data; what follows it is padding (RFC 8188, section 2).
pub(super) const LAST_RECORD: u8 = 2;

/// Why a message cannot be encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncryptionError {
    /// The subscription's keys are not what they should be.
    #[error("the subscription's keys are unusable")]
    Keys,
    /// Longer than [`MAX_PLAINTEXT_BYTES`].
    #[error("the message is too long")]
    TooLong,
    /// The crypto library refused; it never does.
    #[error("encryption failed")]
    Crypto,
}

/// Encrypts for a subscription, under a key and a salt of this message's own.
pub(in crate::push) fn encrypt(keys: &WebPushKeys, plaintext: &[u8]) -> Result<Vec<u8>, EncryptionError> {
    if plaintext.len() > MAX_PLAINTEXT_BYTES {
        return Err(EncryptionError::TooLong);
    }
    let sender = PrivateKey::generate(&ECDH_P256).map_err(|_opaque| EncryptionError::Crypto)?;
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_opaque| EncryptionError::Crypto)?;
    // One byte of every step is the delimiter's.
    let padded = (plaintext.len() + 1).next_multiple_of(PAD_TO);
    encrypt_as(&sender, salt, keys, plaintext, padded)
}

/// The same with everything given. `padded` is the length of the record's data, delimiter included.
pub(super) fn encrypt_as(
    sender: &PrivateKey,
    salt: [u8; SALT_BYTES],
    keys: &WebPushKeys,
    plaintext: &[u8],
    padded: usize,
) -> Result<Vec<u8>, EncryptionError> {
    let receiver_public = decode(&keys.p256dh, POINT_BYTES)?;
    let auth = decode(&keys.auth, AUTH_BYTES)?;
    let sender_public = sender.compute_public_key().map_err(|_opaque| EncryptionError::Crypto)?;
    let secrets = Parties {
        ours: sender,
        theirs: &receiver_public,
        receiver_public: &receiver_public,
        sender_public: sender_public.as_ref(),
        auth: &auth,
    };
    let (key, nonce) = secrets.record_key(&salt)?;

    let mut record = plaintext.to_vec();
    record.push(LAST_RECORD);
    record.resize(padded.max(record.len()), 0);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).map_err(|_opaque| EncryptionError::Crypto)?;

    let mut body = Vec::with_capacity(HEADER_BYTES + record.len());
    body.extend_from_slice(&salt);
    body.extend_from_slice(&RECORD_SIZE.to_be_bytes());
    body.push(POINT_BYTES as u8);
    body.extend_from_slice(sender_public.as_ref());
    body.append(&mut record);
    Ok(body)
}

/// Both sides of the agreement, seen from either.
pub(super) struct Parties<'a> {
    /// The private key that we hold.
    pub(super) ours: &'a PrivateKey,
    /// The public key of the other side.
    pub(super) theirs: &'a [u8],
    pub(super) receiver_public: &'a [u8],
    pub(super) sender_public: &'a [u8],
    pub(super) auth: &'a [u8],
}

impl Parties<'_> {
    /// Key and nonce of the first and only record (RFC 8291, section 3.4).
    pub(super) fn record_key(&self, salt: &[u8]) -> Result<(LessSafeKey, Nonce), EncryptionError> {
        let theirs = UnparsedPublicKey::new(&ECDH_P256, self.theirs);
        let ikm = agreement::agree(self.ours, theirs, EncryptionError::Keys, |shared| {
            let info = [b"WebPush: info\0", self.receiver_public, self.sender_public];
            derive::<32>(self.auth, shared, &info)
        })?;
        let key: [u8; 16] = derive(salt, &ikm, &[b"Content-Encoding: aes128gcm\0"])?;
        let nonce: [u8; 12] = derive(salt, &ikm, &[b"Content-Encoding: nonce\0"])?;
        let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_opaque| EncryptionError::Crypto)?;
        Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce)))
    }
}

/// HKDF with SHA-256, extract and expand.
fn derive<const N: usize>(salt: &[u8], ikm: &[u8], info: &[&[u8]]) -> Result<[u8; N], EncryptionError> {
    struct Length<const N: usize>;
    impl<const N: usize> KeyType for Length<N> {
        fn len(&self) -> usize {
            N
        }
    }
    let mut out = [0; N];
    let prk = Salt::new(HKDF_SHA256, salt).extract(ikm);
    let okm = prk.expand(info, Length::<N>).map_err(|_opaque| EncryptionError::Crypto)?;
    okm.fill(&mut out).map_err(|_opaque| EncryptionError::Crypto)?;
    Ok(out)
}

fn decode(text: &str, bytes: usize) -> Result<Vec<u8>, EncryptionError> {
    let decoded = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_opaque| EncryptionError::Keys)?;
    if decoded.len() == bytes { Ok(decoded) } else { Err(EncryptionError::Keys) }
}

#[cfg(test)]
mod tests {
    use super::super::Receiver;
    use super::*;
    use proptest::prelude::*;

    fn bytes(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// The worked example of RFC 8291, section 5 and appendix A: the only keys that may stand in this tree.
    mod example {
        pub const PLAINTEXT: &[u8] = b"When I grow up, I want to be a watermelon";
        pub const SENDER_PRIVATE: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
        pub const RECEIVER_PRIVATE: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
        pub const RECEIVER_PUBLIC: &str =
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        pub const SALT: &str = "DGv6ra1nlYgDCS1FRnbzlw";
        pub const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
        pub const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
    }

    #[test]
    fn the_example_of_rfc_8291_is_reproduced_to_the_byte_and_read_back() {
        let keys = WebPushKeys { p256dh: example::RECEIVER_PUBLIC.into(), auth: example::AUTH.into() };
        let sender = PrivateKey::from_private_key(&ECDH_P256, &bytes(example::SENDER_PRIVATE)).unwrap();
        let salt = bytes(example::SALT).try_into().unwrap();
        let body = encrypt_as(&sender, salt, &keys, example::PLAINTEXT, 0).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(&body), example::BODY);

        let auth = bytes(example::AUTH).try_into().unwrap();
        let receiver = Receiver::from_parts(&bytes(example::RECEIVER_PRIVATE), auth).unwrap();
        assert_eq!(receiver.keys().p256dh, example::RECEIVER_PUBLIC);
        assert_eq!(receiver.decrypt(&bytes(example::BODY)).unwrap(), example::PLAINTEXT);
    }

    #[test]
    fn messages_of_similar_length_cannot_be_told_apart_by_their_size() {
        let keys = Receiver::generate().unwrap().keys();
        let size = |length| encrypt(&keys, &vec![b'x'; length]).unwrap().len();
        assert_eq!(size(0), size(511));
        assert_eq!(size(512) - size(511), PAD_TO);
        assert_eq!(size(MAX_PLAINTEXT_BYTES), 2150, "below what the service that bridges to FCM takes, 2744");
    }

    #[test]
    fn unusable_keys_and_long_messages_are_refused() {
        let good = Receiver::generate().unwrap().keys();
        let off_curve = format!("B{}", "A".repeat(86));
        for (p256dh, auth) in
            [(off_curve.as_str(), good.auth.as_str()), ("", &good.auth), (&good.p256dh, "AAAA"), (&good.p256dh, "ü")]
        {
            let keys = WebPushKeys { p256dh: p256dh.into(), auth: auth.into() };
            assert_eq!(encrypt(&keys, b"x"), Err(EncryptionError::Keys), "{p256dh} {auth}");
        }
        assert_eq!(encrypt(&good, &[0; MAX_PLAINTEXT_BYTES + 1]), Err(EncryptionError::TooLong));
    }

    #[test]
    fn the_same_message_never_looks_the_same_twice() {
        let keys = Receiver::generate().unwrap().keys();
        let (one, other) = (encrypt(&keys, b"x").unwrap(), encrypt(&keys, b"x").unwrap());
        assert_ne!(one[..SALT_BYTES], other[..SALT_BYTES]);
        assert_ne!(one[21..HEADER_BYTES], other[21..HEADER_BYTES], "the sender's key is the message's own");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_was_encrypted_is_read_back(plaintext in proptest::collection::vec(any::<u8>(), 0..MAX_PLAINTEXT_BYTES)) {
            let receiver = Receiver::generate().unwrap();
            let body = encrypt(&receiver.keys(), &plaintext).unwrap();
            prop_assert_eq!(receiver.decrypt(&body).unwrap(), plaintext);
            prop_assert!(Receiver::generate().unwrap().decrypt(&body).is_err(), "nobody else reads it");
        }

        #[test]
        fn a_body_with_one_changed_byte_is_refused(at in 0usize..600, flip in 1u8..) {
            let receiver = Receiver::generate().unwrap();
            let mut body = encrypt(&receiver.keys(), b"hello").unwrap();
            let at = at % body.len();
            body[at] ^= flip;
            // The record size may grow without harm: there is one record, and it still fits.
            prop_assert!(receiver.decrypt(&body).is_err() || (SALT_BYTES..SALT_BYTES + 4).contains(&at));
        }

        #[test]
        fn no_body_makes_the_receiver_fall_over(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Receiver::generate().unwrap().decrypt(&body).is_err());
        }
    }
}
