//! Fetch tokens: with one, a phone's notification extension reads the alerts that it was sent, and nothing else. A token
//! belongs to a device and dies with it; its secret part is stored as a hash, in the device's row.

use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use uuid::Uuid;

use super::codes::sha256;
use super::store::TokenHash;

/// How long a token is good for after the registration that brought it.
pub const LIFETIME: TimeDelta = TimeDelta::days(90);

/// By this it is told from an access token, and found by those who search for leaked secrets.
const PREFIX: &str = "mlf_";
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// A fresh token of a device, and what is stored of it.
pub fn issue(device: Uuid) -> Result<(String, TokenHash), Unspecified> {
    let mut bytes = [0; ID_BYTES + SECRET_BYTES];
    bytes[..ID_BYTES].copy_from_slice(device.as_bytes());
    aws_lc_rs::rand::fill(&mut bytes[ID_BYTES..])?;
    Ok((format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)), sha256(&bytes[ID_BYTES..])))
}

/// Whose token it says it is, and the hash of its secret; `None` if it is no fetch token.
pub fn parse(token: &str) -> Option<(Uuid, TokenHash)> {
    // Longer than any of ours is not worth decoding.
    let encoded = token.strip_prefix(PREFIX).filter(|rest| rest.len() == (ID_BYTES + SECRET_BYTES) / 3 * 4)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    let (id, secret) = bytes.split_first_chunk::<ID_BYTES>()?;
    Some((Uuid::from_bytes(*id), sha256(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_names_its_device_and_no_two_are_the_same() {
        let device = Uuid::from_u128(7);
        let ((one, hash), (other, _)) = (issue(device).unwrap(), issue(device).unwrap());
        assert_eq!((parse(&one), one.len()), (Some((device, hash)), 68));
        assert_ne!(one, other);
        assert_ne!(parse(&one), parse(&other));
        assert_eq!(parse(&one[..67]), None);
        assert_eq!(parse(one.trim_start_matches(PREFIX)), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_fall_over(text in "\\PC{0,80}", tail in "[A-Za-z0-9_-]{60,70}") {
            let _ = parse(&text);
            let _ = parse(&format!("{PREFIX}{tail}"));
        }
    }
}
