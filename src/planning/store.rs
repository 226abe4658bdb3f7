//! What a plan is made of, read in as few statements as can be: the person under lock, then the running treatments.

mod running;

use chrono::{DateTime, NaiveTime, Utc};
use diesel::sql_types::{Array, Bool, Int4, Int8, Jsonb, Nullable, Text, Time, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::db::lock::read_locked;
use crate::domain::tally::Tally;

pub use running::Running;
pub(super) use running::{list_running, list_treatments};

/// The person, as stored.
#[derive(Debug, Clone, Queryable)]
pub(super) struct PersonRow {
    pub(super) patient_id: Uuid,
    pub(super) user_id: Option<Uuid>,
    pub(super) linked_at: Option<DateTime<Utc>>,
    pub(super) plan_revision: i32,
    pub(super) zones: Vec<String>,
    pub(super) valid_from: Vec<DateTime<Utc>>,
    pub(super) quiet_from: NaiveTime,
    pub(super) quiet_to: NaiveTime,
    pub(super) preferred_time: Option<NaiveTime>,
    pub(super) categories_off: Vec<String>,
    pub(super) paused: bool,
    pub(super) default_protocol: String,
    pub(super) appointments: Vec<Uuid>,
    pub(super) appointment_kinds: Vec<String>,
    pub(super) appointment_courses: Vec<Option<Uuid>>,
    pub(super) appointments_at: Vec<DateTime<Utc>>,
    pub(super) appointments_set: Vec<bool>,
    pub(super) announced_no: Vec<i32>,
    pub(super) announced_at: Vec<DateTime<Utc>>,
    pub(super) open_courses: Vec<String>,
    pub(super) withdrawn: Vec<Uuid>,
}

/// From the patient that a condition picks to a whole row; the plan about to be made is counted.
macro_rules! person_sql {
    ($patient:literal) => {
        person_sql!(
            from concat!(
                "UPDATE patients SET plan_revision = plan_revision + 1 WHERE clinic_id = $1 AND id = ",
                $patient,
                " RETURNING *"
            )
        )
    };
    (from $patients:expr) => {
        concat!(
            ", locked AS (",
            $patients,
            ")
            SELECT p.id, p.user_id, p.linked_at, p.plan_revision,
                   (SELECT coalesce(array_agg(z.zone ORDER BY z.valid_from), ARRAY[p.time_zone])
                      FROM patient_zones AS z WHERE z.clinic_id = p.clinic_id AND z.patient_id = p.id),
                   (SELECT coalesce(array_agg(z.valid_from ORDER BY z.valid_from), ARRAY[p.created_at])
                      FROM patient_zones AS z WHERE z.clinic_id = p.clinic_id AND z.patient_id = p.id),
                   coalesce(n.quiet_from, c.quiet_from), coalesce(n.quiet_to, c.quiet_to), n.preferred_time,
                   coalesce(n.categories_off, '{}'), coalesce(n.paused, false), c.default_protocol,
                   coalesce(a.ids, '{}'), coalesce(a.kinds, '{}'), coalesce(a.courses, '{}'), coalesce(a.at, '{}'),
                   coalesce(a.set, '{}'), coalesce(a.announced_no, '{}'), coalesce(a.announced_at, '{}'),
                   ARRAY(SELECT s.area FROM courses AS s
                          WHERE s.clinic_id = p.clinic_id AND s.patient_id = p.id AND s.ended_at IS NULL),
                   ARRAY(SELECT w.version_id FROM protocol_withdrawals AS w WHERE w.clinic_id = p.clinic_id)
              FROM locked AS p
              JOIN clinics AS c ON c.id = p.clinic_id
              LEFT JOIN notification_preferences AS n ON n.user_id = p.user_id
              LEFT JOIN LATERAL (
                  SELECT array_agg(a.id ORDER BY a.id) AS ids, array_agg(a.kind ORDER BY a.id) AS kinds,
                         array_agg(a.course_id ORDER BY a.id) AS courses, array_agg(a.starts_at ORDER BY a.id) AS at,
                         array_agg(a.status = 'set' ORDER BY a.id) AS set,
                         array_agg(a.announced_no ORDER BY a.id) AS announced_no,
                         array_agg(a.announced_at ORDER BY a.id) AS announced_at
                    FROM appointments AS a WHERE a.clinic_id = p.clinic_id AND a.patient_id = p.id
              ) AS a ON true"
        )
    };
}

hot_query! {
    struct LockPerson {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
    }
    returns (
        SqlUuid, Nullable<SqlUuid>, Nullable<Timestamptz>, Int4, Array<Text>, Array<Timestamptz>, Time, Time,
        Nullable<Time>, Array<Text>, Bool, Text, Array<SqlUuid>, Array<Text>, Array<Nullable<SqlUuid>>, Array<Timestamptz>,
        Array<Bool>, Array<Int4>, Array<Timestamptz>, Array<Text>, Array<SqlUuid>,
    );
    person_sql!("$2")
}

hot_query! {
    struct LockTreated {
        clinic: Uuid as SqlUuid,
        treatment: Uuid as SqlUuid,
    }
    returns (
        SqlUuid, Nullable<SqlUuid>, Nullable<Timestamptz>, Int4, Array<Text>, Array<Timestamptz>, Time, Time,
        Nullable<Time>, Array<Text>, Bool, Text, Array<SqlUuid>, Array<Text>, Array<Nullable<SqlUuid>>, Array<Timestamptz>,
        Array<Bool>, Array<Int4>, Array<Timestamptz>, Array<Text>, Array<SqlUuid>,
    );
    person_sql!("(SELECT t.patient_id FROM treatments AS t WHERE t.clinic_id = $1 AND t.id = $2)")
}

hot_query! {
    struct LookAtPerson {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
    }
    returns (
        SqlUuid, Nullable<SqlUuid>, Nullable<Timestamptz>, Int4, Array<Text>, Array<Timestamptz>, Time, Time,
        Nullable<Time>, Array<Text>, Bool, Text, Array<SqlUuid>, Array<Text>, Array<Nullable<SqlUuid>>, Array<Timestamptz>,
        Array<Bool>, Array<Int4>, Array<Timestamptz>, Array<Text>, Array<SqlUuid>,
    );
    person_sql!(from "SELECT * FROM patients WHERE clinic_id = $1 AND id = $2")
}

/// The person as they are; nothing is locked and no plan is counted.
pub(super) async fn find_person(conn: &mut AsyncPgConnection, clinic: Uuid, patient: Uuid) -> QueryResult<PersonRow> {
    LookAtPerson { clinic, patient }.get_result(conn).await
}

/// Takes the patient's row, so that no other plan of this person is made meanwhile, and counts the plan that is about to be
/// made.
pub(super) async fn lock_person(conn: &mut AsyncPgConnection, clinic: Uuid, patient: Uuid) -> QueryResult<PersonRow> {
    read_locked(conn, clinic, patient, async |conn| LockPerson { clinic, patient }.get_result(conn).await).await
}

/// The same where the row is locked already.
pub(super) async fn find_locked(mut conn: &AsyncPgConnection, clinic: Uuid, patient: Uuid) -> QueryResult<PersonRow> {
    LockPerson { clinic, patient }.get_result(&mut conn).await
}

/// The same for the patient of a treatment.
pub(super) async fn find_locked_of(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatment: Uuid,
) -> QueryResult<PersonRow> {
    LockTreated { clinic, treatment }.get_result(conn).await
}

hot_query! {
    struct UpdateTally {
        clinic: Uuid as SqlUuid,
        treatment: Uuid as SqlUuid,
        done_w: i64 as Int8,
        on_time_w: i64 as Int8,
        early_until: Vec<DateTime<Utc>> as Array<Timestamptz>,
        early_w: Vec<i64> as Array<Int8>,
    }
    returns SqlUuid;
    "UPDATE treatments SET done_w = $3, on_time_w = $4, early_until = $5, early_w = $6
      WHERE clinic_id = $1 AND id = $2 RETURNING id"
}

/// Writes what was done of a treatment's tasks.
pub(super) async fn update_tally(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatment: Uuid,
    tally: Tally,
) -> QueryResult<()> {
    let (early_until, early_w) = tally.early.into_iter().unzip();
    let update =
        UpdateTally { clinic, treatment, done_w: tally.done_w, on_time_w: tally.on_time_w, early_until, early_w };
    update.get_result::<Uuid>(conn).await?;
    Ok(())
}

/// A change of what a treatment follows.
#[derive(Debug, Queryable)]
pub(super) struct ChangeRow {
    pub(super) treatment_id: Uuid,
    pub(super) from_version_id: Uuid,
    pub(super) to_version_id: Uuid,
    pub(super) item_key: Option<String>,
    pub(super) change: Option<Value>,
    pub(super) reason: Option<String>,
    pub(super) changed_by: Uuid,
    pub(super) changed_at: DateTime<Utc>,
    pub(super) kept: Vec<Uuid>,
    /// Whether the treatment lies where it lay then. One that was moved to another day counts anew: what it followed
    /// before is over.
    pub(super) counts: bool,
}

hot_query! {
    struct ListChanges {
        clinic: Uuid as SqlUuid,
        treatments: Vec<Uuid> as Array<SqlUuid>,
    }
    returns (
        SqlUuid, SqlUuid, SqlUuid, Nullable<Text>, Nullable<Jsonb>, Nullable<Text>, SqlUuid, Timestamptz, Array<SqlUuid>,
        Bool,
    );
    "SELECT x.treatment_id, x.from_version_id, x.to_version_id, x.item_key, x.change, x.reason, x.changed_by, x.changed_at,
            x.kept, x.changed_at >= coalesce(t.moved_at, '-infinity')
       FROM treatment_changes AS x JOIN treatments AS t ON t.clinic_id = x.clinic_id AND t.id = x.treatment_id
      WHERE x.clinic_id = $1 AND x.treatment_id = ANY ($2)
      ORDER BY x.treatment_id, x.changed_at, x.id"
}

/// What was changed for treatments, in order of time.
pub(super) async fn list_changes(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatments: Vec<Uuid>,
) -> QueryResult<Vec<ChangeRow>> {
    ListChanges { clinic, treatments }.load(conn).await
}
