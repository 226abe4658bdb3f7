//! What a treatment's waiting times wait for, such as the end of flaking: who has said what of it, and clinicians' decisions.

mod decide;
pub mod routes;
pub mod store;
pub mod view;
