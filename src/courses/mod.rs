//! Courses: a patient's sequence of sessions of one area, as the clinic plans it. Treatments join by themselves; what is due
//! and how far it has come follows from them.

mod change;
mod fields;
pub mod routes;
pub mod store;
pub mod view;
