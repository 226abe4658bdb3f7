//! Notification preferences: what a person wants to be told, and when.

pub mod fields;
pub mod routes;
pub mod save;
pub mod store;
