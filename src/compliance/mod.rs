//! Compliance over HTTP: of a treatment, a patient, a course and the whole clinic, as JSON and as a table. What counts is
//! `domain::compliance`; what it is counted from is `recovery`.

mod clinic;
mod clinic_view;
mod course;
pub mod routes;
mod store;
mod table;
mod treatment;
pub mod view;
