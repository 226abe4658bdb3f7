//! The SQL of logins, by table: users, memberships, sessions with their refresh tokens, one-time codes, and what calls
//! access tokens back.

mod codes;
mod fetch_tokens;
mod memberships;
mod prune;
mod revocations;
mod sessions;
mod users;

pub use codes::*;
pub use fetch_tokens::*;
pub use memberships::*;
pub use prune::prune;
pub use revocations::*;
pub use sessions::*;
pub use users::*;
