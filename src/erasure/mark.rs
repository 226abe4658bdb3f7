//! Marking a login as about to be erased. Nothing of it works from then on, and whatever it was owed is called off in the same
//! transaction: what commits before a worker claims wins.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::erase::kept_until;
use super::store::{self, Pending, Place};
use crate::alerts::queue;
use crate::audit::{self, Entry};
use crate::auth::store::{self as logins, EndedBecause, User};
use crate::clock::Clocks;
use crate::db::{DbError, Scope, enter};
use crate::domain::role::Role;
use crate::{calendar, devices, escalation, members, patients};

/// A login is not erased sooner than this, whatever the window: a node that starts anew learns of tokens that were called back
/// from the login's own row, for as long as such a token may live.
pub const SOONEST: TimeDelta = TimeDelta::hours(1);

/// Why a login is not marked.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// Somebody must be able to run the clinic.
    #[error("the last administrator of {0}")]
    LastAdministrator(Uuid),
    /// The password has changed since it was shown.
    #[error("the password has changed")]
    Changed,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for MarkError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// What becomes of a login.
#[derive(Debug, Clone)]
pub struct Marked {
    /// Since when, and when it is final.
    pub pending: Pending,
    /// What the login is to each clinic.
    pub places: Vec<Place>,
    /// Clinics that have no other administrator.
    pub alone_at: Vec<Uuid>,
}

/// What would become of the login if it were marked now; nothing is changed. In the person's own scope.
pub async fn preview(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    window: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Marked, MarkError> {
    let places = store::list_places(conn, user_id).await?;
    let alone_at = alone_at(conn, &places, user_id).await?;
    let pending = Pending { user_id, requested_at: now, erase_at: now + window.max(SOONEST) };
    Ok(Marked { pending, places, alone_at })
}

/// Clinics that would be left without an administrator. Those who are there are locked: two who leave at once see each other.
async fn alone_at(conn: &mut AsyncPgConnection, places: &[Place], user_id: Uuid) -> Result<Vec<Uuid>, MarkError> {
    let mut alone = Vec::new();
    for place in places.iter().filter(|place| place.role == Role::Administrator.as_str()) {
        enter(conn, Scope::Clinic(place.clinic_id)).await?;
        if members::store::lock_administrators(conn, place.clinic_id).await? == [place.membership_id] {
            alone.push(place.clinic_id);
        }
    }
    enter(conn, Scope::User(user_id)).await?;
    Ok(alone)
}

/// Marks the login, in its person's own scope; `proven` is the login as it was when the person showed the password. Marking it
/// twice changes nothing. The caller tells this node of the tokens that were called back.
pub async fn mark(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    proven: &User,
    window: TimeDelta,
) -> Result<Marked, MarkError> {
    let user_id = proven.id;
    let current = logins::lock_user(conn, user_id).await?;
    if current.password_hash != proven.password_hash {
        return Err(MarkError::Changed);
    }
    let now = clocks.wall.now();
    let mut marked = preview(conn, user_id, window, now).await?;
    if let Some(pending) = store::find_pending(conn, user_id).await? {
        marked.pending = pending;
        return Ok(marked);
    }
    if let Some(clinic) = marked.alone_at.first() {
        return Err(MarkError::LastAdministrator(*clinic));
    }
    store::insert_pending(conn, &marked.pending).await?;
    for place in &marked.places {
        call_off(conn, clocks, place, marked.pending.erase_at).await?;
    }
    enter(conn, Scope::User(user_id)).await?;
    for place in &marked.places {
        audit::record(conn, clocks, entry(place, user_id, "login.delete")).await?;
    }
    calendar::store::delete_feeds_of(conn, user_id, None).await?;
    devices::store::delete_devices_of(conn, user_id).await?;
    logins::delete_reset_codes(conn, user_id, None).await?;
    logins::end_sessions(conn, user_id, None, EndedBecause::Deletion, now).await?;
    logins::call_back_tokens(conn, user_id, now).await?;
    Ok(marked)
}

/// Calls off what the person is owed at one clinic, under the lock that everybody holds who plans for them, and writes down until when the record is kept.
async fn call_off(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    place: &Place,
    erase_at: DateTime<Utc>,
) -> Result<(), MarkError> {
    let (clinic_id, now) = (place.clinic_id, clocks.care.now());
    enter(conn, Scope::Clinic(clinic_id)).await?;
    if let Some(patient_id) = place.patient_id {
        patients::store::lock_patient(conn, clinic_id, patient_id).await?;
        let purge_at = kept_until(erase_at, place.retention_years);
        store::update_promise(conn, clinic_id, patient_id, Some(purge_at)).await?;
        queue::call_off(conn, clinic_id, patient_id, now).await?;
    }
    queue::call_off(conn, clinic_id, place.membership_id, now).await?;
    if place.role != Role::Patient.as_str() {
        // Whoever was to be told of a flag is not told any more: the next are asked for.
        escalation::hasten(conn, clinic_id, now).await?;
    }
    Ok(())
}

/// What the person did to their own login, for the trail of a clinic.
pub(super) fn entry(place: &Place, user_id: Uuid, action: &'static str) -> Entry {
    Entry {
        clinic_id: place.clinic_id,
        actor_id: Some(user_id),
        actor_role: place.role.parse::<Role>().map_or("patient", Role::as_str),
        action,
        subject_kind: "user",
        subject_id: user_id,
        patient_id: place.patient_id,
    }
}
