//! Clinics, the tenants: how one is set up, and the figures that an administrator chooses.

mod consequences;
pub mod create;
pub mod removal;
pub mod routes;
pub mod store;
