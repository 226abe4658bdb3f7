//! A person's treatments as planning reads them.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::sql_types::{Array, Bool, Date, Int4, Int8, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::db::hot::hot_query;

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
    pub(in crate::planning) outcome_ids: Vec<Uuid>,
    /// the task,
    pub(in crate::planning) outcome_tasks: Vec<Uuid>,
    /// what it says,
    pub(in crate::planning) outcome_kinds: Vec<String>,
    /// and when it was so.
    pub(in crate::planning) outcome_at: Vec<DateTime<Utc>>,
    /// When check-ins were recorded,
    pub checked_in_at: Vec<DateTime<Utc>>,
    /// and their answers.
    pub(in crate::planning) answers: Vec<Value>,
    /// Clinicians' decisions: on which condition,
    pub(in crate::planning) decided_keys: Vec<String>,
    /// whether it has ended,
    pub(in crate::planning) decided_ended: Vec<bool>,
    /// and when that was decided.
    pub(in crate::planning) decided_at: Vec<DateTime<Utc>>,
    /// What the clinic excused.
    pub(in crate::planning) excused: Value,
    /// When flags of level soon or above were opened.
    pub held_from: Vec<DateTime<Utc>>,
    /// When they were resolved.
    pub held_to: Vec<Option<DateTime<Utc>>>,
    /// A later session of its course is registered, or where it has none any later treatment of the person.
    pub course_continued: bool,
    /// The course it is a session of,
    pub course_id: Option<Uuid>,
    /// its interval,
    pub(in crate::planning) interval_min_days: Option<i32>,
    /// from and to,
    pub(in crate::planning) interval_max_days: Option<i32>,
    /// and whether no further session is to come.
    pub(in crate::planning) course_over: bool,
    /// What the row says of the weights that were done,
    pub(in crate::planning) done_w: i64,
    /// of those on time,
    pub(in crate::planning) on_time_w: i64,
    /// and of those whose time was not over: when it will be,
    pub(in crate::planning) early_until: Vec<DateTime<Utc>>,
    /// and their weights.
    pub(in crate::planning) early_w: Vec<i64>,
    /// How often what it follows was changed.
    pub(in crate::planning) changes: i32,
    /// The clinic has recalled its version: nothing more is told by it.
    pub recalled: bool,
    /// It was completed and matters all the same: to the prompts of its course, or by its flags.
    pub(in crate::planning) at_rest: bool,
}

/// Completed treatments of which something is still owed: the last session of a course that is open.
macro_rules! asks_for_the_next {
    () => {
        "EXISTS (SELECT 1 FROM courses AS c WHERE c.clinic_id = treatments.clinic_id AND c.id = treatments.course_id
                    AND c.ended_at IS NULL)
         AND NOT EXISTS (SELECT 1 FROM treatments AS later
                          WHERE later.clinic_id = treatments.clinic_id AND later.patient_id = treatments.patient_id
                            AND later.course_id = treatments.course_id AND later.status <> 'cancelled'
                            AND later.performed_at > treatments.performed_at)"
    };
}

/// Treatments that were flagged: nothing is owed of completed ones, but they may hold back what others owe.
macro_rules! was_flagged {
    () => {
        "EXISTS (SELECT 1 FROM flags AS f WHERE f.clinic_id = treatments.clinic_id AND f.treatment_id = treatments.id
                    AND f.level IN ('soon', 'urgent', 'emergency'))"
    };
}

