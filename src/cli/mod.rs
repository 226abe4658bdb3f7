//! The roles of the one binary, as clap sees them, and how each starts and ends.
//! What the commands do is composed from the rest of the crate; no business decision is made here.

mod admin;
mod after_restore;
mod clinic;
mod database;
mod demo;
mod doctor;
mod explain;
mod healthcheck;
mod keys;
mod limits;
mod protocol;
mod serve;
mod verify_audit;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::config::Config;
use crate::db::Group;

pub use database::Database;
pub use limits::raise_open_files;

/// Recovery companion backend for microneedling patients and their clinics.
#[derive(Debug, Parser)]
#[command(version, about, after_help = "Settings are environment variables; the README lists them.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub role: Role,
}

/// What the binary can be.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// API and worker in one process
    Serve,
    /// The API alone
    Api,
    /// The worker alone
    Worker,
    /// Bring the database's schema up to this binary, then exit
    Migrate,
    /// Tell six weeks of one patient's recovery as a story, then go on serving
    Demo(demo::Options),
    /// Set clinics up, invite staff, help somebody back in, explain a day, follow a restore up, make keys
    #[command(subcommand)]
    Admin(admin::Command),
    /// Check, show or record a protocol
    #[command(subcommand)]
    Protocol(protocol::Command),
    /// Print the HTTP contract
    Openapi,
    /// Look at settings, clock, database, TLS and push credentials, and say what to do; status 0 well, 1 warnings, 2 failures
    Doctor(doctor::Doctor),
    /// Ask a running mendline whether it is ready; status 0 if so
    Healthcheck,
}

/// Runs the role and turns its end into an exit status.
pub fn run(cli: Cli) -> ExitCode {
    if let Role::Protocol(command) = cli.role {
        return protocol::run(command);
    }
    if let Role::Admin(admin::Command::Keys(command)) = cli.role {
        return ended(keys::run(command));
    }
    if let Role::Doctor(asked) = &cli.role {
        return doctor::run(asked);
    }
    let config = match Config::from_environment() {
        Ok(config) => config,
        Err(faults) => {
            for fault in faults {
                complain(&fault.to_string());
            }
            return ExitCode::from(2);
        }
    };
    let quiet = matches!(cli.role, Role::Demo(_));
    crate::telemetry::init(config.is_production(), if quiet { "warn" } else { "info" });
    raise_open_files();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("starting the runtime: {error}"));
            return ExitCode::FAILURE;
        }
    };
    ended(runtime.block_on(role(cli.role, &config)))
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn role(role: Role, config: &Config) -> anyhow::Result<()> {
    match role {
        Role::Serve => serve::run(config, serve::Parts { api: true, worker: true }).await,
        Role::Api => serve::run(config, serve::Parts { api: true, worker: false }).await,
        Role::Worker => serve::run(config, serve::Parts { api: false, worker: true }).await,
        Role::Migrate => migrate(config).await,
        Role::Demo(options) => demo::run(config, options).await,
        Role::Admin(command) => admin::run(config, command).await,
        Role::Openapi => {
            say(crate::app::contract::DOCUMENT.trim_end());
            Ok(())
        }
        Role::Healthcheck => healthcheck::run(config).await,
        // These have run before the settings were read.
        Role::Protocol(_) | Role::Doctor(_) => Ok(()),
    }
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let database = Database::open(config).await?;
    let migrated = migrate_or_look(config, &database).await;
    let closed = database.close().await;
    migrated.and(closed)
}

async fn migrate_or_look(config: &Config, database: &Database) -> anyhow::Result<()> {
    if database.is_joined() {
        // Whoever owns a private database migrates it, at every start.
        let both = [Group::Api, Group::Worker];
        database
            .connect_current(config, &both)
            .await
            .context("a mendline that runs owns this database; start it anew")?;
        say("the schema is current");
        return Ok(());
    }
    let ran = database.migrate(config).await.context("migrating")?;
    match ran.len() {
        0 => say("the schema is current"),
        _ => ran.iter().for_each(|name| say(&format!("ran {name}"))),
    }
    Ok(())
}

/// A line for whoever called the command.
pub(crate) fn say(line: &str) {
    // Whoever closed the pipe has read enough.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line about what went wrong.
fn complain(line: &str) {
    #[expect(clippy::print_stderr, reason = "a command's complaint belongs on standard error")]
    {
        eprintln!("mendline: {line}");
    }
}
