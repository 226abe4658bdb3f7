//! Check-ins: symptoms in, triage out, flags raised, staff told. What the clinic does about a flag is `flags/`.

pub mod fields;
mod raise;
pub mod read;
pub mod routes;
pub mod store;
pub mod submit;
pub mod view;
mod words;
