//! Plans that somebody else's change makes wrong: a clinic's quiet hours hold for all its patients who chose none of their
//! own, and a protocol version that it recalls for all who are treated by it. Whoever makes the change asks, in the same
//! transaction; a worker plans, one patient at a time.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{PlanningError, Tools, store};
use crate::db::{Lock, Scope};

pub use store::Asked;

/// How many are read at once.
const PAGE: i64 = 100;

/// Asks for new plans of everybody in a clinic who keeps its quiet hours. Returns how many.
pub async fn ask_for_clinic(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<i64> {
    store::insert_asked(conn, clinic_id).await
}

/// The clinic has recalled a protocol version: whoever is treated by it has a plan that a worker makes anew.
pub async fn ask_for_version(conn: &mut AsyncPgConnection, clinic_id: Uuid, version_id: Uuid) -> QueryResult<i64> {
    store::insert_asked_for_version(conn, clinic_id, version_id).await
}

/// The next that were asked for, after one that was seen.
pub async fn list_asked(conn: &mut AsyncPgConnection, after: Option<Asked>) -> QueryResult<Vec<Asked>> {
    store::list_asked(conn, after, PAGE).await
}

/// Plans anew for one patient of a clinic, as workers do; with `asked` this answers what was asked.
pub async fn plan_anew(
    tools: Tools<'_>,
    (clinic_id, patient_id): (Uuid, Uuid),
    asked: Option<Asked>,
) -> Result<(), PlanningError> {
    let now = tools.clocks.care.now();
    let plan = async |conn: &mut AsyncPgConnection| {
        match super::locked(conn, clinic_id, patient_id).await {
            Ok(person) => drop(person.replan(conn, tools.catalogue, now).await?),
            // Nothing is planned for who has left.
            Err(PlanningError::Detached) => {}
            Err(error) => return Err(error),
        }
        if let Some(asked) = asked {
            // Last: whoever asks holds the clinic, which a plan touches, and only then writes what is deleted here.
            store::delete_asked(conn, asked).await?;
        }
        Ok::<_, PlanningError>(())
    };
    tools.db.scoped_under(Scope::System, Lock::Patient(clinic_id, patient_id), plan).await
}
