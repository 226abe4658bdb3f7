//! SQL over `courses` and the place of treatments in them. The clinic is always the first thing asked for.

mod progress;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Uuid as SqlUuid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{courses, treatments};

pub use progress::{CourseRow, Filter, Position, Session, find_row, find_row_if_there, list_rows, list_sessions};

/// A course as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = courses)]
pub struct Course {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the caller or the server.
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
    /// Who planned it.
    pub created_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
    /// When it was completed or cancelled.
    pub ended_at: Option<DateTime<Utc>>,
}

/// One course of the clinic.
pub async fn find_course(mut conn: &AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Course> {
    courses::table.find((clinic_id, id)).select(Course::as_select()).first(&mut conn).await
}

/// One course of the clinic, if there is such a one, and how many sessions it has had, earlier ones included.
pub async fn find_with_sessions(
    conn: &AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
) -> QueryResult<Option<(Course, i32)>> {
    let Some(course) = find_course(conn, clinic_id, id).await.optional()? else { return Ok(None) };
    with_sessions(conn, course).await.map(Some)
}

/// The patient's open course of an area, if there is one, and how many sessions it has had.
pub async fn find_open(
    mut conn: &AsyncPgConnection,
    clinic_id: Uuid,
    patient_id: Uuid,
    area: &str,
) -> QueryResult<Option<(Course, i32)>> {
    let open = courses::table
        .filter(courses::clinic_id.eq(clinic_id).and(courses::patient_id.eq(patient_id)))
        .filter(courses::area.eq(area).and(courses::ended_at.is_null()))
        .select(Course::as_select());
    let Some(course) = open.first(&mut conn).await.optional()? else { return Ok(None) };
    with_sessions(conn, course).await.map(Some)
}

/// How many courses of a patient there are, ended ones included.
pub async fn count_courses(mut conn: &AsyncPgConnection, clinic_id: Uuid, patient_id: Uuid) -> QueryResult<i64> {
    let of_patient = courses::clinic_id.eq(clinic_id).and(courses::patient_id.eq(patient_id));
    courses::table.filter(of_patient).count().get_result(&mut conn).await
}

async fn with_sessions(mut conn: &AsyncPgConnection, course: Course) -> QueryResult<(Course, i32)> {
    let sessions: i64 = treatments::table
        .filter(treatments::clinic_id.eq(course.clinic_id).and(treatments::course_id.eq(course.id)))
        .filter(treatments::status.ne("cancelled"))
        .count()
        .get_result(&mut conn)
        .await?;
    let taken = i32::try_from(sessions).unwrap_or(i32::MAX).saturating_add(course.earlier_sessions);
    Ok((course, taken))
}

/// Adds a course; `false` if its id is in use, or the patient has an open one of the same area.
pub async fn insert_course(conn: &mut AsyncPgConnection, course: &Course) -> QueryResult<bool> {
    let added = diesel::insert_into(courses::table).values(course).on_conflict_do_nothing().execute(conn).await?;
    Ok(added == 1)
}

/// Writes what an edit, a completion or a cancellation changed.
pub async fn update_course(conn: &mut AsyncPgConnection, course: &Course) -> QueryResult<()> {
    diesel::update(courses::table.find((course.clinic_id, course.id)))
        .set((
            courses::status.eq(&course.status),
            courses::protocol_key.eq(&course.protocol_key),
            courses::planned_sessions.eq(course.planned_sessions),
            courses::earlier_sessions.eq(course.earlier_sessions),
            courses::interval_min_days.eq(course.interval_min_days),
            courses::interval_max_days.eq(course.interval_max_days),
            courses::notes.eq(&course.notes),
            courses::version.eq(course.version),
            courses::ended_at.eq(course.ended_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Numbers the sessions of a course in order of time, cancelled ones left out, and says whether it has begun. For every
/// change of a treatment that is or was one of them; for those of no course it does nothing. A treatment that gets another
/// number is another version of itself.
pub async fn count(conn: &mut AsyncPgConnection, clinic_id: Uuid, course_id: Option<Uuid>) -> QueryResult<()> {
    let Some(course_id) = course_id else { return Ok(()) };
    let number = "WITH ranked AS (
            SELECT t.id, (c.earlier_sessions + row_number() OVER (ORDER BY t.performed_at, t.id))::int AS number
              FROM treatments AS t JOIN courses AS c ON c.clinic_id = t.clinic_id AND c.id = t.course_id
             WHERE t.clinic_id = $1 AND t.course_id = $2 AND t.status <> 'cancelled')
        UPDATE treatments AS t
           SET session_number = ranked.number, version = t.version + (t.session_number IS NOT NULL)::int
          FROM ranked WHERE t.clinic_id = $1 AND t.id = ranked.id AND t.session_number IS DISTINCT FROM ranked.number";
    let begin = "UPDATE courses AS c SET status = CASE WHEN c.earlier_sessions > 0 OR EXISTS (
                SELECT 1 FROM treatments AS t
                 WHERE t.clinic_id = c.clinic_id AND t.course_id = c.id AND t.status <> 'cancelled')
            THEN 'running' ELSE 'planned' END
         WHERE c.clinic_id = $1 AND c.id = $2 AND c.ended_at IS NULL";
    for statement in [number, begin] {
        let query = diesel::sql_query(statement).bind::<SqlUuid, _>(clinic_id).bind::<SqlUuid, _>(course_id);
        query.execute(conn).await?;
    }
    Ok(())
}
