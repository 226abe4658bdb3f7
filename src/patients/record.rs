//! Making and editing a patient's record: the record, its home zone, the plan that hangs on it, the audit trail.

use chrono_tz::Tz;
use diesel_async::AsyncPgConnection;

use super::store::{self, LockedPatient, NewPatient, Patient};
use super::zones;
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::planning::PlanningError;
use crate::protocols::Catalogue;

/// What became of a record that was to be made.
#[derive(Debug)]
pub enum Created {
    /// It was made.
    New(Patient),
    /// The same record was made before: the request came twice.
    Before(Patient),
}

/// Why a record is not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The id names another record of the clinic.
    #[error("the id is in use")]
    IdTaken,
    /// The database refused a statement.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// Makes a record. One that is already there under the id and says the same is the answer to a repeated request.
pub async fn create(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    new: &NewPatient,
) -> Result<Created, CreateError> {
    let clinic_id = caller.clinic_id;
    if let Some(patient) = store::insert_patient(conn, clinic_id, new, clocks.care.now()).await? {
        let entry = Entry::by(caller, "patient.create", "patient", patient.id).about(patient.id);
        audit::record(conn, clocks, entry).await?;
        return Ok(Created::New(patient));
    }
    let there = store::find_patient(conn, clinic_id, new.id).await?;
    if !says_the_same(new, &there) {
        return Err(CreateError::IdTaken);
    }
    // It is answered all the same: without an entry this would be a way to read it unseen.
    let entry = Entry::by(caller, "patient.read", "patient", there.id).about(there.id);
    audit::record(conn, clocks, entry).await?;
    Ok(Created::Before(there))
}

fn says_the_same(new: &NewPatient, there: &Patient) -> bool {
    let agrees = |said: &Option<String>, is: &str| said.as_deref().is_none_or(|said| said == is);
    new.display_name == there.display_name
        && new.reference == there.reference
        && new.phone == there.phone
        && agrees(&new.time_zone, &there.time_zone)
        && agrees(&new.locale, &there.locale)
}

/// What an edit says. Absent: as it was; empty: no longer there.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The person's name.
    pub display_name: Option<String>,
    /// Home zone.
    pub time_zone: Option<Tz>,
    /// Language tag.
    pub locale: Option<String>,
    /// The clinic's file number.
    pub reference: Option<Option<String>>,
    /// How the clinic reaches the person.
    pub phone: Option<Option<String>>,
}

/// Edits a locked record; returns it as it is now. An edit that changes nothing is a look.
pub async fn edit(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    catalogue: &Catalogue,
    caller: &Caller,
    locked: LockedPatient,
    changes: Changes,
) -> Result<Patient, PlanningError> {
    let before = &locked.patient;
    if before.detached_at.is_some() {
        return Err(PlanningError::Detached);
    }
    let mut after = before.clone();
    after.display_name = changes.display_name.unwrap_or(after.display_name);
    after.time_zone = changes.time_zone.map_or(after.time_zone, |zone| zone.name().to_owned());
    after.locale = changes.locale.unwrap_or(after.locale);
    after.reference = changes.reference.unwrap_or(after.reference);
    after.phone = changes.phone.unwrap_or(after.phone);
    if after == *before {
        // It is answered all the same: without an entry this would be a way to read it unseen.
        let entry = Entry::by(caller, "patient.read", "patient", after.id).about(after.id);
        audit::record(conn, clocks, entry).await?;
        return Ok(after);
    }
    after.version += 1;
    store::update_patient(conn, after.clinic_id, &after).await?;
    // Who is at home moves with the home zone; who is away stays where the phone is.
    if let Some(home) = changes.time_zone
        && locked.zones.last().name() == before.time_zone
        && zones::change(conn, &locked, home, clocks.care.now()).await?
    {
        zones::plan_again(conn, catalogue, &locked, clocks.care.now()).await?;
    }
    let entry = Entry::by(caller, "patient.update", "patient", after.id).about(after.id);
    audit::record(conn, clocks, entry).await?;
    Ok(after)
}
