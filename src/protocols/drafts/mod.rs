//! Protocols that a clinic is writing. A draft may hold anything, faults included, so that nobody loses work over one;
//! what is wrong with it is said on every reading. Publishing makes it a version, and versions never change.

mod fields;
mod publish;
mod read;
pub mod routes;
mod store;
mod view;
mod write;
