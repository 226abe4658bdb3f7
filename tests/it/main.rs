//! The one integration test binary: real HTTP, real Postgres, faked push providers.

mod support;

mod auth_sessions;
mod auth_tokens;
mod devices;
mod health;
mod idempotency;
mod migrations;
mod patients;
mod protocol_commands;
mod preferences;
mod protocol_facts;
mod protocols;
mod providers;
