//! Treatments: microneedling sessions that were performed. Registering, reading and changing them, and the recovery
//! timeline and guidance that follow from them.

pub mod ahead_view;
mod change;
mod course;
mod details;
pub mod fields;
mod guidance_view;
mod overriding;
pub mod plan;
mod preview_view;
pub mod read;
mod refusal;
pub mod routes;
pub mod store;
pub mod timeline_view;
mod transfer;
mod transfer_view;
pub mod view;
