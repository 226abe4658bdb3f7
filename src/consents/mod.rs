//! What people have agreed to, in which version of the words. Terms and privacy are the operator's, who says which version is the
//! current one; details on the lock screen are this program's, and are agreed to by switching them on.

pub mod record;
pub mod routes;
pub mod store;

/// The operator's terms.
pub const TERMS: &str = "terms";
/// What the operator says about privacy.
pub const PRIVACY: &str = "privacy";
/// That pushes say what they are about.
pub const LOCK_SCREEN_DETAILS: &str = "lock_screen_details";
/// The version of what apps say about details on the lock screen.
pub const DETAILS_VERSION: &str = "1";
