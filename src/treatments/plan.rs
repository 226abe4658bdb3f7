//! Registering and changing treatments. Each use case is one transaction: the patient's plan is locked, the treatment is
//! written, everything the person is owed is planned anew, the deed is recorded.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, Treatment};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};
use crate::domain::role::Role;
use crate::idempotency::{IdempotencyError, KeyedRequest};
use crate::planning::{self, Person, PlanningError};
use crate::protocols::Catalogue;

/// How far back a treatment may be recorded.
pub const OLDEST: TimeDelta = TimeDelta::days(180);
/// How far a phone's clock may run ahead.
pub const SKEW: TimeDelta = TimeDelta::minutes(5);

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum TreatmentError {
    /// There is no such treatment or patient, or it is not the caller's.
    #[error("not found")]
    NotFound,
    /// The id is another treatment's.
    #[error("the id is taken")]
    IdTaken,
    /// The patient already has one of this area within a day.
    #[error("duplicate")]
    Duplicate,
    /// The clinic has confirmed it, so the patient's app may not change it.
    #[error("confirmed by the clinic")]
    Confirmed,
    /// It was completed or cancelled.
    #[error("the treatment has ended")]
    Ended,
    /// The caller saw another version.
    #[error("the treatment has changed")]
    Changed,
    /// A value does not fit what is there.
    #[error("{pointer}: {detail}")]
    Invalid {
        /// JSON pointer.
        pointer: &'static str,
        /// What is wrong.
        detail: &'static str,
    },
    /// The idempotency key.
    #[error(transparent)]
    Key(#[from] IdempotencyError),
    /// Planning failed.
    #[error(transparent)]
    Planning(PlanningError),
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for TreatmentError {
    fn from(error: diesel::result::Error) -> Self {
        match error {
            diesel::result::Error::NotFound => Self::NotFound,
            error => Self::Db(error.into()),
        }
    }
}

impl From<PlanningError> for TreatmentError {
    fn from(error: PlanningError) -> Self {
        match error {
            PlanningError::NoPatient => Self::NotFound,
            PlanningError::Db(error) => Self::Db(error),
            error => Self::Planning(error),
        }
    }
}

/// What is recorded of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// T0.
    pub performed_at: DateTime<Utc>,
    /// Treated area.
    pub area: String,
    /// Plain microneedling or a combination.
    pub modality: String,
    /// Device used.
    pub device: Option<String>,
    /// Needle depth in micrometres.
    pub needle_depth_um: Option<i32>,
    /// Products used.
    pub products: Vec<String>,
    /// Which session of the course it was.
    pub session_number: Option<i32>,
    /// Membership of the treating clinician.
    pub clinician_id: Option<Uuid>,
    /// The clinic's notes.
    pub notes: Option<String>,
}

impl Details {
    /// What is recorded of a stored treatment.
    pub fn of(treatment: &Treatment) -> Self {
        Self {
            performed_at: treatment.performed_at,
            area: treatment.area.clone(),
            modality: treatment.modality.clone(),
            device: treatment.device.clone(),
            needle_depth_um: treatment.needle_depth_um,
            products: treatment.products.clone(),
            session_number: treatment.session_number,
            clinician_id: treatment.clinician_id,
            notes: treatment.notes.clone(),
        }
    }
}

/// A treatment to be registered.
#[derive(Debug, Clone)]
pub struct NewTreatment {
    /// Chosen by the caller.
    pub id: Option<Uuid>,
    /// Who was treated.
    pub patient_id: Uuid,
    /// Chosen by staff; otherwise the clinic's default.
    pub protocol: Option<String>,
    /// Why a protocol is used outside what it was written for.
    pub protocol_reason: Option<String>,
    /// What was done.
    pub details: Details,
    /// A second one of the same area within a day is meant.
    pub allow_duplicate: bool,
}

/// What the use cases need.
#[derive(Debug, Clone, Copy)]
pub struct Tools<'a> {
    /// The database.
    pub db: &'a Db,
    /// The time.
    pub clocks: &'a Clocks,
    /// Protocol versions.
    pub catalogue: &'a Catalogue,
}

