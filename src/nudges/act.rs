//! Somebody has seen a nudge: it ends, what is still owed about it is withdrawn, and the deed is recorded.

use uuid::Uuid;

use super::store;
use super::withdraw;
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::db::{Db, Scope};
use crate::planning::PlanningError;

/// Acknowledges a nudge. One that has ended stays as it is.
pub async fn acknowledge(db: &Db, clocks: &Clocks, caller: &Caller, id: Uuid) -> Result<(), PlanningError> {
    let (clinic, now) = (caller.clinic_id, clocks.care.now());
    db.scoped(Scope::Clinic(clinic), async |conn| {
        let Some(nudge) = store::acknowledge(conn, clinic, id, caller.user_id, now).await? else {
            // It is answered all the same: without an entry this would be a way to read it unseen.
            let (nudge, _) = store::find_nudge(conn, clinic, id).await?;
            let entry = Entry::by(caller, "nudge.read", "nudge", id).about(nudge.patient_id);
            return Ok(audit::record(conn, clocks, entry).await?);
        };
        withdraw(conn, &nudge, now).await?;
        let entry = Entry::by(caller, "nudge.acknowledge", "nudge", id).about(nudge.patient_id);
        audit::record(conn, clocks, entry).await?;
        Ok(())
    })
    .await
}
