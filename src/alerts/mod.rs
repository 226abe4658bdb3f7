//! Alerts: one durable row per message owed to one person at one time. The queue writes their states, the store reads
//! them, `message.rs` says what they say, `replay.rs` owes again what could not be sent.

pub mod appointment_words;
pub mod message;
pub mod open;
pub mod queue;
pub mod replay;
pub mod routes;
pub mod statistics;
pub mod store;