/// Registers a treatment and everything it owes. A request sent again finds what the first one made.
pub async fn create(
    tools: Tools<'_>,
    caller: &Caller,
    key: KeyedRequest,
    new: NewTreatment,
) -> Result<Treatment, TreatmentError> {
    let now = tools.clocks.care.now();
    let id = new.id.unwrap_or_else(|| tools.clocks.fresh_id());
    tools
        .db
        .scoped(Scope::Patient { clinic_id: caller.clinic_id, patient_id: new.patient_id }, async |conn| {
            if let Some(before) = key.begin_as(conn, id, tools.clocks.wall.now()).await? {
                return Ok(store::find_treatment(conn, caller.clinic_id, before).await?);
            }
            let person = planning::locked(conn, caller.clinic_id, new.patient_id).await?;
            let treatment = draft(tools, caller, &person, id, &new, now)?;
            check_clinician(conn, caller, new.details.clinician_id).await?;
            match store::insert_unless_there(conn, &treatment, !new.allow_duplicate).await? {
                store::Inserted::New => {}
                store::Inserted::Neighbour => return Err(TreatmentError::Duplicate),
                store::Inserted::IdTaken => return replayed(conn, &treatment).await,
            }
            person.replan(conn, tools.catalogue, now).await?;
            let entry = Entry::by(caller, "treatment.create", "treatment", treatment.id).about(treatment.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            // The plan counted itself on the stored row.
            Ok(Treatment { plan_revision: treatment.plan_revision.saturating_add(1), ..treatment })
        })
        .await
}

/// The id is in use: by the same request sent again, or by something else.
async fn replayed(conn: &mut AsyncPgConnection, wanted: &Treatment) -> Result<Treatment, TreatmentError> {
    let there = store::find_treatment(conn, wanted.clinic_id, wanted.id).await?;
    let same = there.patient_id == wanted.patient_id
        && there.created_by == wanted.created_by
        && there.performed_at == wanted.performed_at;
    if same { Ok(there) } else { Err(TreatmentError::IdTaken) }
}

fn draft(
    tools: Tools<'_>,
    caller: &Caller,
    person: &Person,
    id: Uuid,
    new: &NewTreatment,
    now: DateTime<Utc>,
) -> Result<Treatment, TreatmentError> {
    let key = new.protocol.as_deref().unwrap_or(&person.default_protocol);
    let no_protocol = TreatmentError::Invalid { pointer: "/protocol", detail: "is not a protocol of this clinic" };
    let published = tools.catalogue.latest(key).ok_or(no_protocol)?;
    let details = &new.details;
    let applies = &published.version.structure.applies_to;
    if new.protocol_reason.is_none() {
        let unfit = |pointer| TreatmentError::Invalid {
            pointer,
            detail: "the protocol was not written for this; a clinician may give protocol_reason",
        };
        if !applies.areas.contains(&details.area) {
            return Err(unfit("/area"));
        }
        if !applies.modalities.contains(&details.modality) {
            return Err(unfit("/modality"));
        }
    }
    let by_staff = caller.role.is_staff();
    Ok(Treatment {
        clinic_id: caller.clinic_id,
        id,
        patient_id: new.patient_id,
        clinician_id: details.clinician_id.or((caller.role == Role::Clinician).then_some(caller.membership_id)),
        status: if by_staff { "active" } else { "unconfirmed" }.to_owned(),
        performed_at: details.performed_at,
        anchor_on: anchor(person, details.performed_at),
        counts_from: now,
        protocol_version_id: published.id,
        area: details.area.clone(),
        modality: details.modality.clone(),
        device: details.device.clone(),
        needle_depth_um: details.needle_depth_um,
        products: details.products.clone(),
        session_number: details.session_number,
        notes: details.notes.clone(),
        version: 1,
        plan_revision: 0,
        activity: 0,
        done_w: 0,
        on_time_w: 0,
        created_by: caller.user_id,
        created_at: now,
        confirmed_at: by_staff.then_some(now),
        ended_at: None,
    })
}

/// Day index 0: the patient's local date at T0, as it is known now.
fn anchor(person: &Person, performed_at: DateTime<Utc>) -> NaiveDate {
    person.zones.date(performed_at)
}

async fn check_clinician(
    conn: &mut AsyncPgConnection,
    caller: &Caller,
    clinician: Option<Uuid>,
) -> Result<(), TreatmentError> {
    match clinician {
        Some(id) if id != caller.membership_id && !store::is_staff(conn, caller.clinic_id, id).await? => {
            Err(TreatmentError::Invalid { pointer: "/clinician_id", detail: "is not a member of this clinic's staff" })
        }
        _ => Ok(()),
    }
}

/// What becomes of a treatment.
#[derive(Debug, Clone)]
pub enum Change {
    /// Other details; another `performed_at` moves the whole plan.
    Edit(Box<Details>),
    /// The clinic says that it was so.
    Confirm,
    /// The plan is over.
    Complete,
    /// It never was, or is not to be followed.
    Cancel,
}

impl Change {
    fn action(&self) -> &'static str {
        match self {
            Self::Edit(_) => "treatment.update",
            Self::Confirm => "treatment.confirm",
            Self::Complete => "treatment.complete",
            Self::Cancel => "treatment.cancel",
        }
    }
}

