//! Invitations: how people join a clinic. Accepting one is `auth`'s business, since it makes or extends a login.

pub mod invite;
pub mod routes;
pub mod store;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use crate::auth::codes;
use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::domain::role::Role;
use store::NewInvitation;

/// How long an invitation can be accepted.
pub const VALID_FOR: TimeDelta = TimeDelta::days(7);

/// Whom to invite, as what.
#[derive(Debug, Clone)]
pub struct Invitee {
    /// Under which the invitation is kept; its code follows from it.
    pub id: Uuid,
    /// What the person becomes.
    pub role: Role,
    /// The record to link; exactly for patients.
    pub patient_id: Option<Uuid>,
    /// The only (lower-cased) address that may accept.
    pub email: Option<String>,
}

/// An invitation and its code, which is not stored.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The invitation.
    pub id: Uuid,
    /// What the person types.
    pub code: String,
    /// Useless from then on.
    pub expires_at: DateTime<Utc>,
}

/// Writes an invitation; `created_by` is absent for the server's operator.
pub async fn issue(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    keys: &Keys,
    clinic_id: Uuid,
    created_by: Option<Uuid>,
    invitee: &Invitee,
) -> QueryResult<Issued> {
    let (id, now) = (invitee.id, clocks.wall.now());
    let code = keys.code(id);
    let expires_at = now + VALID_FOR;
    let new = NewInvitation {
        clinic_id,
        id,
        code_hash: codes::hash(&code).to_vec(),
        role: invitee.role.as_str(),
        patient_id: invitee.patient_id,
        email: invitee.email.as_deref(),
        created_by,
        created_at: now,
        expires_at,
    };
    store::insert_invitation(conn, &new).await?;
    Ok(Issued { id, code, expires_at })
}

/// Where an app or a browser takes the code. It stands behind the `#`, which never reaches a server's log.
pub fn link(public_url: &str, code: &str) -> String {
    format!("{public_url}/join#{code}")
}
