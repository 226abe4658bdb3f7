//! "Outdoors": while a patient has it switched on, the protocol's prompts for whoever is in the sun are owed.

pub mod routes;
mod store;
pub mod switch;
