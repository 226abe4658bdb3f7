//! Taking a batch of outcomes: judged, written, counted and planned in one transaction, in six round trips whatever its
//! size: begin; lock and reads together; the write; the running treatments; their alerts; commit.
//!
//! A row says who entered it and when, and is never changed: it is its own audit trail.

use std::collections::{HashMap, HashSet};

use futures_util::future::try_join3;
use uuid::Uuid;

use super::judge::{Entry, Judge, Refusal, Verdict};
use super::store::{self, Batch};
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::db::{Db, Scope};
use crate::domain::compliance::{Outcome, Said};
use crate::domain::tally::Tally;
use crate::planning::{self, PlanningError};
use crate::protocols::Catalogue;
use crate::recovery;

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
    db.scoped(Scope::Clinic(caller.clinic_id), async |conn| {
        let ids = entries.iter().map(|entry| entry.id).collect();
        // Sent together, run in order: what is read is what the lock has waited for.
        let (person, recovery, known) = try_join3(
            planning::lock_treated(conn, caller.clinic_id, treatment_id),
            recovery::find_recovery(conn, caller, treatment_id),
            async { Ok(store::list_known(conn, caller.clinic_id, ids).await?) },
        )
        .await?;
        let version = catalogue.version(conn, recovery.row.protocol_version_id).await?;
        let laid = recovery.timeline(&version);
        let tasks: HashMap<_, _> = laid.tasks.iter().map(|task| (task.id, task)).collect();
        let mut judge =
            Judge { treatment_id, performed_at: recovery.row.performed_at, tasks, zones: &recovery.zones, known, now };
        let mut verdicts = judge.judge(entries);
        let accepted = entries.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == Verdict::Accepted);
        let accepted: Vec<_> =
            accepted.filter_map(|(entry, _)| Some((entry, *judge.tasks.get(&entry.task_id)?))).collect();
        if accepted.is_empty() {
            return Ok(verdicts);
        }
        let told = accepted.iter().map(|(entry, _)| Outcome {
            id: entry.id,
            task_id: entry.task_id,
            kind: entry.kind,
            recorded_at: entry.recorded_at,
        });
        let outcomes: Vec<Outcome> = recovery.outcomes.iter().copied().chain(told).collect();
        let tally = Tally::of(&laid.tasks, &Said::fold(&outcomes), recovery.since(), now);
        let batch = Batch { treatment_id, entered_by: caller.user_id, received_at: now, entries: accepted, tally };
        let added: HashSet<Uuid> = store::insert_outcomes(conn, caller.clinic_id, batch).await?.into_iter().collect();
        for (entry, verdict) in entries.iter().zip(&mut verdicts) {
            if *verdict == Verdict::Accepted && !added.contains(&entry.id) {
                *verdict = Verdict::Rejected(Refusal::IdTaken);
            }
        }
        // Counts anew from what is there, and corrects the tally where an entry was left out.
        person.replan(conn, catalogue, now).await?;
        Ok(verdicts)
    })
    .await
}
