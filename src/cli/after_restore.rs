//! `admin after-restore`: a database that came back from a backup, before servers are started on it.

use std::path::PathBuf;

use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::{Database, admin, say};
use crate::after_restore::{Report, follow_up};
use crate::app::Stepping;
use crate::config::Config;
use crate::db::Group;
use crate::journal::{self, Journal};

/// What a backup knows nothing of, and nobody but people can look after.
const TO_CHECK: &str = "\
What happened after the backup is lost. Please have the administrators of each clinic check:
- who left or changed roles since: such members are back as they were, and so are invitations that were withdrawn
- who was signed out, lost a phone or changed a password since: the old session and the old password work again
  (POST /v1/clinic/sign-out ends a clinic's sessions; apps that used theirs since the backup ask for the password anyway)
- recovery codes that were used since: they work again
- calendar feeds that were taken back since: they are read again
- flags that staff dealt with since: they stand as they did, and staff were told again of those that nobody had seen
- alerts that were owed since and called off here: GET /v1/alerts/failed lists them as expired, after_restore; what should
  still reach somebody can be replayed";

/// What is known of the backup.
#[derive(Debug, Args)]
pub struct AfterRestore {
    /// The journal of deletions, a directory or one of its files, if it is another than MENDLINE_ERASURE_JOURNAL's
    #[arg(long)]
    journal: Option<PathBuf>,
    /// The moment of the backup, such as 2026-05-01T08:00:00Z; where it is not said, that of the last trace of anybody in it
    #[arg(long)]
    restored_to: Option<DateTime<Utc>>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    /// Whether deletions since the backup were followed.
    journal_read: bool,
    /// Ends of the journal's files that a crash or a full disk tore: what they would have told of did not happen by them.
    torn_lines: Vec<String>,
    #[serde(flatten)]
    report: Report,
}

/// Follows the restore up and reports.
pub(super) async fn run(config: &Config, database: &Database, asked: AfterRestore) -> anyhow::Result<()> {
    let path = asked.journal.or_else(|| config.erasure_journal.clone());
    let journal = path.as_deref().map(Journal::read).transpose().context("reading the journal of deletions")?;
    refuse_bad(journal.as_ref())?;
    // Nothing is migrated on the way: it is done once it is known what was restored.
    let db = database.connect_current(config, &[Group::Worker]).await?.worker;
    let entries: Vec<_> = journal.iter().flat_map(|read| &read.entries).copied().collect();
    let report = follow_up(&db, &Stepping::clocks(config)?, asked.restored_to, &entries).await?;
    let torn_lines = journal.iter().flat_map(|read| &read.torn).map(ToString::to_string).collect();
    admin::print(&Answer { journal_read: journal.is_some(), torn_lines, report }, asked.json)?;
    if asked.json {
        return Ok(());
    }
    if report.done_before {
        say("\nThis restore has been followed up before, and nothing has happened since.");
        return Ok(());
    }
    if journal.is_none() {
        say(
            "\nWithout a journal of deletions: who was erased after the backup is back. Run this again with --journal if there is one.",
        );
    }
    say(&format!("\n{TO_CHECK}"));
    Ok(())
}

/// What cannot be read might be somebody who must not stay.
fn refuse_bad(journal: Option<&journal::Read>) -> anyhow::Result<()> {
    let bad: Vec<String> = journal.iter().flat_map(|read| &read.bad).map(ToString::to_string).collect();
    anyhow::ensure!(
        bad.is_empty(),
        "the journal of deletions cannot be followed; mend or remove what is no entry: {}",
        bad.join("; ")
    );
    Ok(())
}
