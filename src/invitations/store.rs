//! The SQL of invitations, as the clinic sees them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::domain::role::Role;
use crate::schema::invitations;

/// An invitation to be written.
#[derive(Debug, Clone, Insertable)]
#[diesel(table_name = invitations)]
pub struct NewInvitation<'a> {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Its id.
    pub id: Uuid,
    /// SHA-256 of the code.
    pub code_hash: Vec<u8>,
    /// What the person becomes.
    pub role: &'a str,
    /// The record to link.
    pub patient_id: Option<Uuid>,
    /// The only address that may accept.
    pub email: Option<&'a str>,
    /// Who invites; absent for the operator.
    pub created_by: Option<Uuid>,
    /// When (wall clock).
    pub created_at: DateTime<Utc>,
    /// Useless from then on.
    pub expires_at: DateTime<Utc>,
}

/// Writes an invitation.
pub async fn insert_invitation(conn: &mut AsyncPgConnection, new: &NewInvitation<'_>) -> QueryResult<()> {
    diesel::insert_into(invitations::table).values(new).execute(conn).await?;
    Ok(())
}

/// An invitation as the clinic sees it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = invitations, check_for_backend(diesel::pg::Pg))]
pub struct Invitation {
    /// Its id.
    pub id: Uuid,
    /// What the person becomes, as stored.
    pub role: String,
    /// The record to link.
    pub patient_id: Option<Uuid>,
    /// The only address that may accept.
    pub email: Option<String>,
    /// When (wall clock).
    pub created_at: DateTime<Utc>,
    /// Useless from then on.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub accepted_at: Option<DateTime<Utc>>,
    /// When the clinic took it back.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A page of invitations, the newest first; of one role only, where it is given.
pub async fn list_invitations(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    role: Option<Role>,
    after: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<Invitation>> {
    let mut found = invitations::table
        .filter(invitations::clinic_id.eq(clinic_id))
        .order(invitations::id.desc())
        .limit(limit)
        .select(Invitation::as_select())
        .into_boxed();
    if let Some(role) = role {
        found = found.filter(invitations::role.eq(role.as_str()));
    }
    if let Some(after) = after {
        found = found.filter(invitations::id.lt(after));
    }
    found.load(conn).await
}

/// How many invitations of a clinic can still be accepted.
pub async fn count_open(conn: &mut AsyncPgConnection, clinic_id: Uuid, now: DateTime<Utc>) -> QueryResult<i64> {
    let open = invitations::accepted_at.is_null().and(invitations::revoked_at.is_null());
    invitations::table
        .filter(invitations::clinic_id.eq(clinic_id))
        .filter(open.and(invitations::expires_at.gt(now)))
        .count()
        .get_result(conn)
        .await
}

/// One invitation.
pub async fn find_invitation(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Invitation> {
    invitations::table.find((clinic_id, id)).select(Invitation::as_select()).first(conn).await
}

/// One invitation, locked until the transaction ends.
pub async fn lock_invitation(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Invitation> {
    invitations::table.find((clinic_id, id)).for_update().select(Invitation::as_select()).first(conn).await
}

/// Takes an invitation back; the row stays for the record.
pub async fn delete_invitation(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let open = invitations::table.find((clinic_id, id)).filter(invitations::revoked_at.is_null());
    diesel::update(open).set(invitations::revoked_at.eq(now)).execute(conn).await?;
    Ok(())
}

/// Removes invitations that ran out before `before`, accepted or not; returns how many.
pub async fn prune(conn: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(invitations::table.filter(invitations::expires_at.lt(before))).execute(conn).await
}
