//! One token signing key: Ed25519 or P-256, its name (RFC 7638) and its public half (RFC 7517).

use std::fmt;

use anyhow::{Context, bail};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde::Serialize;
use zeroize::Zeroizing;

/// The public half of a signing key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    /// `OKP` or `EC`.
    pub kty: &'static str,
    /// `Ed25519` or `P-256`.
    pub crv: &'static str,
    /// Public key, or its x coordinate.
    pub x: String,
    /// The y coordinate, for P-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// The RFC 7638 thumbprint.
    pub kid: String,
    /// Always `sig`.
    pub r#use: &'static str,
    /// `EdDSA` or `ES256`.
    pub alg: &'static str,
}

/// A set of public keys (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The keys, the one that signs first.
    pub keys: Vec<Jwk>,
}

/// A key pair for access tokens. It works with one algorithm only, whatever a token says.
pub struct SigningKey {
    jwk: Jwk,
    algorithm: Algorithm,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("jwk", &self.jwk).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// The name in a token's header.
    pub fn kid(&self) -> &str {
        &self.jwk.kid
    }

    /// The public half.
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// The one algorithm it is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What signs.
    pub fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    /// What verifies.
    pub fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    fn ed25519(pair: &Ed25519KeyPair, pkcs8: &[u8]) -> Self {
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let kid = thumbprint(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        Self {
            jwk: Jwk { kty: "OKP", crv: "Ed25519", x, y: None, kid, r#use: "sig", alg: "EdDSA" },
            algorithm: Algorithm::EdDSA,
            encoding: EncodingKey::from_ed_der(pkcs8),
            decoding: DecodingKey::from_ed_der(pair.public_key().as_ref()),
        }
    }

    fn p256(pair: &EcdsaKeyPair) -> anyhow::Result<Self> {
        // Uncompressed point: 0x04, x, y.
        let point = pair.public_key().as_ref();
        let (Some(x), Some(y)) = (point.get(1..33), point.get(33..65)) else { bail!("not an uncompressed point") };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let kid = thumbprint(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#));
        let pkcs8 = pair.to_pkcs8v1().context("writing the key as PKCS#8")?;
        Ok(Self {
            jwk: Jwk { kty: "EC", crv: "P-256", x, y: Some(y), kid, r#use: "sig", alg: "ES256" },
            algorithm: Algorithm::ES256,
            encoding: EncodingKey::from_ec_der(pkcs8.as_ref()),
            decoding: DecodingKey::from_ec_der(point),
        })
    }
}

fn thumbprint(members: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

/// Reads every private key block of a PEM text, in order.
pub fn parse(pem: &str) -> anyhow::Result<Vec<SigningKey>> {
    let blocks = pem::parse_many(pem).context("MENDLINE_TOKEN_KEY: not PEM")?;
    let mut keys: Vec<SigningKey> = Vec::new();
    for block in blocks {
        let tag = block.tag().to_owned();
        let der = Zeroizing::new(block.into_contents());
        let key = match tag.as_str() {
            "PRIVATE KEY" | "EC PRIVATE KEY" => parse_der(&der)?,
            "EC PARAMETERS" => continue,
            other => bail!("MENDLINE_TOKEN_KEY: expected private keys, found {other}"),
        };
        if keys.iter().any(|other| other.kid() == key.kid()) {
            bail!("MENDLINE_TOKEN_KEY: the key {} stands there twice", key.kid());
        }
        keys.push(key);
    }
    anyhow::ensure!(!keys.is_empty(), "MENDLINE_TOKEN_KEY: holds no private key");
    Ok(keys)
}

fn parse_der(der: &[u8]) -> anyhow::Result<SigningKey> {
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
        return Ok(SigningKey::ed25519(&pair, der));
    }
    match EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der) {
        Ok(pair) => SigningKey::p256(&pair),
        Err(error) => bail!("MENDLINE_TOKEN_KEY: neither an Ed25519 nor a P-256 key ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_of_the_published_example_comes_out() {
        // RFC 8037, appendix A.3.
        let members = r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        assert_eq!(thumbprint(members), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn both_kinds_of_key_are_read_in_order_and_named_apart() {
        let ed = Ed25519KeyPair::generate().unwrap().to_pkcs8v1().unwrap();
        let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
        let blocks = [ec.as_ref(), ed.as_ref()].map(|der| pem::Pem::new("PRIVATE KEY", der));
        let keys = parse(&pem::encode_many(&blocks)).unwrap();
        assert_eq!(keys.iter().map(SigningKey::algorithm).collect::<Vec<_>>(), [Algorithm::ES256, Algorithm::EdDSA]);
        assert_ne!(keys[0].kid(), keys[1].kid());
    }

    #[test]
    fn what_is_no_signing_key_is_refused_with_the_variable_named() {
        let public = pem::encode(&pem::Pem::new("PUBLIC KEY", vec![1, 2, 3]));
        let garbage = pem::encode(&pem::Pem::new("PRIVATE KEY", vec![1, 2, 3]));
        for text in ["", "not pem", &public, &garbage] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.starts_with("MENDLINE_TOKEN_KEY"), "{error}");
        }
    }
}
