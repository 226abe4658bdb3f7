//! The SQL of invitations, as the clinic sees them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

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
