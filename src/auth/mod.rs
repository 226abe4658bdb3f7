//! Who is asking: logins, sessions, tokens, and the extractors that handlers name in their arguments.

mod admission;
pub mod codes;
pub mod email;
mod ending;
mod entry;
pub mod extract;
pub mod fetch_token;
pub mod fields;
pub mod forgotten;
mod guessable;
pub mod keys;
pub mod me;
mod password;
mod profile;
pub mod reauthentication;
mod refusal;
pub mod revocation;
pub mod routes;
mod second_factor;
mod sessions;
pub mod store;
mod throttle;
pub mod token;
mod totp;

use keys::Keys;
use password::Passwords;
use revocation::Revocations;
use throttle::Throttle;
use token::Tokens;

pub use entry::Tools;
pub use profile::{Me, MembershipView};
pub use store::prune;

/// What authenticates callers, put together once. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth {
    /// All keys.
    pub keys: Keys,
    /// Access tokens.
    pub tokens: Tokens,
    /// Access tokens called back before they expire.
    pub revocations: Revocations,
    /// Password hashing.
    pub passwords: Passwords,
    /// Counts wrong passwords.
    pub throttle: Throttle,
}

impl Auth {
    /// For tokens issued in the name of `public_url`.
    pub fn new(keys: &Keys, public_url: &str) -> Self {
        Self {
            keys: keys.clone(),
            tokens: Tokens::new(keys.clone(), public_url),
            revocations: Revocations::default(),
            passwords: Passwords::default(),
            throttle: Throttle::default(),
        }
    }
}
