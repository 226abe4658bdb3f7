//! SQL over `replans`: plans that are to be made anew by a worker.

use diesel::sql_types::{Int4, Int8, Nullable, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;

/// A plan that is to be made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct Asked {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The patient.
    pub patient_id: Uuid,
    /// How often it was asked for by then.
    times: i32,
}

hot_query! {
    struct AskForClinic {
        clinic: Uuid as SqlUuid,
    }
    returns Int8;
    ", asked AS (
        INSERT INTO replans (clinic_id, patient_id, times)
        SELECT p.clinic_id, p.id, 1 FROM patients AS p
          LEFT JOIN notification_preferences AS n ON n.user_id = p.user_id
         WHERE p.clinic_id = $1 AND (n.quiet_from IS NULL OR n.quiet_to IS NULL)
           AND (EXISTS (SELECT FROM treatments AS t WHERE t.clinic_id = p.clinic_id AND t.patient_id = p.id
                           AND (t.status IN ('unconfirmed', 'active')
                                OR t.status = 'completed' AND EXISTS (
                                    SELECT FROM courses AS c WHERE c.clinic_id = t.clinic_id AND c.id = t.course_id
                                       AND c.ended_at IS NULL)))
                OR EXISTS (SELECT FROM appointments AS a WHERE a.clinic_id = p.clinic_id AND a.patient_id = p.id
                              AND a.status = 'set'))
         ORDER BY p.id
        ON CONFLICT (clinic_id, patient_id) DO UPDATE SET times = replans.times + 1
        RETURNING patient_id
    )
    SELECT count(*) FROM asked"
}

hot_query! {
    struct AskForVersion {
        clinic: Uuid as SqlUuid,
        version: Uuid as SqlUuid,
    }
    returns Int8;
    ", asked AS (
        INSERT INTO replans (clinic_id, patient_id, times)
        SELECT DISTINCT t.clinic_id, t.patient_id, 1 FROM treatments AS t
         WHERE t.clinic_id = $1 AND t.protocol_version_id = $2 AND t.status <> 'cancelled'
         ORDER BY 2
        ON CONFLICT (clinic_id, patient_id) DO UPDATE SET times = replans.times + 1
        RETURNING patient_id
    )
    SELECT count(*) FROM asked"
}

/// Asks for new plans of everybody in a clinic whom a protocol version treats.
pub(in crate::planning) async fn insert_asked_for_version(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    version: Uuid,
) -> QueryResult<i64> {
    AskForVersion { clinic, version }.get_result(conn).await
}

/// Asks for new plans of everybody in a clinic who keeps its quiet hours.
pub(in crate::planning) async fn insert_asked(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<i64> {
    AskForClinic { clinic }.get_result(conn).await
}

hot_query! {
    struct ListAsked {
        after_clinic: Option<Uuid> as Nullable<SqlUuid>,
        after_patient: Option<Uuid> as Nullable<SqlUuid>,
        limit: i64 as Int8,
    }
    returns (SqlUuid, SqlUuid, Int4);
    "SELECT clinic_id, patient_id, times FROM replans
      WHERE $1 IS NULL OR (clinic_id, patient_id) > ($1, $2)
      ORDER BY clinic_id, patient_id LIMIT $3"
}

/// The next that are to be made, after one that was seen.
pub(in crate::planning) async fn list_asked(
    conn: &mut AsyncPgConnection,
    after: Option<Asked>,
    limit: i64,
) -> QueryResult<Vec<Asked>> {
    let after_clinic = after.map(|after| after.clinic_id);
    let after_patient = after.map(|after| after.patient_id);
    ListAsked { after_clinic, after_patient, limit }.load(conn).await
}

hot_query! {
    struct DeleteAsked {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
        times: i32 as Int4,
    }
    returns Int8;
    ", answered AS (
        DELETE FROM replans WHERE clinic_id = $1 AND patient_id = $2 AND times = $3 RETURNING patient_id
    )
    SELECT count(*) FROM answered"
}

/// It was made; unless it was asked for once more meanwhile, that is all.
pub(in crate::planning) async fn delete_asked(conn: &mut AsyncPgConnection, asked: Asked) -> QueryResult<i64> {
    DeleteAsked { clinic: asked.clinic_id, patient: asked.patient_id, times: asked.times }.get_result(conn).await
}
