//! Who is asking: logins, sessions, tokens, and the extractors that handlers name in their arguments.

pub mod extract;
pub mod keys;
pub mod revocation;
pub mod store;
pub mod token;

use keys::Keys;
use revocation::Revocations;
use token::Tokens;

/// What authenticates callers, put together once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Access tokens.
    pub tokens: Tokens,
    /// Access tokens called back before they expire.
    pub revocations: Revocations,
}

impl Auth {
    /// For tokens issued in the name of `public_url`.
    pub fn new(keys: &Keys, public_url: &str) -> Self {
        Self { tokens: Tokens::new(keys.clone(), public_url), revocations: Revocations::default() }
    }
}
