//! What a plan is made of, read in as few statements as can be: the person under lock, then the running treatments.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use diesel::sql_types::{Array, Bool, Date, Int4, Nullable, Text, Time, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::db::lock::read_locked;

/// The person, as stored.
#[derive(Debug, Clone, Queryable)]
pub(super) struct PersonRow {
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

hot_query! {
    struct LockPerson {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
    }
    returns (
        Nullable<SqlUuid>, Nullable<Timestamptz>, Int4, Array<Text>, Array<Timestamptz>, Time, Time, Nullable<Time>,
        Array<Text>, Bool, Text,
    );
    ", locked AS (
        UPDATE patients SET plan_revision = plan_revision + 1 WHERE clinic_id = $1 AND id = $2 RETURNING *
    )
    SELECT p.user_id, p.linked_at, p.plan_revision,
           (SELECT coalesce(array_agg(z.zone ORDER BY z.valid_from), ARRAY[p.time_zone]) FROM patient_zones AS z
             WHERE z.clinic_id = p.clinic_id AND z.patient_id = p.id),
           (SELECT coalesce(array_agg(z.valid_from ORDER BY z.valid_from), ARRAY[p.created_at]) FROM patient_zones AS z
             WHERE z.clinic_id = p.clinic_id AND z.patient_id = p.id),
           coalesce(n.quiet_from, c.quiet_from), coalesce(n.quiet_to, c.quiet_to), n.preferred_time,
           coalesce(n.categories_off, '{}'), coalesce(n.paused, false), c.default_protocol
      FROM locked AS p
      JOIN clinics AS c ON c.id = p.clinic_id
      LEFT JOIN notification_preferences AS n ON n.user_id = p.user_id"
}

/// The person of a patient whose row is locked already; counts the plan that is about to be made.
pub(super) async fn find_locked_person(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
) -> QueryResult<PersonRow> {
    LockPerson { clinic, patient }.get_result(conn).await
}

/// Takes the patient's row, so that no other plan of this person is made meanwhile.
pub(super) async fn lock_person(conn: &mut AsyncPgConnection, clinic: Uuid, patient: Uuid) -> QueryResult<PersonRow> {
    read_locked(conn, clinic, patient, async |conn| LockPerson { clinic, patient }.get_result(conn).await).await
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
    /// Tasks that are done or skipped.
    pub settled_tasks: Vec<Uuid>,
    /// When check-ins were recorded.
    pub checked_in_at: Vec<DateTime<Utc>>,
    /// When flags of level soon or above were opened.
    pub held_from: Vec<DateTime<Utc>>,
    /// When they were resolved.
    pub held_to: Vec<Option<DateTime<Utc>>>,
    /// A later treatment of the same person is registered.
    pub course_continued: bool,
}

hot_query! {
    struct ListRunning {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
    }
    returns (
        SqlUuid, SqlUuid, Timestamptz, Date, Timestamptz, Array<SqlUuid>, Array<Timestamptz>, Array<Timestamptz>,
        Array<Nullable<Timestamptz>>, Bool,
    );
    ", t AS (
        UPDATE treatments SET plan_revision = plan_revision + 1
         WHERE clinic_id = $1 AND patient_id = $2 AND status IN ('unconfirmed', 'active')
        RETURNING *
    )
    SELECT t.id, t.protocol_version_id, t.performed_at, t.anchor_on, t.counts_from,
           coalesce((SELECT array_agg(latest.task_id) FROM (
               SELECT DISTINCT ON (o.task_id) o.task_id, o.kind FROM outcomes AS o
                WHERE o.clinic_id = t.clinic_id AND o.treatment_id = t.id
                ORDER BY o.task_id, o.recorded_at DESC, o.id DESC) AS latest
             WHERE latest.kind <> 'undone'), '{}'),
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
                      AND later.status <> 'cancelled' AND later.performed_at > t.performed_at)
      FROM t
     ORDER BY t.performed_at, t.id"
}

/// The patient's running treatments in order of time; counts the replan on each.
pub(super) async fn list_running(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
) -> QueryResult<Vec<Running>> {
    ListRunning { clinic, patient }.load(conn).await
}
