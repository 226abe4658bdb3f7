//! The clinic's patients as a list of who needs looking at. Every patient is ranked from sums that are kept, at a
//! microsecond a treatment; only those of the page are laid out.

pub mod rank;
pub mod routes;
mod store;
pub mod view;
