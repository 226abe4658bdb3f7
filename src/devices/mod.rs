//! Phones and browsers that may be addressed: registration, ownership, and what providers say of their addresses.

pub mod fields;
pub mod register;
pub mod routes;
pub mod sealed;
pub mod store;
