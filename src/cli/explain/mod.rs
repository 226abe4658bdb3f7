//! `admin explain`: one patient's day, told whole. What was planned and why at that moment, what moved it, what it gave
//! way to, every try with the provider's answer, what came of it.
//!
//! `gather.rs` reads and puts together, `day.rs` is what comes of that, `text.rs` says it in sentences.

mod day;
mod gather;
mod text;

use anyhow::Context;
use chrono::NaiveDate;
use clap::Args;
use uuid::Uuid;

use super::say;
use crate::app::State;

/// Whose day.
#[derive(Debug, Args)]
pub struct Explain {
    /// The patient's id, as in the worklist
    #[arg(long)]
    patient: Uuid,
    /// The day by the patient's clock, such as 2026-03-03
    #[arg(long)]
    on: NaiveDate,
    /// The clinic's id, where several know a patient of this id
    #[arg(long)]
    clinic: Option<Uuid>,
    /// Answer in JSON
    #[arg(long)]
    json: bool,
}

/// Tells the day.
pub async fn run(state: &State, asked: &Explain) -> anyhow::Result<()> {
    let day = gather::gather(state, asked.clinic, asked.patient, asked.on).await?;
    if asked.json {
        say(&serde_json::to_string(&day).context("writing the answer")?);
    } else {
        say(&text::tell(&day));
    }
    Ok(())
}
