//! Phones and browsers that may be addressed: registration, ownership, and what providers say of their addresses.

pub mod sealed;
pub mod store;
