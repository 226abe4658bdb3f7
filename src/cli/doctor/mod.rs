//! `doctor`: is this installation well, and if not, what to do? It reads and asks, and changes nothing: it
//! makes no keys and starts no private database.
//!
//! `host.rs` looks at the machine and the settings, `journal.rs` at what outlives a restore, `database.rs` at Postgres,
//! `login.rs` at who we are there, `trail.rs` at the audit trail's seals, `push.rs` at the push services, `mail.rs` at the
//! mail server.

mod database;
mod host;
mod journal;
mod login;
mod mail;
mod push;
mod report;
mod trail;

use std::process::ExitCode;

use clap::Args;

use super::say;
use crate::clock::Clocks;
use crate::config::{Config, Fault};
use report::Report;

/// How it answers.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Looks at everything and ends with 0 (well), 1 (warnings) or 2 (failures).
pub fn run(asked: &Doctor) -> ExitCode {
    let mut report = Report::default();
    match Config::from_environment() {
        Ok(config) => match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => {
                crate::telemetry::init(config.is_production(), "off");
                runtime.block_on(examine(&config, &mut report));
            }
            Err(error) => report.fail("machine", format!("starting threads: {error}"), "raise the limits of this user"),
        },
        Err(faults) => faults.iter().for_each(|fault| setting(&mut report, fault)),
    }
    match serde_json::to_string(&report) {
        Ok(json) if asked.json => say(&json),
        _ => say(&report.tell()),
    }
    ExitCode::from(report.status())
}

fn setting(report: &mut Report, fault: &Fault) {
    let remedy = format!("set {} as the README's table of settings says; nothing starts before", fault.variable);
    report.fail("settings", fault.to_string(), remedy);
}

async fn examine(config: &Config, report: &mut Report) {
    let clocks = Clocks::system();
    host::examine(config, report);
    journal::examine(config, report);
    database::examine(config, &clocks, report).await;
    push::examine(config, &clocks, report).await;
    mail::examine(config, report).await;
}
