//! What compliance asks beside a recovery: why tasks were skipped, when a patient was last seen, who is recovering. The
//! clinic is always the first thing asked for.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;

hot_query! {
    struct ListSkipReasons {
        clinic: Uuid as SqlUuid,
        treatments: Vec<Uuid> as Array<SqlUuid>,
    }
    returns (SqlUuid, Text);
    "SELECT l.task_id, l.reason
       FROM (SELECT DISTINCT ON (o.task_id) o.task_id, o.kind, o.reason
               FROM outcomes AS o JOIN treatments AS t ON t.clinic_id = o.clinic_id AND t.id = o.treatment_id
              WHERE o.clinic_id = $1 AND o.treatment_id = ANY ($2)
                AND o.recorded_at >= coalesce(t.moved_at, '-infinity')
              ORDER BY o.task_id, o.recorded_at DESC, o.id DESC) AS l
      WHERE l.kind = 'skipped' AND l.reason IS NOT NULL"
}

/// Why tasks of these treatments were skipped, by task, where the latest word on them says so and why.
pub(super) async fn list_skip_reasons(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatments: Vec<Uuid>,
) -> QueryResult<Vec<(Uuid, String)>> {
    ListSkipReasons { clinic, treatments }.load(conn).await
}

hot_query! {
    struct FindLastVisit {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns (Text, Timestamptz);
    "SELECT v.kind, v.at
       FROM (SELECT 'session' AS kind, t.performed_at AS at FROM treatments AS t
              WHERE t.clinic_id = $1 AND t.patient_id = $2 AND t.status <> 'cancelled' AND t.performed_at <= $3
             UNION ALL
             SELECT 'appointment', a.starts_at FROM appointments AS a
              WHERE a.clinic_id = $1 AND a.patient_id = $2 AND a.status = 'set' AND a.starts_at <= $3) AS v
      ORDER BY v.at DESC, v.kind DESC LIMIT 1"
}

/// The last time the patient was at the clinic by a moment: treated, or for an appointment that was not cancelled.
pub(super) async fn find_last_visit(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<(String, DateTime<Utc>)>> {
    FindLastVisit { clinic, patient, now }.get_result(conn).await.optional()
}

/// A treatment that somebody is recovering from, and who.
#[derive(Debug, Clone, Queryable)]
pub(super) struct RunningRow {
    pub(super) treatment_id: Uuid,
    pub(super) display_name: String,
    pub(super) reference: Option<String>,
}

hot_query! {
    struct ListRunning {
        clinic: Uuid as SqlUuid,
        after: Uuid as SqlUuid,
        limit: i64 as Int8,
    }
    returns (SqlUuid, Text, Nullable<Text>);
    "SELECT t.id, p.display_name, p.reference
       FROM treatments AS t JOIN patients AS p ON p.clinic_id = t.clinic_id AND p.id = t.patient_id
      WHERE t.clinic_id = $1 AND t.id > $2 AND t.status IN ('unconfirmed', 'active') AND p.detached_at IS NULL
      ORDER BY t.id LIMIT $3"
}

/// The clinic's running treatments, but of patients who have left, in the order of their ids, `limit` of them after `after`.
pub(super) async fn list_running(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    after: Uuid,
    limit: i64,
) -> QueryResult<Vec<RunningRow>> {
    ListRunning { clinic, after, limit }.load(conn).await
}
