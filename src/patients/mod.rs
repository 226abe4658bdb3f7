//! Patients: the clinic's records of people, with or without a login behind them, and where those people are.

pub mod extract;
pub mod fields;
pub mod record;
pub mod routes;
pub mod store;
pub mod view;
pub mod worklist;
pub mod zones;
