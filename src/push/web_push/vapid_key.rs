//! Our keys towards push services. Browsers bind a subscription to the key that it was made with, so a key is never simply
//! replaced: a new one is put in front, and the old ones sign for their subscriptions until those are gone.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

/// The text is not a P-256 private key in PKCS #8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a P-256 private key in PEM (PKCS #8, `BEGIN PRIVATE KEY`)")]
pub struct InvalidVapidKey;

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
        Self::from_der(&PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_opaque| InvalidVapidKey)?)
    }

    fn from_der(der: &PrivatePkcs8KeyDer<'_>) -> Result<Self, InvalidVapidKey> {
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

    pub(super) fn signing(&self) -> &EncodingKey {
        &self.signing
    }
}

/// All keys that sign: the one that apps subscribe with now, and older ones.
#[derive(Debug, Clone)]
pub struct VapidKeys {
    current: VapidKey,
    older: Vec<VapidKey>,
}

impl VapidKeys {
    /// Reads keys from PEM, one after the other, the current one first.
    pub fn from_pem(pem: &str) -> Result<Self, InvalidVapidKey> {
        let ders: Vec<_> = PrivatePkcs8KeyDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_opaque| InvalidVapidKey)?;
        let mut keys = ders.iter().map(VapidKey::from_der);
        let current = keys.next().ok_or(InvalidVapidKey)??;
        Ok(Self { current, older: keys.collect::<Result<_, _>>()? })
    }

    /// What apps subscribe with.
    pub fn current(&self) -> &VapidKey {
        &self.current
    }

    /// The key of that id.
    pub fn find(&self, id: &str) -> Option<&VapidKey> {
        self.iter().find(|key| key.id == id)
    }

    /// All of them, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &VapidKey> {
        std::iter::once(&self.current).chain(&self.older)
    }

    pub(super) fn oldest(&self) -> &VapidKey {
        self.older.last().unwrap_or(&self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> VapidKey {
        VapidKey::from_pem(&VapidKey::generate_pem().unwrap()).unwrap()
    }

    #[test]
    fn keys_are_read_in_their_order_and_one_that_cannot_be_read_spoils_all() {
        let (new, old) = (VapidKey::generate_pem().unwrap(), VapidKey::generate_pem().unwrap());
        let keys = VapidKeys::from_pem(&format!("{new}\n{old}")).unwrap();
        let ids: Vec<_> = keys.iter().map(VapidKey::id).collect();
        let expected = [new.as_str(), &old].map(|pem| VapidKey::from_pem(pem).unwrap().id().to_owned());
        assert_eq!(ids, expected);
        assert_eq!((keys.current().id(), keys.oldest().id()), (ids[0], ids[1]));
        assert!(keys.find(ids[1]).is_some() && keys.find("gone").is_none());
        let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(VapidKeys::from_pem(&format!("{new}{broken}")).is_err());
        assert!(VapidKeys::from_pem("").is_err());
    }

    #[test]
    fn a_key_reads_back_from_its_pem_as_the_same_key() {
        let pem = VapidKey::generate_pem().unwrap();
        let (one, again) = (VapidKey::from_pem(&pem).unwrap(), VapidKey::from_pem(&pem).unwrap());
        assert_eq!((one.public_key(), one.id()), (again.public_key(), again.id()));
        assert_eq!(one.public_key().len(), 87);
        assert_ne!(one.id(), key().id());
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
}
