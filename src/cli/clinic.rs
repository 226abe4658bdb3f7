//! `admin export-clinic`, `remove-clinic` and `keep-clinic`: a clinic's data to take away, its end in two steps, and the way back
//! between them.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::admin::print;
use crate::clinics::removal;
use crate::clock::Clocks;
use crate::db::Db;

/// Which clinic, said twice.
#[derive(Debug, Args)]
pub struct Remove {
    /// The clinic's id
    #[arg(long)]
    clinic: Uuid,
    /// What the clinic calls itself, letter by letter: so that it is the one that you mean
    #[arg(long)]
    confirm: String,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Which clinic.
#[derive(Debug, Args)]
pub struct Keep {
    /// The clinic's id
    #[arg(long)]
    clinic: Uuid,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Which clinic, and where to.
#[derive(Debug, Args)]
pub struct Export {
    /// The clinic's id
    #[arg(long)]
    clinic: Uuid,
    /// A directory that is not there yet
    #[arg(long)]
    to: PathBuf,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Written {
    clinic_id: Uuid,
    /// Tables that hold anything of it.
    files: usize,
    /// Their rows.
    rows: usize,
}

#[derive(Serialize)]
struct Removed {
    clinic_id: Uuid,
    /// People who belonged to it.
    members: usize,
    /// Alerts that were called off.
    alerts_called_off: usize,
    /// Until when `keep-clinic` brings it back.
    erase_at: DateTime<Utc>,
}

#[derive(Serialize)]
struct Kept {
    clinic_id: Uuid,
    /// People who belong to it again.
    members: usize,
    /// Reports that nobody had seen, of which staff are told again.
    reports_told_again: usize,
}

/// Writes the clinic into the directory.
pub(super) async fn export(db: &Db, clocks: &Clocks, asked: &Export) -> anyhow::Result<()> {
    let exported = removal::export(db, clocks, asked.clinic, &asked.to).await?;
    print(&Written { clinic_id: asked.clinic, files: exported.files, rows: exported.rows }, asked.json)
}

/// Closes the clinic.
pub(super) async fn remove(db: &Db, clocks: &Clocks, asked: Remove) -> anyhow::Result<()> {
    let closing = removal::close(db, clocks, asked.clinic, &asked.confirm).await?;
    let removed = Removed {
        clinic_id: asked.clinic,
        members: closing.members,
        alerts_called_off: closing.alerts,
        erase_at: closing.erase_at,
    };
    print(&removed, asked.json)
}

/// Opens it again.
pub(super) async fn keep(db: &Db, clocks: &Clocks, asked: Keep) -> anyhow::Result<()> {
    let opening = removal::open(db, clocks, asked.clinic).await?;
    let kept = Kept { clinic_id: asked.clinic, members: opening.members, reports_told_again: opening.reports };
    print(&kept, asked.json)
}
