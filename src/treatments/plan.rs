//! Registering a treatment, in one transaction: the patient's plan is locked, the treatment is written, everything the
//! person is owed is planned anew, the deed is recorded.

use chrono::{DateTime, NaiveDate, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::course::{find_course, sessions};
use super::details::Details;
use super::refusal::TreatmentError;
use super::store::{self, Treatment};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::courses::store::Course;
use crate::db::{Lock, Scope};
use crate::domain::protocol::ProtocolVersion;
use crate::domain::role::Role;
use crate::idempotency::KeyedRequest;
use crate::planning::{self, Person, Tools};
use crate::protocols::Published;

/// A treatment to be registered.
#[derive(Debug, Clone)]
pub struct NewTreatment {
    /// Chosen by the caller.
    pub id: Option<Uuid>,
    /// Who was treated.
    pub patient_id: Uuid,
    /// Chosen by staff; otherwise that of the course, otherwise the clinic's default.
    pub protocol: Option<String>,
    /// What was done.
    pub details: Details,
    /// A second one of the same area within a day is meant.
    pub allow_duplicate: bool,
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
        .scoped_under(Scope::Clinic(caller.clinic_id), Lock::Patient(caller.clinic_id, new.patient_id), async |conn| {
            if let Some(before) = key.begin(conn, id, tools.clocks.wall.now()).await? {
                let there = store::find_treatment(conn, caller.clinic_id, before).await?;
                return looked_at(conn, tools, caller, there).await;
            }
            let person = planning::locked(conn, caller.clinic_id, new.patient_id).await?;
            let course = find_course(conn, &new, caller.clinic_id, &person.open_courses).await?;
            let published = protocol(conn, tools, &person, new.protocol.as_deref(), course.as_ref()).await?;
            let treatment = draft(caller, &published, &person, course.as_ref(), id, &new, now)?;
            check_clinician(conn, caller, new.details.clinician_id).await?;
            match store::insert_unless_there(conn, &treatment, !new.allow_duplicate).await? {
                store::Inserted::New => {}
                store::Inserted::Neighbour => return Err(TreatmentError::Duplicate),
                store::Inserted::TooMany => return Err(TreatmentError::TooMany),
                store::Inserted::IdTaken => {
                    let there = replayed(conn, &treatment).await?;
                    return looked_at(conn, tools, caller, there).await;
                }
            }
            sessions::count(conn, caller.clinic_id, treatment.course_id).await?;
            person.replan(conn, tools.catalogue, now).await?;
            let entry = Entry::by(caller, "treatment.create", "treatment", treatment.id).about(treatment.patient_id);
            audit::record(conn, tools.clocks, entry).await?;
            if treatment.course_id.is_some() {
                return Ok(store::find_treatment(conn, caller.clinic_id, id).await?);
            }
            // The plan counted itself on the stored row.
            Ok(Treatment { plan_revision: treatment.plan_revision.saturating_add(1), ..treatment })
        })
        .await
}

/// One that is only answered: without an entry this would be a way to read it unseen.
pub(super) async fn looked_at(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    caller: &Caller,
    there: Treatment,
) -> Result<Treatment, TreatmentError> {
    let entry = Entry::by(caller, "treatment.read", "treatment", there.id).about(there.patient_id);
    audit::record(conn, tools.clocks, entry).await?;
    Ok(there)
}

/// What the treatment follows: what staff chose, else what its course says, else the clinic's default. A course goes on
/// by the default where its own protocol was withdrawn since: nobody can choose for a patient who registers at home.
async fn protocol(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    person: &Person,
    chosen: Option<&str>,
    course: Option<&Course>,
) -> Result<Published, TreatmentError> {
    let of_course = course.map(|course| course.protocol_key.as_str()).filter(|_| chosen.is_none());
    let default = Some(person.default_protocol.as_str()).filter(|_| chosen.is_none());
    for key in [chosen, of_course, default].into_iter().flatten() {
        if let Some(found) = tools.catalogue.newest(conn, person.clinic_id, key, &person.withdrawn).await? {
            return Ok(found);
        }
    }
    Err(NO_PROTOCOL)
}

/// The id is in use: by the same request sent again, or by something else.
async fn replayed(conn: &mut AsyncPgConnection, wanted: &Treatment) -> Result<Treatment, TreatmentError> {
    let there = store::find_treatment(conn, wanted.clinic_id, wanted.id).await?;
    let same = there.patient_id == wanted.patient_id
        && there.created_by == wanted.created_by
        && there.performed_at == wanted.performed_at;
    if same { Ok(there) } else { Err(TreatmentError::IdTaken) }
}

const NO_PROTOCOL: TreatmentError =
    TreatmentError::Invalid { pointer: "/protocol", detail: "is not a protocol of this clinic" };

fn draft(
    caller: &Caller,
    published: &Published,
    person: &Person,
    course: Option<&Course>,
    id: Uuid,
    new: &NewTreatment,
    now: DateTime<Utc>,
) -> Result<Treatment, TreatmentError> {
    let details = &new.details;
    check_fit(&published.version, details)?;
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
        moved_at: None,
        protocol_version_id: published.id,
        protocol_reason: details.protocol_reason.clone(),
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
        course_id: course.map(|course| course.id),
    })
}

/// Day index 0: the patient's local date at T0, as it is known now.
pub(super) fn anchor(person: &Person, performed_at: DateTime<Utc>) -> NaiveDate {
    person.zones.date(performed_at)
}

/// A protocol is followed where it was written for, or where staff say why elsewhere.
pub(super) fn check_fit(version: &ProtocolVersion, details: &Details) -> Result<(), TreatmentError> {
    let applies = &version.structure.applies_to;
    let unfit = |pointer| TreatmentError::Invalid {
        pointer,
        detail: "the protocol was not written for this; a clinician may give protocol_reason",
    };
    match details.protocol_reason {
        Some(_) => Ok(()),
        None if !applies.areas.contains(&details.area) => Err(unfit("/area")),
        None if !applies.modalities.contains(&details.modality) => Err(unfit("/modality")),
        None => Ok(()),
    }
}

pub(super) async fn check_clinician(
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
