//! Saving what a person wants to be told: the choices, the zone where they decide about it, the plans that hang on them.
//! One transaction.

use chrono_tz::Tz;
use diesel_async::AsyncPgConnection;

use super::store;
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::consents::{self, DETAILS_VERSION, LOCK_SCREEN_DETAILS};
use crate::db::{Scope, enter};
use crate::domain::preferences::{Choices, ZoneMode};
use crate::patients;
use crate::planning::PlanningError;
use crate::protocols::Catalogue;

/// Saves `after` over `before`, the choices at `version`; returns the version that they have now. Runs under
/// [`store::lock_preferences`]. Choices that are the same change nothing.
pub async fn save(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    catalogue: &Catalogue,
    caller: &Caller,
    before: &Choices,
    version: i32,
    after: &Choices,
) -> Result<i32, PlanningError> {
    if after == before && version > 0 {
        return Ok(version);
    }
    let version = version.saturating_add(1);
    let now = clocks.care.now();
    store::update_choices(conn, caller.user_id, after, version, clocks.wall.now()).await?;
    let goes_home = before.zone_mode == ZoneMode::Device && after.zone_mode == ZoneMode::Home;
    for (clinic_id, patient_id) in patients::store::list_records_of(conn, caller.user_id).await? {
        enter(conn, Scope::Clinic(clinic_id)).await?;
        let locked = patients::store::lock_patient(conn, clinic_id, patient_id).await?;
        if let Some(home) = locked.patient.time_zone.parse::<Tz>().ok().filter(|_| goes_home) {
            patients::zones::change(conn, &locked, home, now).await?;
        }
        patients::zones::plan_again(conn, catalogue, &locked, now).await?;
    }
    enter(conn, Scope::User(caller.user_id)).await?;
    if before.show_details != after.show_details {
        let agreed = after.show_details.then_some(DETAILS_VERSION);
        consents::record::agree(conn, clocks, caller.user_id, LOCK_SCREEN_DETAILS, agreed).await?;
        let action = if after.show_details { "lock_screen_details.consent" } else { "lock_screen_details.withdraw" };
        let entry = Entry::by(caller, action, "user", caller.user_id);
        let entry = caller.patient_id.map_or(entry, |patient_id| entry.about(patient_id));
        audit::record(conn, clocks, entry).await?;
    }
    Ok(version)
}
