//! The SQL of logins, by table: users, memberships, sessions with their refresh tokens, one-time codes, second factors,
//! and what calls access tokens back.

mod codes;
mod endings;
mod fetch_tokens;
mod memberships;
mod own_sessions;
mod prune;
mod revocations;
mod second_factors;
mod sessions;
mod users;

pub use codes::*;
pub use endings::*;
pub use fetch_tokens::*;
pub use memberships::*;
pub use own_sessions::*;
pub use prune::prune;
pub use revocations::*;
pub use second_factors::*;
pub use sessions::*;
pub use users::*;
