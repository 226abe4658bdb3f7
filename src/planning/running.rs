//! A person's treatments between the database and the plan.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::Running;
use crate::domain::compliance::Outcome;
use crate::domain::protocol::ProtocolVersion;
use crate::domain::tally::Tally;
use crate::domain::timeline::Overrides;

/// A person's running treatments, and those completed ones that still matter to the plan; read and not yet planned.
#[derive(Debug)]
pub struct RunningTreatments {
    pub(super) rows: Vec<(Running, Arc<ProtocolVersion>)>,
    pub(super) overrides: HashMap<Uuid, Overrides>,
}

impl RunningTreatments {
    /// All of them, each with its version.
    pub fn iter(&self) -> impl Iterator<Item = &(Running, Arc<ProtocolVersion>)> {
        self.rows.iter()
    }

    /// One of them that was not completed, with its version.
    pub fn find(&self, id: Uuid) -> Option<&(Running, Arc<ProtocolVersion>)> {
        self.rows.iter().find(|(row, _)| row.id == id && !row.at_rest)
    }

    /// Adds what was written about tasks of one of them since it was read, and what its row now says of it.
    pub fn tell(&mut self, id: Uuid, outcomes: &[Outcome], tally: &Tally) {
        for (row, _) in self.rows.iter_mut().filter(|(row, _)| row.id == id) {
            for outcome in outcomes {
                row.outcome_ids.push(outcome.id);
                row.outcome_tasks.push(outcome.task_id);
                row.outcome_kinds.push(outcome.kind.as_str().to_owned());
                row.outcome_at.push(outcome.recorded_at);
            }
            (row.done_w, row.on_time_w) = (tally.done_w, tally.on_time_w);
            (row.early_until, row.early_w) = tally.early.iter().copied().unzip();
        }
    }
}