/// Changes a treatment of which the caller saw `seen` (any version, where absent).
pub async fn change(
    tools: Tools<'_>,
    caller: &Caller,
    id: Uuid,
    seen: Option<i32>,
    change: Change,
) -> Result<Treatment, TreatmentError> {
    let now = tools.clocks.care.now();
    tools
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            let found = store::find_treatment(conn, caller.clinic_id, id).await?;
            let person = planning::lock(conn, caller.clinic_id, found.patient_id).await?;
            let before = store::find_treatment(conn, caller.clinic_id, id).await?;
            permit(caller, &before)?;
            if seen.is_some_and(|seen| seen != before.version) {
                return Err(TreatmentError::Changed);
            }
            let Some(after) = apply(before.clone(), &person, &change, now)? else { return Ok(before) };
            if let Change::Edit(details) = &change {
                check_clinician(conn, caller, details.clinician_id).await?;
            }
            store::update_treatment(conn, &after).await?;
            person.replan(conn, tools.catalogue, now).await?;
            let entry = Entry::by(caller, change.action(), "treatment", id).about(after.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            Ok(store::find_treatment(conn, caller.clinic_id, id).await?)
        })
        .await
}

/// Staff may change any treatment of the clinic; a patient's app only its own that the clinic has not confirmed.
fn permit(caller: &Caller, treatment: &Treatment) -> Result<(), TreatmentError> {
    match caller.role {
        Role::Clinician | Role::Administrator => Ok(()),
        Role::Patient if caller.patient_id != Some(treatment.patient_id) => Err(TreatmentError::NotFound),
        Role::Patient if treatment.status == "unconfirmed" => Ok(()),
        Role::Patient => Err(TreatmentError::Confirmed),
    }
}

/// The treatment after the change; `None` where nothing changes.
fn apply(
    mut treatment: Treatment,
    person: &Person,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<Option<Treatment>, TreatmentError> {
    let done = match change {
        Change::Complete => treatment.status == "completed",
        Change::Cancel => treatment.status == "cancelled",
        Change::Confirm => treatment.status == "active",
        Change::Edit(details) => **details == Details::of(&treatment),
    };
    if done {
        return Ok(None);
    }
    if !treatment.is_running() {
        return Err(TreatmentError::Ended);
    }
    match change {
        Change::Edit(details) => {
            if treatment.performed_at != details.performed_at {
                treatment.performed_at = details.performed_at;
                treatment.anchor_on = anchor(person, details.performed_at);
            }
            treatment.area.clone_from(&details.area);
            treatment.modality.clone_from(&details.modality);
            treatment.device.clone_from(&details.device);
            treatment.needle_depth_um = details.needle_depth_um;
            treatment.products.clone_from(&details.products);
            treatment.session_number = details.session_number;
            treatment.clinician_id = details.clinician_id;
            treatment.notes.clone_from(&details.notes);
        }
        Change::Confirm => {
            "active".clone_into(&mut treatment.status);
            treatment.confirmed_at = Some(now);
        }
        Change::Complete => end(&mut treatment, "completed", now),
        Change::Cancel => end(&mut treatment, "cancelled", now),
    }
    treatment.version += 1;
    Ok(Some(treatment))
}

fn end(treatment: &mut Treatment, status: &str, now: DateTime<Utc>) {
    status.clone_into(&mut treatment.status);
    treatment.ended_at = Some(now);
}
