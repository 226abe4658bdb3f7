//! Courses with how far they have come, in one statement.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Date, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::schema::treatments;

/// A course with what its progress is computed from.
#[derive(Debug, Clone, Queryable)]
pub struct CourseRow {
    /// The course.
    pub id: Uuid,
    /// Whose it is.
    pub patient_id: Uuid,
    /// `planned`, `running`, `completed` or `cancelled`.
    pub status: String,
    /// Treated area.
    pub area: String,
    /// The protocol that its sessions get unless staff choose another.
    pub protocol_key: String,
    /// How many sessions it is to have, earlier ones included.
    pub planned_sessions: i32,
    /// How many of them took place before anything was recorded here.
    pub earlier_sessions: i32,
    /// Days from one session until the next is due.
    pub interval_min_days: i32,
    /// Days from one session until the next is overdue.
    pub interval_max_days: i32,
    /// The clinic's notes.
    pub notes: Option<String>,
    /// Counts edits.
    pub version: i32,
    /// When it was planned.
    pub created_at: DateTime<Utc>,
    /// When it was completed or cancelled.
    pub ended_at: Option<DateTime<Utc>>,
    /// IANA zone in which the patient was last seen.
    pub time_zone: String,
    /// Sessions recorded here that were not cancelled.
    pub recorded: i64,
    /// The patient's date of the last of them.
    pub last_on: Option<NaiveDate>,
    /// The next appointment for a session.
    pub appointment_id: Option<Uuid>,
    /// When it is.
    pub appointment_at: Option<DateTime<Utc>>,
}

/// Which courses a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only this patient's.
    pub patient_id: Option<Uuid>,
    /// Only open ones, or only those that have ended.
    pub open: Option<bool>,
}

/// Where a page of courses begins: newest first.
pub type Position = (DateTime<Utc>, Uuid);

hot_query! {
    struct ListRows {
        clinic: Uuid as SqlUuid,
        only: Option<Uuid> as Nullable<SqlUuid>,
        patient: Option<Uuid> as Nullable<SqlUuid>,
        open: Option<bool> as Nullable<diesel::sql_types::Bool>,
        now: DateTime<Utc> as Timestamptz,
        after_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        after_id: Option<Uuid> as Nullable<SqlUuid>,
        limit: i64 as Int8,
    }
    returns (
        SqlUuid, SqlUuid, Text, Text, Text, Int4, Int4, Int4, Int4, Nullable<Text>, Int4, Timestamptz,
        Nullable<Timestamptz>, Text, Int8, Nullable<Date>, Nullable<SqlUuid>, Nullable<Timestamptz>,
    );
    "SELECT c.id, c.patient_id, c.status, c.area, c.protocol_key, c.planned_sessions, c.earlier_sessions,
            c.interval_min_days, c.interval_max_days, c.notes, c.version, c.created_at, c.ended_at,
            coalesce(z.zone, p.time_zone), s.recorded, s.last_on, a.id, a.starts_at
       FROM courses AS c
       JOIN patients AS p ON p.clinic_id = c.clinic_id AND p.id = c.patient_id
       LEFT JOIN LATERAL (
           SELECT z.zone FROM patient_zones AS z WHERE z.clinic_id = c.clinic_id AND z.patient_id = c.patient_id
            ORDER BY z.valid_from DESC LIMIT 1
       ) AS z ON true
       CROSS JOIN LATERAL (
           SELECT count(*) AS recorded, max(t.anchor_on) AS last_on FROM treatments AS t
            WHERE t.clinic_id = c.clinic_id AND t.course_id = c.id AND t.status <> 'cancelled'
       ) AS s
       LEFT JOIN LATERAL (
           SELECT a.id, a.starts_at FROM appointments AS a
            WHERE a.clinic_id = c.clinic_id AND a.patient_id = c.patient_id AND a.kind = 'session' AND a.status = 'set'
              AND a.starts_at >= $5 AND coalesce(a.course_id, c.id) = c.id AND c.ended_at IS NULL
            ORDER BY a.starts_at, a.id LIMIT 1
       ) AS a ON true
      WHERE c.clinic_id = $1 AND ($2 IS NULL OR c.id = $2) AND ($3 IS NULL OR c.patient_id = $3)
        AND ($4 IS NULL OR (c.ended_at IS NULL) = $4)
        AND ($6 IS NULL OR (c.created_at, c.id) < ($6, $7))
      ORDER BY c.created_at DESC, c.id DESC LIMIT $8"
}

/// One course of the clinic.
pub async fn find_row(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<CourseRow> {
    let one =
        ListRows { clinic, only: Some(id), patient: None, open: None, now, after_at: None, after_id: None, limit: 1 };
    one.get_result(conn).await
}

/// The same, if there is such a one.
pub async fn find_row_if_there(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<CourseRow>> {
    find_row(conn, clinic, id, now).await.optional()
}

/// Courses of the clinic, newest first; `limit` rows after `after`.
pub async fn list_rows(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    filter: Filter,
    now: DateTime<Utc>,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<CourseRow>> {
    let (after_at, after_id) = after.unzip();
    let Filter { patient_id: patient, open } = filter;
    ListRows { clinic, only: None, patient, open, now, after_at, after_id, limit }.load(conn).await
}

/// One session of a course.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = treatments)]
pub struct Session {
    /// The treatment.
    pub id: Uuid,
    /// Which one it was.
    pub session_number: Option<i32>,
    /// T0.
    pub performed_at: DateTime<Utc>,
    /// `unconfirmed`, `active` or `completed`.
    pub status: String,
}

/// The sessions of a course that were not cancelled, in order of time.
pub async fn list_sessions(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    course_id: Uuid,
) -> QueryResult<Vec<Session>> {
    treatments::table
        .filter(treatments::clinic_id.eq(clinic_id).and(treatments::course_id.eq(course_id)))
        .filter(treatments::status.ne("cancelled"))
        .order((treatments::performed_at, treatments::id))
        .select(Session::as_select())
        .load(conn)
        .await
}
