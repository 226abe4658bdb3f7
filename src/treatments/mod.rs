//! Treatments: microneedling sessions that were performed. Registering, reading and changing them, and the recovery
//! timeline and guidance that follow from them.

pub mod plan;
pub mod routes;
pub mod store;
