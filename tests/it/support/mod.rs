//! What every test stands on: a throw-away Postgres cluster, a database per test, the app over real HTTP.

mod app;
pub mod apple;
pub mod authenticator;
pub mod binary;
mod cluster;
pub mod contract;
pub mod google;
pub mod offline_app;
pub mod people;
mod protocols;
pub mod restore;
pub mod rfc8291;
pub mod seed;
mod service;
pub mod slow_reader;
pub mod smtp;
mod staged;
pub mod tls_server;
pub mod treatments;
pub mod wire;

pub use app::{Answer, TestApp, send};
pub use cluster::{TestDatabase, admin_url, as_group, as_role, create_database, server_programs};
pub use service::{Held, Service};
pub use staged::Staged;
