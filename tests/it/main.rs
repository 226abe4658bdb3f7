//! The one integration test binary: real HTTP, real Postgres, faked push providers.

mod support;

mod health;
mod migrations;
mod providers;
mod protocol_facts;
