//! Taking a deletion back: the login is there again, and what its person is owed is planned anew. Sessions, devices and calendar
//! feeds are gone for good; apps make theirs again.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{mark, store};
use crate::audit;
use crate::auth::store as logins;
use crate::clock::Clocks;
use crate::db::{Scope, enter};
use crate::planning::{self, PlanningError};
use crate::protocols::Catalogue;

/// The same for a login that nobody has locked yet; one that stays, stays. `false` where it is too late: the deletion may stand
/// in the journal already.
pub async fn take_back(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    catalogue: &Catalogue,
    user_id: Uuid,
) -> Result<bool, PlanningError> {
    logins::lock_user(conn, user_id).await?;
    match store::find_pending(conn, user_id).await? {
        Some(pending) if pending.erase_at <= clocks.wall.now() => return Ok(false),
        Some(_) => cancel(conn, clocks, catalogue, user_id).await?,
        None => {}
    }
    Ok(true)
}

/// Takes the mark from a locked login, in its person's own scope, which the transaction goes on in.
pub async fn cancel(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    catalogue: &Catalogue,
    user_id: Uuid,
) -> Result<(), PlanningError> {
    store::delete_pending(conn, user_id).await?;
    let places = store::list_places(conn, user_id).await?;
    for place in &places {
        let Some(patient_id) = place.patient_id else { continue };
        enter(conn, Scope::Clinic(place.clinic_id)).await?;
        let person = planning::lock(conn, place.clinic_id, patient_id).await?;
        store::update_promise(conn, place.clinic_id, patient_id, None).await?;
        person.replan(conn, catalogue, clocks.care.now()).await?;
    }
    enter(conn, Scope::User(user_id)).await?;
    for place in &places {
        audit::record(conn, clocks, mark::entry(place, user_id, "login.keep")).await?;
    }
    Ok(())
}
