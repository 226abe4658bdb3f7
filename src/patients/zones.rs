//! Where a patient is: the phone last used in the foreground says so, unless the person keeps the home zone. A change
//! moves what is still ahead and nothing that has been lived through.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, LockedPatient};
use crate::domain::preferences::ZoneMode;
use crate::planning::{self, PlanningError};
use crate::protocols::Catalogue;

/// Between two changes that a phone makes. Two phones in two zones must not throw the plan about.
const BETWEEN_CHANGES: TimeDelta = TimeDelta::hours(1);

/// The phone was in `zone` when the app was last in the foreground. Returns whether the patient's zone changed; if so,
/// what the person is owed is planned anew.
pub async fn follow_device(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    clinic_id: Uuid,
    patient_id: Uuid,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<bool, PlanningError> {
    let locked = store::lock_patient(conn, clinic_id, patient_id).await?;
    let changed = follows(&locked, now) && change(conn, &locked, zone, now).await?;
    if changed {
        plan_again(conn, catalogue, &locked, now).await?;
    }
    Ok(changed)
}

/// Whether the phone may set the zone now.
fn follows(locked: &LockedPatient, now: DateTime<Utc>) -> bool {
    let settled = locked.zone_changed_at.is_none_or(|changed_at| now - changed_at >= BETWEEN_CHANGES);
    settled && locked.zone_mode == ZoneMode::Device
}

/// Notes that the person is in `zone` from now on, whoever says so. Returns whether that is a change, after which the
/// caller plans again.
pub async fn change(
    conn: &mut AsyncPgConnection,
    locked: &LockedPatient,
    zone: Tz,
    now: DateTime<Utc>,
) -> diesel::QueryResult<bool> {
    if locked.zones.last() == zone {
        return Ok(false);
    }
    let patient = &locked.patient;
    store::insert_zone(conn, patient.clinic_id, patient.id, zone.name(), now).await?;
    Ok(true)
}

/// Plans everything anew that a locked patient is owed, as zone and preferences now stand.
pub async fn plan_again(
    conn: &mut AsyncPgConnection,
    catalogue: &Catalogue,
    locked: &LockedPatient,
    now: DateTime<Utc>,
) -> Result<(), PlanningError> {
    let person = planning::lock(conn, locked.patient.clinic_id, locked.patient.id).await?;
    person.replan(conn, catalogue, now).await?;
    Ok(())
}