/// From the treatments that a statement picks to whole rows in order of time.
macro_rules! running_sql {
    ($($before:expr),*; $at_rest:literal, $($treatments:expr),+) => {
        concat!(
            $($before,)*
            ", t AS (",
            $($treatments),+,
            ")
        SELECT t.id, t.protocol_version_id, t.performed_at, t.anchor_on, t.counts_from, t.moved_at,
               coalesce(o.ids, '{}'), coalesce(o.tasks, '{}'), coalesce(o.kinds, '{}'), coalesce(o.at, '{}'),
               coalesce(ci.at, '{}'), coalesce(ci.answers, '{}'),
               coalesce(d.keys, '{}'), coalesce(d.ended, '{}'), coalesce(d.at, '{}'),
               coalesce((SELECT jsonb_agg(jsonb_build_object('item_key', e.item_key, 'seq', e.seq, 'from', e.from_on,
                                                             'to', e.to_on) ORDER BY e.from_on, e.id)
                           FROM excuses AS e WHERE e.clinic_id = t.clinic_id AND e.treatment_id = t.id), '[]'),
               coalesce((SELECT array_agg(f.opened_at ORDER BY f.opened_at, f.id) FROM flags AS f
                          WHERE f.clinic_id = t.clinic_id AND f.treatment_id = t.id
                            AND f.level IN ('soon', 'urgent', 'emergency')), '{}'),
               coalesce((SELECT array_agg(f.resolved_at ORDER BY f.opened_at, f.id) FROM flags AS f
                          WHERE f.clinic_id = t.clinic_id AND f.treatment_id = t.id
                            AND f.level IN ('soon', 'urgent', 'emergency')), '{}'),
               EXISTS (SELECT 1 FROM treatments AS later
                        WHERE later.clinic_id = t.clinic_id AND later.patient_id = t.patient_id
                          AND later.status <> 'cancelled' AND later.performed_at > t.performed_at
                          AND (t.course_id IS NULL OR later.course_id = t.course_id)),
               t.course_id, c.interval_min_days, c.interval_max_days,
               coalesce(c.ended_at IS NOT NULL OR t.session_number >= c.planned_sessions, false),
               t.done_w, t.on_time_w, t.early_until, t.early_w, t.changes,
               EXISTS (SELECT 1 FROM protocol_withdrawals AS w
                        WHERE w.clinic_id = t.clinic_id AND w.version_id = t.protocol_version_id
                          AND w.recalled_at IS NOT NULL), ", $at_rest, "
          FROM t
          LEFT JOIN LATERAL (
              SELECT array_agg(l.id) AS ids, array_agg(l.task_id) AS tasks, array_agg(l.kind) AS kinds,
                     array_agg(l.recorded_at) AS at
                FROM (SELECT DISTINCT ON (o.task_id) o.id, o.task_id, o.kind, o.recorded_at FROM outcomes AS o
                       WHERE o.clinic_id = t.clinic_id AND o.treatment_id = t.id
                         AND o.recorded_at >= coalesce(t.moved_at, '-infinity')
                       ORDER BY o.task_id, o.recorded_at DESC, o.id DESC) AS l
          ) AS o ON true
          LEFT JOIN LATERAL (
              SELECT array_agg(ci.recorded_at ORDER BY ci.recorded_at, ci.id) AS at,
                     array_agg(ci.symptoms ORDER BY ci.recorded_at, ci.id) AS answers
                FROM check_ins AS ci WHERE ci.clinic_id = t.clinic_id AND ci.treatment_id = t.id
          ) AS ci ON true
          LEFT JOIN LATERAL (
              SELECT array_agg(d.condition_key ORDER BY d.decided_at, d.id) AS keys,
                     array_agg(d.ended ORDER BY d.decided_at, d.id) AS ended,
                     array_agg(d.decided_at ORDER BY d.decided_at, d.id) AS at
                FROM condition_decisions AS d WHERE d.clinic_id = t.clinic_id AND d.treatment_id = t.id
                 AND d.decided_at >= coalesce(t.moved_at, '-infinity')
          ) AS d ON true
          LEFT JOIN courses AS c ON c.clinic_id = t.clinic_id AND c.id = t.course_id
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
        Array<Timestamptz>, Array<Timestamptz>, Array<Jsonb>, Array<Text>, Array<Bool>, Array<Timestamptz>,
        Jsonb, Array<Timestamptz>, Array<Nullable<Timestamptz>>, Bool, Nullable<SqlUuid>, Nullable<Int4>, Nullable<Int4>, Bool,
        Int8, Int8, Array<Timestamptz>, Array<Int8>, Int4, Bool, Bool,
    );
    running_sql!(
        ", planned AS (
            UPDATE treatments SET plan_revision = plan_revision + 1
             WHERE clinic_id = $1 AND patient_id = $2
               AND (status IN ('unconfirmed', 'active') OR status = 'completed' AND ", asks_for_the_next!(), ")
            RETURNING *
        )";
        "t.status = 'completed'",
        "SELECT * FROM planned UNION ALL
         SELECT * FROM treatments
          WHERE clinic_id = $1 AND patient_id = $2 AND status = 'completed'
            AND ", was_flagged!(), " AND NOT (", asks_for_the_next!(), ")"
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
        Array<Timestamptz>, Array<Timestamptz>, Array<Jsonb>, Array<Text>, Array<Bool>, Array<Timestamptz>,
        Jsonb, Array<Timestamptz>, Array<Nullable<Timestamptz>>, Bool, Nullable<SqlUuid>, Nullable<Int4>, Nullable<Int4>, Bool,
        Int8, Int8, Array<Timestamptz>, Array<Int8>, Int4, Bool, Bool,
    );
    running_sql!(
        ;
        "t.status = 'completed' AND NOT 'completed' = ANY ($3)",
        "SELECT * FROM treatments
          WHERE clinic_id = $1 AND patient_id = $2
            AND (status = ANY ($3) OR status = 'completed' AND (", was_flagged!(), " OR ", asks_for_the_next!(), "))"
    )
}

/// The patient's treatments of these statuses in order of time, and those at rest that matter to the plan; nothing is locked
/// and no plan is counted. Whoever names completed ones sees them as they were before.
pub(in crate::planning) async fn list_treatments(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    statuses: &[&str],
) -> QueryResult<Vec<Running>> {
    let statuses = statuses.iter().map(|status| (*status).to_owned()).collect();
    LookAtTreatments { clinic, patient, statuses }.load(conn).await
}

/// The patient's running treatments in order of time, and those at rest that matter; counts the replan on each of which something is owed.
pub(in crate::planning) async fn list_running(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
) -> QueryResult<Vec<Running>> {
    ListRunning { clinic, patient }.load(conn).await
}
