//! Flags: what triage wants the clinic to look at, and what the clinic does about it. Raising them belongs to check-ins.

pub mod act;
pub mod routes;
pub mod store;
mod view;
