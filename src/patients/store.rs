//! SQL over `patients` and `patient_zones`. The clinic is always the first thing asked for.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use diesel::dsl::array;
use diesel::prelude::*;
use diesel::sql_types::{Int8, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::db::lock::read_locked;
use crate::domain::local_time::ZoneHistory;
use crate::domain::preferences::ZoneMode;
use crate::schema::{clinics, notification_preferences as prefs, patient_zones, patients};

/// A patient's record.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = patients)]
pub struct Patient {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// The login behind the record, once an invitation was accepted.
    pub user_id: Option<Uuid>,
    /// The person's name as the clinic writes it.
    pub display_name: String,
    /// IANA home zone.
    pub time_zone: String,
    /// Language tag.
    pub locale: String,
    /// The clinic's own file number.
    pub reference: Option<String>,
    /// How the clinic reaches the person.
    pub phone: Option<String>,
    /// When the invitation was accepted (care clock).
    pub linked_at: Option<DateTime<Utc>>,
    /// Counts replans of everything this person is owed.
    pub plan_revision: i32,
    /// Counts edits; the strong ETag.
    pub version: i32,
    /// Who made the record.
    pub created_by: Option<Uuid>,
    /// When (care clock).
    pub created_at: DateTime<Utc>,
    /// When the person erased the login behind it, or its time was over; it is read-only since (wall clock).
    pub detached_at: Option<DateTime<Utc>>,
    /// When it goes, once nobody stands behind it (wall clock).
    pub purge_at: Option<DateTime<Utc>>,
}

/// A record to be made. Without zone or locale it gets the clinic's.
#[derive(Debug, Clone)]
pub struct NewPatient {
    /// The record's id.
    pub id: Uuid,
    /// The person's name as the clinic writes it.
    pub display_name: String,
    /// IANA home zone.
    pub time_zone: Option<String>,
    /// Language tag.
    pub locale: Option<String>,
    /// The clinic's own file number.
    pub reference: Option<String>,
    /// How the clinic reaches the person.
    pub phone: Option<String>,
    /// Who makes the record; absent for the server's operator.
    pub created_by: Option<Uuid>,
}

/// A patient whose row is locked until the transaction ends, and where the person is.
#[derive(Debug, Clone)]
pub struct LockedPatient {
    /// The record.
    pub patient: Patient,
    /// Where the person was, and since when.
    pub zones: ZoneHistory,
    /// The last change of zone; absent while there is only the zone that the record began with.
    pub zone_changed_at: Option<DateTime<Utc>>,
    /// Whether the person's days follow the phone.
    pub zone_mode: ZoneMode,
}

/// One patient of the clinic.
pub async fn find_patient(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Patient> {
    patients::table.find((clinic_id, id)).select(Patient::as_select()).first(conn).await
}

hot_query! {
    struct MyRecords { user: Uuid as SqlUuid }
    returns (SqlUuid, SqlUuid);
    "SELECT clinic_id, patient_id FROM my_records() WHERE $1 = scope_user() ORDER BY 1, 2"
}

/// The records behind which this login stands, one per clinic, in the order in which they are to be locked.
pub async fn list_records_of(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Vec<(Uuid, Uuid)>> {
    MyRecords { user: user_id }.load(conn).await
}

/// Clinics that know a patient record by this id; one, unless somebody chose an id twice.
pub async fn list_clinics_of(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Vec<Uuid>> {
    patients::table.filter(patients::id.eq(id)).select(patients::clinic_id).order(patients::clinic_id).load(conn).await
}

type LockedRow = (Patient, Option<String>, Vec<DateTime<Utc>>, Vec<String>);

/// Locks the patient's row and reads where the person is, in one round trip.
pub async fn lock_patient(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<LockedPatient> {
    let of_patient = || patient_zones::clinic_id.eq(clinic_id).and(patient_zones::patient_id.eq(id));
    let zones = || patient_zones::table.filter(of_patient()).order(patient_zones::valid_from);
    let read = patients::table
        .find((clinic_id, id))
        .left_join(prefs::table.on(prefs::user_id.nullable().eq(patients::user_id)))
        .select((
            Patient::as_select(),
            prefs::zone_mode.nullable(),
            array::<Timestamptz, _>(zones().select(patient_zones::valid_from)),
            array::<Text, _>(zones().select(patient_zones::zone)),
        ));
    let row = read_locked(conn, clinic_id, id, async |conn| read.first::<LockedRow>(conn).await).await?;
    Ok(locked_patient(row))
}

fn locked_patient((patient, zone_mode, valid_from, zones): LockedRow) -> LockedPatient {
    let rows = zones.iter().zip(&valid_from).filter_map(|(zone, from)| Some((zone.parse::<Tz>().ok()?, *from)));
    // A zone can vanish from the zone data only with a new release of ours; the record's home zone then has to do.
    let home = patient.time_zone.parse().unwrap_or(Tz::UTC);
    LockedPatient {
        zones: ZoneHistory::from_rows(rows).unwrap_or(ZoneHistory::fixed(home)),
        zone_changed_at: valid_from.last().copied().filter(|_| valid_from.len() > 1),
        zone_mode: zone_mode.and_then(|word| word.parse().ok()).unwrap_or(ZoneMode::Device),
        patient,
    }
}

/// Makes a record, with its home zone as the first of its zones. `None` if the id is in use at this clinic.
pub async fn insert_patient(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    new: &NewPatient,
    now: DateTime<Utc>,
) -> QueryResult<Option<Patient>> {
    let (clinic_zone, clinic_locale): (String, String) =
        clinics::table.find(clinic_id).select((clinics::time_zone, clinics::locale)).first(conn).await?;
    let made = diesel::insert_into(patients::table)
        .values((
            patients::clinic_id.eq(clinic_id),
            patients::id.eq(new.id),
            patients::display_name.eq(&new.display_name),
            patients::time_zone.eq(new.time_zone.as_ref().unwrap_or(&clinic_zone)),
            patients::locale.eq(new.locale.as_ref().unwrap_or(&clinic_locale)),
            patients::reference.eq(&new.reference),
            patients::phone.eq(&new.phone),
            patients::plan_revision.eq(0),
            patients::version.eq(1),
            patients::created_by.eq(new.created_by),
            patients::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .returning(Patient::as_returning())
        .get_result(conn)
        .await
        .optional()?;
    if let Some(patient) = &made {
        insert_zone(conn, clinic_id, patient.id, &patient.time_zone, now).await?;
    }
    Ok(made)
}

/// Writes what an edit changed.
pub async fn update_patient(conn: &mut AsyncPgConnection, clinic_id: Uuid, patient: &Patient) -> QueryResult<()> {
    diesel::update(patients::table.find((clinic_id, patient.id)))
        .set((
            patients::display_name.eq(&patient.display_name),
            patients::time_zone.eq(&patient.time_zone),
            patients::locale.eq(&patient.locale),
            patients::reference.eq(&patient.reference),
            patients::phone.eq(&patient.phone),
            patients::version.eq(patient.version),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Puts a login behind a record that has none, and that then has no end; `false` if it has one already, is detached or there is no such record.
pub async fn update_link(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let unlinked = patients::table
        .find((clinic_id, id))
        .filter(patients::user_id.is_null())
        .filter(patients::detached_at.is_null());
    let linked = diesel::update(unlinked)
        .set((
            patients::user_id.eq(user_id),
            patients::linked_at.eq(now),
            patients::unlinked_at.eq(None::<DateTime<Utc>>),
            patients::purge_at.eq(None::<DateTime<Utc>>),
            patients::version.eq(patients::version + 1),
        ))
        .execute(conn)
        .await?;
    Ok(linked == 1)
}

hot_query! {
    /// A date that the person was told stays. One that stands there from an end before, since a server of the version before
    /// linked the record again, counts only where it is the later one.
    struct DeleteLink {
        clinic: Uuid as SqlUuid,
        user: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
        kept_until: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", unlinked AS (
        UPDATE patients SET user_id = NULL, linked_at = NULL, unlinked_at = $3,
               purge_at = CASE WHEN unlinked_at IS NULL THEN coalesce(purge_at, $4) ELSE greatest(purge_at, $4) END,
               version = version + 1
         WHERE clinic_id = $1 AND user_id = $2
        RETURNING 1
    )
    SELECT count(*) FROM unlinked"
}

/// Takes the login from behind its record at this clinic, if there is one; the record is kept until then, unless its person was
/// told another date.
pub async fn delete_link(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    user_id: Uuid,
    now: DateTime<Utc>,
    kept_until: DateTime<Utc>,
) -> QueryResult<()> {
    DeleteLink { clinic: clinic_id, user: user_id, now, kept_until }.get_result::<i64>(conn).await?;
    Ok(())
}

/// Notes that the person is in `zone` from `valid_from` on. The later word on the same instant counts.
pub async fn insert_zone(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Uuid,
    zone: &str,
    valid_from: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::insert_into(patient_zones::table)
        .values((
            patient_zones::clinic_id.eq(clinic_id),
            patient_zones::patient_id.eq(patient_id),
            patient_zones::valid_from.eq(valid_from),
            patient_zones::zone.eq(zone),
        ))
        .on_conflict((patient_zones::clinic_id, patient_zones::patient_id, patient_zones::valid_from))
        .do_update()
        .set(patient_zones::zone.eq(zone))
        .execute(conn)
        .await?;
    Ok(())
}
