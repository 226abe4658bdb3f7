//! What a report on one treatment is made of, read in the transaction of whoever asks.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store;
use crate::domain::compliance::{SkipReason, Visit};
use crate::domain::protocol::ProtocolVersion;
use crate::planning::PlanningError;
use crate::protocols::Catalogue;
use crate::recovery::Recovery;

/// A treatment with all that its report says.
#[derive(Debug)]
pub struct Ground {
    /// The treatment.
    pub recovery: Recovery,
    /// Its pinned version.
    pub version: Arc<ProtocolVersion>,
    /// The last time its patient was at the clinic.
    pub visit: Option<Visit>,
    /// Why tasks were skipped, by task.
    pub given: HashMap<Uuid, SkipReason>,
}

impl Ground {
    /// Reads what a report at `at` needs beside the recovery.
    pub async fn of(
        conn: &mut AsyncPgConnection,
        catalogue: &Catalogue,
        clinic: Uuid,
        mut recovery: Recovery,
        at: DateTime<Utc>,
    ) -> Result<Self, PlanningError> {
        let version = recovery.version(conn, catalogue, clinic).await?;
        let visit = last_visit(conn, clinic, recovery.row.patient_id, recovery.judged_at(at)).await?;
        let given = given(conn, clinic, vec![recovery.row.id]).await?;
        Ok(Self { recovery, version, visit, given })
    }
}

/// The last time a patient was at the clinic by a moment.
pub(super) async fn last_visit(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    at: DateTime<Utc>,
) -> Result<Option<Visit>, PlanningError> {
    let visit = store::find_last_visit(conn, clinic, patient, at).await?;
    Ok(visit.and_then(|(kind, at)| Some(Visit { kind: kind.parse().ok()?, at })))
}

/// Why tasks of these treatments were skipped, by task.
pub(super) async fn given(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatments: Vec<Uuid>,
) -> Result<HashMap<Uuid, SkipReason>, PlanningError> {
    let rows = store::list_skip_reasons(conn, clinic, treatments).await?;
    Ok(rows.into_iter().map(|(task, reason)| (task, SkipReason::of(Some(&reason)))).collect())
}
