//! SQL over records whose time is over: those that are detached, and those whose membership the clinic has ended.

use chrono::{DateTime, Utc};
use diesel::dsl::max;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Int8, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use super::{Kept, KeptSql};
use crate::db::hot::hot_query;
use crate::schema::{invitations, patients};

/// A record whose time may be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub(in crate::erasure) struct Due {
    pub(in crate::erasure) purge_at: DateTime<Utc>,
    pub(in crate::erasure) clinic_id: Uuid,
    pub(in crate::erasure) patient_id: Uuid,
    /// Nothing calls its end off any more.
    pub(in crate::erasure) is_detached: bool,
}

hot_query! {
    struct ListToPurge {
        now: DateTime<Utc> as Timestamptz,
        after_at: Option<DateTime<Utc>> as Nullable<Timestamptz>,
        after_clinic: Option<Uuid> as Nullable<SqlUuid>,
        after_id: Option<Uuid> as Nullable<SqlUuid>,
        limit: i64 as Int8,
    }
    returns (Timestamptz, SqlUuid, SqlUuid, Bool);
    "SELECT purge_at, clinic_id, id, detached_at IS NOT NULL FROM patients
      WHERE purge_at <= $1 AND user_id IS NULL AND ($2 IS NULL OR (purge_at, clinic_id, id) > ($2, $3, $4))
      ORDER BY purge_at, clinic_id, id LIMIT $5"
}

/// Records without a login whose time may be over, some of them after `after`.
pub(in crate::erasure) async fn list_to_purge(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    after: Option<Due>,
    limit: i64,
) -> QueryResult<Vec<Due>> {
    ListToPurge {
        now,
        after_at: after.map(|after| after.purge_at),
        after_clinic: after.map(|after| after.clinic_id),
        after_id: after.map(|after| after.patient_id),
        limit,
    }
    .load(conn)
    .await
}

/// Locks a detached record whose time is over; `false` if there is none.
pub(in crate::erasure) async fn lock_to_purge(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let is_due = patients::purge_at.le(now).and(patients::detached_at.is_not_null());
    let record = patients::table.find((clinic, patient)).filter(is_due).for_update();
    let found: Option<Uuid> = record.select(patients::id).first(conn).await.optional()?;
    Ok(found.is_some())
}

hot_query! {
    struct LockEnded {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns KeptSql;
    "SELECT p.clinic_id, p.id, c.retention_years, p.purge_at
       FROM patients AS p JOIN clinics AS c ON c.id = p.clinic_id
      WHERE p.clinic_id = $1 AND p.id = $2 AND p.purge_at <= $3 AND p.user_id IS NULL AND p.unlinked_at IS NOT NULL
        AND p.detached_at IS NULL
        FOR UPDATE OF p"
}

/// Locks a record whose membership the clinic has ended and whose time may be over, if nobody stands behind it again and it is
/// not detached.
pub(in crate::erasure) async fn lock_ended(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<Kept>> {
    LockEnded { clinic, patient, now }.get_result(conn).await.optional()
}

hot_query! {
    struct FindLastVisit {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
    }
    returns Nullable<Timestamptz>;
    "SELECT max(v.at)
       FROM patients AS p
       JOIN LATERAL (
            SELECT greatest(t.performed_at, t.created_at) AS at FROM treatments AS t
             WHERE t.clinic_id = p.clinic_id AND t.patient_id = p.id
             UNION ALL
            SELECT a.starts_at FROM appointments AS a
             WHERE a.clinic_id = p.clinic_id AND a.patient_id = p.id AND a.status = 'set'
            ) AS v ON v.at > p.unlinked_at
      WHERE p.clinic_id = $1 AND p.id = $2"
}

/// The last treatment or appointment of a locked record since the clinic ended the membership.
pub(in crate::erasure) async fn find_last_visit(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
) -> QueryResult<Option<DateTime<Utc>>> {
    FindLastVisit { clinic, patient }.get_result(conn).await
}

/// When the last of the invitations to a locked record that can be accepted runs out.
pub(in crate::erasure) async fn find_last_invitation(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Option<DateTime<Utc>>> {
    let open = invitations::accepted_at.is_null().and(invitations::revoked_at.is_null());
    invitations::table
        .filter(invitations::clinic_id.eq(clinic).and(invitations::patient_id.eq(patient)))
        .filter(open.and(invitations::expires_at.gt(now)))
        .select(max(invitations::expires_at))
        .first(conn)
        .await
}

/// Keeps a locked record until then.
pub(in crate::erasure) async fn put_off(
    conn: &mut AsyncPgConnection,
    record: Kept,
    until: DateTime<Utc>,
) -> QueryResult<()> {
    let record = patients::table.find((record.clinic_id, record.patient_id));
    diesel::update(record).set(patients::purge_at.eq(until)).execute(conn).await?;
    Ok(())
}

/// Deletes a record and, by their keys, all that hangs on it. Treatments and appointments first: courses hold them.
pub(in crate::erasure) async fn delete_record(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
) -> QueryResult<bool> {
    conn.batch_execute(&format!(
        "DELETE FROM treatments WHERE clinic_id = '{clinic}' AND patient_id = '{patient}';
         DELETE FROM appointments WHERE clinic_id = '{clinic}' AND patient_id = '{patient}';
         DELETE FROM courses WHERE clinic_id = '{clinic}' AND patient_id = '{patient}'"
    ))
    .await?;
    Ok(diesel::delete(patients::table.find((clinic, patient))).execute(conn).await? == 1)
}
