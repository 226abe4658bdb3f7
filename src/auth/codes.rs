//! One-time codes as people type them.

use aws_lc_rs::digest::{SHA256, digest};

use super::store::CodeHash;

/// What is stored of a code: SHA-256 of what is left once case, dashes and look-alikes are taken out.
/// A plain hash will do, since a code holds 100 random bits.
pub fn hash(code: &str) -> CodeHash {
    let plain: String = code
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    sha256(plain.as_bytes())
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_may_be_typed_carelessly() {
        assert_eq!(hash("7K0QF-1ABCD"), hash(" 7koqf labcd\n"));
        assert_ne!(hash("7K0QF-1ABCD"), hash("7K0QF-1ABCE"));
    }
}
