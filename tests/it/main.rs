//! The one integration test binary: real HTTP, real Postgres, faked push providers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails loudly")]

mod support;

mod admin_cli;
mod alerts;
mod architecture;
mod auth_sessions;
mod auth_tokens;
mod authorization;
mod check_ins;
mod compliance;
mod database;
mod demo;
mod devices;
mod embedded;
mod fetch_tokens;
mod flags;
mod guidance;
mod health;
mod hostile;
mod idempotency;
mod invitations;
mod members;
mod migrations;
mod openapi;
mod outcomes;
mod patients;
mod postgres_tls;
mod preferences;
mod private_details;
mod protocol_commands;
mod protocol_facts;
mod protocols;
mod providers;
mod readme;
mod tenancy;
mod timeline;
mod treatments;
mod worker_apns;
mod worker_delivery;
mod worker_kill;
mod worker_loop;
mod worker_maintenance;
mod worker_pauses;
mod worker_plans;
mod worker_receipts;
mod worker_recovery;
mod worker_wire;
mod worklist;
