//! `mendline protocol ...`: for people who write protocols. Works on files and the built-in protocols, needs neither
//! settings nor a database.

mod calendar;
mod folder;
mod named;
mod record;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use clap::Subcommand;

use super::{complain, say};
use crate::domain::local_time::ZoneHistory;
use crate::domain::protocol::{Fault, Kind, ProtocolVersion, busiest, diff, diff_text, show};

/// What can be done with a protocol.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read a protocol's folder and say everything that is wrong with it: file, line, reason
    Check {
        /// Folder with protocol.toml and one <language>.toml per language
        dir: PathBuf,
        /// What evidence ids refer to [default: facts.toml in the folder or beside it, else the built-in facts]
        #[arg(long)]
        facts: Option<PathBuf>,
    },
    /// Print a protocol as a person would read it: the plan, or with --performed-at one treatment day by day
    Show {
        /// Folder of a protocol, or a built-in one: its key, or key@version
        protocol: PathBuf,
        /// End of the treatment: RFC 3339, or a local time such as 2026-03-02T10:30
        #[arg(long)]
        performed_at: Option<String>,
        /// With --performed-at: the patient's IANA time zone
        #[arg(long, default_value = "UTC")]
        zone: Tz,
        /// Language of the texts [default: the protocol's own]
        #[arg(long)]
        locale: Option<String>,
        /// As for check
        #[arg(long)]
        facts: Option<PathBuf>,
    },
    /// Say what another version changes for a patient, in days and hours
    Diff {
        /// Folder of a protocol, or a built-in one: its key, or key@version
        from: PathBuf,
        /// What it is compared with, likewise
        to: PathBuf,
        /// Language of the texts, where both have it [default: each protocol's own]
        #[arg(long)]
        locale: Option<String>,
        /// As for check
        #[arg(long)]
        facts: Option<PathBuf>,
    },
    /// Record a version's content hash in published.toml, so that a later change of it is noticed
    Record {
        /// Folder of the protocol
        dir: PathBuf,
        /// As for check
        #[arg(long)]
        facts: Option<PathBuf>,
        /// Replace the record of a version that was never released
        #[arg(long)]
        unreleased: bool,
    },
}

/// Runs the command: status 0, or 1 and what is wrong.
pub fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Check { dir, facts } => check(&dir, facts.as_deref()),
        Command::Show { protocol, performed_at, zone, locale, facts } => {
            print(&protocol, performed_at.as_deref(), zone, locale.as_deref(), facts.as_deref())
        }
        Command::Diff { from, to, locale, facts } => compare(&from, &to, locale.as_deref(), facts.as_deref()),
        Command::Record { dir, facts, unreleased } => note(&dir, facts.as_deref(), unreleased),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Wrong::Faults(faults)) => {
            faults.iter().for_each(|fault| say(&fault.to_string()));
            let s = if faults.len() == 1 { "" } else { "s" };
            complain(&format!("{} fault{s}", faults.len()));
            ExitCode::FAILURE
        }
        Err(Wrong::Other(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Why a command did not do what it should.
pub(super) enum Wrong {
    Faults(Vec<Fault>),
    Other(anyhow::Error),
}

impl From<Vec<Fault>> for Wrong {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Faults(faults)
    }
}

impl From<anyhow::Error> for Wrong {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

fn check(dir: &Path, facts: Option<&Path>) -> Result<(), Wrong> {
    let version = folder::read(dir, facts)?;
    let changed = record::changed(dir, &version)?;
    if !changed.is_empty() {
        return Err(changed.into());
    }
    let count = |kind| version.structure.items.iter().filter(|item| item.kind == kind).count();
    let languages: Vec<&str> = version.texts.keys().map(String::as_str).collect();
    say(&format!(
        "{} version {} is sound: {} items ({} milestones, {} restrictions, {} routines), {} triage rules, texts in {}; \
         at most {} interruptions on one day (alerts within half an hour count as one)",
        version.key(),
        version.number(),
        version.structure.items.len(),
        count(Kind::Milestone),
        count(Kind::Restriction),
        count(Kind::Routine),
        version.structure.triage.len(),
        languages.join(", "),
        busiest(&version).map_or(0, |busiest| busiest.alerts),
    ));
    Ok(())
}

fn print(
    protocol: &Path,
    performed_at: Option<&str>,
    zone: Tz,
    locale: Option<&str>,
    facts: Option<&Path>,
) -> Result<(), Wrong> {
    let version = named::version(protocol, facts)?;
    let wanted: Vec<&str> = locale.into_iter().collect();
    let texts = version.texts_for(&wanted, |_| true);
    let shown = match performed_at {
        Some(text) => calendar::render(&version, texts, moment(text, zone)?, zone),
        None => show(&version, texts),
    };
    say(shown.trim_end());
    Ok(())
}

fn note(dir: &Path, facts: Option<&Path>, unreleased: bool) -> Result<(), Wrong> {
    let version = folder::read(dir, facts)?;
    say(&record::record(dir, &version, unreleased)?);
    Ok(())
}

fn compare(from: &Path, to: &Path, locale: Option<&str>, facts: Option<&Path>) -> Result<(), Wrong> {
    let (from, to) = (named::version(from, facts)?, named::version(to, facts)?);
    let wanted = locale.filter(|tag| {
        let spoken = |version: &ProtocolVersion| version.texts_for(&[*tag], |_| true).locale.clone();
        spoken(&from) == spoken(&to)
    });
    let (from, to) = (named::side(&from, wanted), named::side(&to, wanted));
    say(diff_text(&diff(from, to), from, to).trim_end());
    Ok(())
}

/// An instant, or a local time in the zone.
fn moment(text: &str, zone: Tz) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.with_timezone(&Utc));
    }
    let local = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let local = local.ok_or_else(|| anyhow::anyhow!("{text:?} is no moment such as 2026-03-02T10:30"))?;
    Ok(ZoneHistory::fixed(zone).instant(local))
}
