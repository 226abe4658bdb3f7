//! What a plan is made of, read in as few statements as can be: the person under lock, then the running treatments.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use diesel::sql_types::{Array, Bool, Date, Int4, Int8, Nullable, Text, Time, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::db::lock::read_locked;
use crate::domain::tally::Tally;

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
                   coalesce(n.categories_off, '{}'), coalesce(n.paused, false), c.default_protocol
              FROM locked AS p
              JOIN clinics AS c ON c.id = p.clinic_id
              LEFT JOIN notification_preferences AS n ON n.user_id = p.user_id"
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
        Nullable<Time>, Array<Text>, Bool, Text,
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
        Nullable<Time>, Array<Text>, Bool, Text,
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
        Nullable<Time>, Array<Text>, Bool, Text,
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

/// A running treatment with what planning needs to know of it.
#[derive(Debug, Clone, Queryable)]
pub struct Running {
    /// The treatment.
    pub id: Uuid,
    /// The pinned protocol version.
    pub protocol_version_id: Uuid,
    /// T0.
    pub performed_at: DateTime<Utc>,
    /// Day index 0.
    pub anchor_on: NaiveDate,
    /// When it was registered.
    pub counts_from: DateTime<Utc>,
    /// When it was last moved to another day: what was said before was said of other days.
    pub moved_at: Option<DateTime<Utc>>,
    /// Per task the latest entry,
    pub(super) outcome_ids: Vec<Uuid>,
    /// the task,
    pub(super) outcome_tasks: Vec<Uuid>,
    /// what it says,
    pub(super) outcome_kinds: Vec<String>,
    /// and when it was so.
    pub(super) outcome_at: Vec<DateTime<Utc>>,
    /// When check-ins were recorded.
    pub checked_in_at: Vec<DateTime<Utc>>,
    /// When flags of level soon or above were opened.
    pub held_from: Vec<DateTime<Utc>>,
    /// When they were resolved.
    pub held_to: Vec<Option<DateTime<Utc>>>,
    /// A later treatment of the same person is registered.
    pub course_continued: bool,
    /// What the row says of the weights that were done,
    pub(super) done_w: i64,
    /// of those on time,
    pub(super) on_time_w: i64,
    /// and of those whose time was not over: when it will be,
    pub(super) early_until: Vec<DateTime<Utc>>,
    /// and their weights.
    pub(super) early_w: Vec<i64>,
}

/// From the treatments that a statement picks to whole rows in order of time.
macro_rules! running_sql {
    ($treatments:literal) => {
        concat!(
            ", t AS (",
            $treatments,
            ")
        SELECT t.id, t.protocol_version_id, t.performed_at, t.anchor_on, t.counts_from, t.moved_at,
               coalesce(o.ids, '{}'), coalesce(o.tasks, '{}'), coalesce(o.kinds, '{}'), coalesce(o.at, '{}'),
               coalesce((SELECT array_agg(ci.recorded_at) FROM check_ins AS ci
                          WHERE ci.clinic_id = t.clinic_id AND ci.treatment_id = t.id), '{}'),
               coalesce((SELECT array_agg(f.opened_at ORDER BY f.opened_at, f.id) FROM flags AS f
                          WHERE f.clinic_id = t.clinic_id AND f.treatment_id = t.id
                            AND f.level IN ('soon', 'urgent', 'emergency')), '{}'),
               coalesce((SELECT array_agg(f.resolved_at ORDER BY f.opened_at, f.id) FROM flags AS f
                          WHERE f.clinic_id = t.clinic_id AND f.treatment_id = t.id
                            AND f.level IN ('soon', 'urgent', 'emergency')), '{}'),
               EXISTS (SELECT 1 FROM treatments AS later
                        WHERE later.clinic_id = t.clinic_id AND later.patient_id = t.patient_id
                          AND later.status <> 'cancelled' AND later.performed_at > t.performed_at),
               t.done_w, t.on_time_w, t.early_until, t.early_w
          FROM t
          LEFT JOIN LATERAL (
              SELECT array_agg(l.id) AS ids, array_agg(l.task_id) AS tasks, array_agg(l.kind) AS kinds,
                     array_agg(l.recorded_at) AS at
                FROM (SELECT DISTINCT ON (o.task_id) o.id, o.task_id, o.kind, o.recorded_at FROM outcomes AS o
                       WHERE o.clinic_id = t.clinic_id AND o.treatment_id = t.id
                         AND o.recorded_at >= coalesce(t.moved_at, '-infinity')
                       ORDER BY o.task_id, o.recorded_at DESC, o.id DESC) AS l
          ) AS o ON true
         ORDER BY t.performed_at, t.id"
        )
    };
}

hot_query! {
    struct ListRunning {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
    }
    returns (
        SqlUuid, SqlUuid, Timestamptz, Date, Timestamptz, Nullable<Timestamptz>, Array<SqlUuid>, Array<SqlUuid>, Array<Text>,
        Array<Timestamptz>, Array<Timestamptz>, Array<Timestamptz>, Array<Nullable<Timestamptz>>, Bool, Int8, Int8,
        Array<Timestamptz>, Array<Int8>,
    );
    running_sql!(
        "UPDATE treatments SET plan_revision = plan_revision + 1
          WHERE clinic_id = $1 AND patient_id = $2 AND status IN ('unconfirmed', 'active') RETURNING *"
    )
}

hot_query! {
    struct LookAtTreatments {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
        statuses: Vec<String> as Array<Text>,
    }
    returns (
        SqlUuid, SqlUuid, Timestamptz, Date, Timestamptz, Nullable<Timestamptz>, Array<SqlUuid>, Array<SqlUuid>, Array<Text>,
        Array<Timestamptz>, Array<Timestamptz>, Array<Timestamptz>, Array<Nullable<Timestamptz>>, Bool, Int8, Int8,
        Array<Timestamptz>, Array<Int8>,
    );
    running_sql!("SELECT * FROM treatments WHERE clinic_id = $1 AND patient_id = $2 AND status = ANY ($3)")
}

/// The patient's treatments of these statuses in order of time; nothing is locked and no plan is counted.
pub(super) async fn list_treatments(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    statuses: &[&str],
) -> QueryResult<Vec<Running>> {
    let statuses = statuses.iter().map(|status| (*status).to_owned()).collect();
    LookAtTreatments { clinic, patient, statuses }.load(conn).await
}

/// The patient's running treatments in order of time; counts the replan on each.
pub(super) async fn list_running(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
) -> QueryResult<Vec<Running>> {
    ListRunning { clinic, patient }.load(conn).await
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
