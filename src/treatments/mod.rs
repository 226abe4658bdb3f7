//! Treatments: microneedling sessions that were performed. Registering, reading and changing them, and the recovery
//! timeline and guidance that follow from them.

mod guidance_view;
pub mod plan;
pub mod read;
pub mod routes;
pub mod store;
mod timeline_view;
