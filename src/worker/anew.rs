//! Planning anew for patients whose alerts could not be sent while their plan held: a push service was down, or a worker,
//! until quiet hours began, the next alert was due or the day was over. A plan is one transaction under the patient's lock,
//! like everybody's; it has a task of its own, so that the alerts of others do not wait for it.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Parts;
use crate::db::{Lock, Scope};
use crate::planning::{self, PlanningError};

/// How many patients wait to be planned for. Whoever finds no room is asked for again when their alert is claimed again.
pub(super) const WAITING: usize = 1_000;

/// Plans for whom it is told of, until told to stop or until nobody is left who tells.
pub(super) async fn run(parts: Arc<Parts>, mut inbox: mpsc::Receiver<(Uuid, Uuid)>, stop: CancellationToken) {
    loop {
        let patient = tokio::select! {
            () = stop.cancelled() => return,
            patient = inbox.recv() => patient,
        };
        let Some((clinic_id, patient_id)) = patient else { return };
        if let Err(error) = plan(&parts, clinic_id, patient_id).await {
            tracing::warn!(%error, patient.id = %patient_id, "what could not be sent could not be planned anew; its alerts ask again");
        }
    }
}

/// Plans anew for one patient of a clinic.
pub(super) async fn plan(parts: &Parts, clinic_id: Uuid, patient_id: Uuid) -> Result<(), PlanningError> {
    let now = parts.clocks.care.now();
    let plan = async |conn: &mut _| {
        let person = planning::locked(conn, clinic_id, patient_id).await?;
        person.replan(conn, &parts.catalogue, now).await
    };
    parts.db.scoped_under(Scope::Clinic(clinic_id), Lock::Patient(clinic_id, patient_id), plan).await?;
    Ok(())
}
