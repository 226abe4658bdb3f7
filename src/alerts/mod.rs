//! Alerts: one durable row per message owed to one person at one time. The queue writes their states, the store reads
//! them, `message.rs` says what they say.

pub mod message;
pub mod queue;
pub mod routes;
pub mod store;
