//! The module map of mendline; nothing else lives here.

pub mod app;
pub mod audit;
pub mod auth;
pub mod body;
pub mod cli;
pub mod clinics;
pub mod clock;
pub mod config;
pub mod db;
pub mod devices;
pub mod domain;
pub mod embedded;
pub mod error;
pub mod idempotency;
pub mod invitations;
pub mod language;
pub mod paging;
pub mod patients;
pub mod preconditions;
pub mod preferences;
pub mod protocols;
pub mod push;
pub mod schema;
pub mod telemetry;
