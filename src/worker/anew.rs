//! Planning anew: for patients whose alerts could not be sent while their plan held (a push service was down, or a worker,
//! until quiet hours began, the next alert was due or the day was over), and for those whose clinic changed what holds for
//! them. A plan is one transaction under the patient's lock, like everybody's; both have tasks of their own, so that the
//! alerts of others do not wait for them.

use std::sync::Arc;
use std::time::Duration;

use diesel_async::AsyncPgConnection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Parts;
use crate::db::{DbError, Scope};
use crate::planning::{self, Asked, PlanningError, Tools};

/// How many patients wait to be planned for. Whoever finds no room is asked for again when their alert is claimed again.
pub(super) const WAITING: usize = 1_000;
/// How often to look for plans that were asked for.
const LOOK_EVERY: Duration = Duration::from_secs(30);

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

/// Makes the plans that were asked for until `stop`.
pub(super) async fn keep_up(parts: Arc<Parts>, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        if let Err(error) = take_asked(&parts, &stop).await {
            tracing::warn!(%error, "plans that were asked for could not be read; they are looked for again");
        }
    }
}

/// Makes the plans that were asked for, one after another. One that cannot be made stays asked for.
pub(super) async fn take_asked(parts: &Parts, stop: &CancellationToken) -> Result<(), DbError> {
    let mut seen: Option<Asked> = None;
    loop {
        let list = async |conn: &mut AsyncPgConnection| Ok::<_, DbError>(planning::list_asked(conn, seen).await?);
        let page = parts.db.scoped(Scope::System, list).await?;
        for asked in &page {
            if stop.is_cancelled() {
                return Ok(());
            }
            let patient = (asked.clinic_id, asked.patient_id);
            if let Err(error) = planning::plan_anew(tools(parts), patient, Some(*asked)).await {
                tracing::warn!(%error, patient.id = %asked.patient_id, "a plan that was asked for could not be made; it is tried again");
            }
        }
        seen = page.last().copied();
        if seen.is_none() {
            return Ok(());
        }
    }
}

/// Plans anew for one patient of a clinic.
pub(super) async fn plan(parts: &Parts, clinic_id: Uuid, patient_id: Uuid) -> Result<(), PlanningError> {
    planning::plan_anew(tools(parts), (clinic_id, patient_id), None).await
}

fn tools(parts: &Parts) -> Tools<'_> {
    Tools { db: &parts.db, clocks: &parts.clocks, catalogue: &parts.catalogue }
}
