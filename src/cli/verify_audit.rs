//! `admin verify-audit`: whether the audit trail still is what was sealed, clinic by clinic. It changes nothing.

use chrono::NaiveDate;
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::say;
use crate::audit::seal::hexadecimal;
use crate::audit::store::seals::list_clinics;
use crate::audit::verify::{Verdict, verify};
use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};

/// What is to be verified.
#[derive(Debug, Args)]
pub struct VerifyAudit {
    /// One clinic's trail, which may be gone; else every clinic's
    #[arg(long)]
    clinic: Option<Uuid>,
    /// From this day on, such as 2026-03-01 (UTC); else from the first
    #[arg(long)]
    from: Option<NaiveDate>,
    /// Up to this day; else to the last that is over
    #[arg(long)]
    to: Option<NaiveDate>,
    /// Answer in JSON, a line for each clinic
    #[arg(long)]
    json: bool,
}

/// A clinic's line.
#[derive(Serialize)]
struct Told {
    clinic_id: Uuid,
    days: u32,
    entries: i64,
    pending_days: u32,
    faults: Vec<ToldFault>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest_day: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    newest_seal: Option<String>,
}

#[derive(Serialize)]
struct ToldFault {
    day: NaiveDate,
    what: String,
}

/// Looks, tells, and fails where something does not hold.
pub(super) async fn run(db: &Db, clocks: &Clocks, keys: &Keys, asked: &VerifyAudit) -> anyhow::Result<()> {
    let mut clinics = db.scoped(Scope::System, async |conn| Ok::<_, DbError>(list_clinics(conn).await?)).await?;
    if let Some(clinic) = asked.clinic {
        clinics.retain(|id| *id == clinic);
        anyhow::ensure!(!clinics.is_empty(), "there is no clinic {clinic}, and no seal of one");
    }
    let mut faulty = 0;
    for clinic_id in clinics {
        let verdict = verify(db, keys, clinic_id, (asked.from, asked.to), clocks.wall.now()).await?;
        faulty += usize::from(!verdict.faults.is_empty());
        let told = Told::new(clinic_id, &verdict);
        if asked.json { say(&serde_json::to_string(&told)?) } else { told.lines().iter().for_each(|line| say(line)) }
    }
    anyhow::ensure!(faulty == 0, "the audit trail of {faulty} clinics is not what was sealed");
    Ok(())
}

impl Told {
    fn new(clinic_id: Uuid, verdict: &Verdict) -> Self {
        let Verdict { days, entries, pending, ref faults, ref newest } = *verdict;
        let faults = faults.iter().map(|(day, fault)| ToldFault { day: *day, what: fault.to_string() }).collect();
        let (newest_day, newest_seal) = newest.as_ref().map(|(day, seal)| (*day, hexadecimal(seal))).unzip();
        Self { clinic_id, days, entries, pending_days: pending, faults, newest_day, newest_seal }
    }

    fn lines(&self) -> Vec<String> {
        let Self { clinic_id, days, entries, .. } = self;
        let end = if self.faults.is_empty() { "as they were sealed" } else { "NOT as they were sealed" };
        let mut lines = vec![format!("clinic {clinic_id}: {days} days, {entries} entries, {end}")];
        lines.extend(self.faults.iter().map(|fault| format!("  {}: {}", fault.day, fault.what)));
        if self.pending_days > 0 {
            lines.push(format!("  {} days are over and not sealed yet", self.pending_days));
        }
        if let (Some(day), Some(seal)) = (self.newest_day, &self.newest_seal) {
            lines.push(format!("  newest seal {day} {seal}"));
        }
        lines
    }
}
