//! Taking a batch of outcomes: judged, written, counted and planned in one transaction, in six round trips whatever its
//! size: begin under the person's lock; the person; the running treatments; the write; their alerts; commit.
//!
//! A row says who entered it and when, and is never changed: it is its own audit trail.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::judge::{Entry, Judge, Known, Refusal, Verdict};
use super::store::{self, Batch, Written};
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::db::{Db, Lock, Scope};
use crate::domain::compliance::{Outcome, Said};
use crate::domain::local_time::ZoneHistory;
use crate::domain::tally::{Tally, counting_from};
use crate::domain::timeline::{Plan, Timeline, timeline};
use crate::planning::{self, PlanningError};
use crate::protocols::Catalogue;
use crate::recovery;

/// The treatment a batch is about, laid out, and what was said of it before.
struct Ground<'a> {
    treatment_id: Uuid,
    laid: Timeline<'a>,
    before: Vec<Outcome>,
    zones: &'a ZoneHistory,
    cancelled: bool,
    performed_at: DateTime<Utc>,
    moved_at: Option<DateTime<Utc>>,
    starts_at: DateTime<Utc>,
    now: DateTime<Utc>,
    /// The moment tasks are judged at: now, or the end of the treatment.
    judged_at: DateTime<Utc>,
}

/// Writes what can be written of a batch; one verdict per entry, in order.
pub async fn submit(
    db: &Db,
    clocks: &Clocks,
    catalogue: &Catalogue,
    caller: &Caller,
    treatment_id: Uuid,
    entries: &[Entry],
) -> Result<Vec<Verdict>, PlanningError> {
    let now = clocks.care.now();
    let lock = Lock::PatientOf(caller.clinic_id, treatment_id);
    let taken = db.scoped_under(Scope::Clinic(caller.clinic_id), lock, async |conn| {
        let person = planning::locked_of(conn, caller.clinic_id, treatment_id).await?;
        if !caller.role.is_staff() && caller.patient_id != Some(person.patient_id) {
            return Err(PlanningError::NotFound.into());
        }
        let mut running = person.running(conn, catalogue).await?;
        let Some((row, version)) = running.find(treatment_id) else {
            // It has ended: late entries count for what was, and nothing is owed any more.
            let mut recovery = recovery::find_recovery(conn, caller, treatment_id).await?;
            let version = recovery.version(conn, catalogue, caller.clinic_id).await?;
            let ground = Ground {
                treatment_id,
                laid: recovery.timeline(&version),
                before: recovery.outcomes.clone(),
                zones: &recovery.zones,
                cancelled: recovery.row.status == "cancelled",
                performed_at: recovery.row.performed_at,
                moved_at: recovery.row.moved_at,
                starts_at: recovery.since(),
                now,
                judged_at: recovery.judged_at(now),
            };
            return Ok(ground.write(conn, caller, entries).await?.0);
        };
        let conditions = row.conditions(version)?;
        let plan = Plan {
            treatment: treatment_id,
            version,
            performed_at: row.performed_at,
            anchor_on: row.anchor_on,
            zones: &person.zones,
            overrides: running.overrides(treatment_id),
            conditions: &conditions,
        };
        let ground = Ground {
            treatment_id,
            laid: timeline(&plan),
            before: row.outcomes(),
            zones: &person.zones,
            cancelled: false,
            performed_at: row.performed_at,
            moved_at: row.moved_at,
            starts_at: counting_from(row.performed_at, row.counts_from, person.linked_at),
            now,
            judged_at: now,
        };
        let (verdicts, added, tally) = ground.write(conn, caller, entries).await?;
        if added.is_empty() {
            return Err(Unwritten::Nothing(verdicts));
        }
        running.tell(treatment_id, &added, &tally);
        person.plan(conn, &running, now).await?;
        Ok(verdicts)
    });
    match taken.await {
        Ok(verdicts) | Err(Unwritten::Nothing(verdicts)) => Ok(verdicts),
        Err(Unwritten::Failed(error)) => Err(error),
    }
}

/// Why a transaction is undone.
enum Unwritten {
    /// There was nothing to add, so that the plan that was about to be made does not count either.
    Nothing(Vec<Verdict>),
    /// It went wrong.
    Failed(PlanningError),
}

impl<E: Into<PlanningError>> From<E> for Unwritten {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Ground<'_> {
    /// Judges and writes; also returns what was added, and what the treatment's row now says of its tasks.
    async fn write(
        &self,
        conn: &mut AsyncPgConnection,
        caller: &Caller,
        entries: &[Entry],
    ) -> Result<(Vec<Verdict>, Vec<Outcome>, Tally), PlanningError> {
        if entries.is_empty() {
            return Ok(Default::default());
        }
        let judge = Judge {
            treatment_id: self.treatment_id,
            cancelled: self.cancelled,
            performed_at: self.performed_at,
            moved_at: self.moved_at,
            tasks: self.laid.tasks.iter().map(|task| (task.id, task)).collect(),
            zones: self.zones,
            now: self.now,
        };
        let mut verdicts = judge.judge(entries);
        let accepted = entries.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Accepted);
        let accepted: Vec<_> =
            accepted.filter_map(|(entry, _)| Some((entry, *judge.tasks.get(&entry.task_id)?))).collect();
        let told: Vec<Outcome> = accepted.iter().map(|(entry, _)| outcome(entry)).collect();
        let tally = self.tally(&told);
        let batch = Batch {
            treatment_id: self.treatment_id,
            entered_by: caller.user_id,
            received_at: self.now,
            entries: accepted,
            asked: entries.iter().map(|entry| entry.id).collect(),
            tally: tally.clone(),
        };
        let written = store::insert_outcomes(conn, caller.clinic_id, batch).await?;
        for (entry, verdict) in entries.iter().zip(&mut verdicts) {
            *verdict = self.after(entry, *verdict, &written);
        }
        let added = told.into_iter().filter(|outcome| written.added.contains(&outcome.id)).collect();
        Ok((verdicts, added, tally))
    }

    /// The verdict once it is known which ids were there before.
    fn after(&self, entry: &Entry, verdict: Verdict, written: &Written) -> Verdict {
        match written.before.get(&entry.id) {
            Some(known) if *known == Known::of(entry, self.treatment_id) => Verdict::Duplicate,
            Some(_) => Verdict::Rejected(Refusal::IdTaken),
            // Somebody else used the id in the same moment.
            None if verdict == Verdict::Accepted && !written.added.contains(&entry.id) => {
                Verdict::Rejected(Refusal::IdTaken)
            }
            None => verdict,
        }
    }

    fn tally(&self, told: &[Outcome]) -> Tally {
        let said = Said::fold(self.before.iter().chain(told));
        Tally::of(&self.laid.tasks, &said, self.starts_at, self.judged_at)
    }
}

fn outcome(entry: &Entry) -> Outcome {
    Outcome { id: entry.id, task_id: entry.task_id, kind: entry.kind, recorded_at: entry.recorded_at }
}
