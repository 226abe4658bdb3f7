//! The secret in a feed's address. It is all that is asked for, so that it is long; stored is only its hash.

use aws_lc_rs::error::Unspecified;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::codes::sha256;

/// What is stored of a token.
pub type TokenHash = [u8; 32];

const SECRET_BYTES: usize = 32;

/// A fresh token, and what is stored of it.
pub fn issue() -> Result<(String, TokenHash), Unspecified> {
    let mut secret = [0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut secret)?;
    Ok((URL_SAFE_NO_PAD.encode(secret), sha256(&secret)))
}

/// The hash of what says that it is a token; `None` if it is none.
pub fn parse(token: &str) -> Option<TokenHash> {
    // Longer than any of ours is not worth decoding.
    let encoded = Some(token).filter(|token| token.len() == (SECRET_BYTES * 8).div_ceil(6))?;
    URL_SAFE_NO_PAD.decode(encoded).ok().map(|secret| sha256(&secret))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_found_by_its_hash_and_no_two_are_the_same() {
        let ((one, hash), (other, _)) = (issue().unwrap(), issue().unwrap());
        assert_eq!((parse(&one), one.len()), (Some(hash), 43));
        assert_ne!(one, other);
        assert_eq!(parse(&one[..42]), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_fall_over(text in "\\PC{0,60}", close in "[A-Za-z0-9_-]{41,45}") {
            let _ = parse(&text);
            let _ = parse(&close);
        }
    }
}
