//! Inviting somebody, with the patient's record made in the same transaction where there is none yet; and taking an
//! invitation back. A request that comes twice under one key invites once.

use uuid::Uuid;

use super::store::{self, Invitation};
use super::{Invitee, issue};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};
use crate::domain::role::Role;
use crate::idempotency::{IdempotencyError, KeyedRequest};
use crate::patients;
use crate::patients::record::CreateError;
use crate::patients::store::{LockedPatient, NewPatient};

/// Whom to invite.
#[derive(Debug)]
pub enum Whom {
    /// Somebody who will work here.
    Staff(Role),
    /// The person behind a record that exists.
    Patient(Uuid),
    /// The person behind a record that is made on the way.
    NewPatient(NewPatient),
}

/// How many invitations of one clinic wait to be accepted at most: as many as a large clinic brings along in the week for
/// which they are good. A few more where several come at the same moment.
pub const MOST_OPEN: i64 = 2_000;

/// Why nobody is invited, or an invitation is not taken back.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// No such record at this clinic.
    #[error("no such patient")]
    NoPatient,
    /// [`MOST_OPEN`] wait to be accepted.
    #[error("{MOST_OPEN} invitations are open")]
    TooMany,
    /// The record has a login already.
    #[error("the patient has a login")]
    Linked,
    /// The person has left, and the record is only kept.
    #[error("the record is detached")]
    Detached,
    /// It was accepted; the membership is what can be ended now.
    #[error("the invitation was accepted")]
    Accepted,
    /// The record was not made.
    #[error(transparent)]
    Patient(#[from] CreateError),
    /// The request's key.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for InviteError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Invites somebody; `email` (lower-cased), where given, is the only address that may accept.
pub async fn invite(
    db: &Db,
    clocks: &Clocks,
    keys: &Keys,
    caller: &Caller,
    request: KeyedRequest,
    whom: Whom,
    email: Option<String>,
) -> Result<Invitation, InviteError> {
    let (clinic_id, id) = (caller.clinic_id, clocks.fresh_id());
    db.scoped(Scope::Clinic(clinic_id), async |conn| {
        if let Some(before) = request.begin(conn, id, clocks.wall.now()).await? {
            let there = store::find_invitation(conn, clinic_id, before).await?;
            // It is answered all the same: without an entry this would be a way to read it unseen.
            let entry = Entry::by(caller, "invitation.read", "invitation", before);
            audit::record(conn, clocks, there.patient_id.map_or(entry, |id| entry.about(id))).await?;
            return Ok(there);
        }
        if store::count_open(conn, clinic_id, clocks.wall.now()).await? >= MOST_OPEN {
            return Err(InviteError::TooMany);
        }
        let (role, patient_id) = match whom {
            Whom::Staff(role) => (role, None),
            Whom::Patient(id) => (Role::Patient, Some(id)),
            Whom::NewPatient(new) => {
                patients::record::create(conn, clocks, caller, &new).await?;
                (Role::Patient, Some(new.id))
            }
        };
        if let Some(patient_id) = patient_id {
            // Locked, lest its time is found to be over while nobody is invited yet.
            let found = patients::store::lock_patient(conn, clinic_id, patient_id).await;
            let LockedPatient { patient, .. } = found.map_err(|error| match error {
                diesel::result::Error::NotFound => InviteError::NoPatient,
                other => other.into(),
            })?;
            if patient.user_id.is_some() {
                return Err(InviteError::Linked);
            }
            if patient.detached_at.is_some() {
                return Err(InviteError::Detached);
            }
        }
        let invitee = Invitee { id, role, patient_id, email };
        issue(conn, clocks, keys, clinic_id, Some(caller.user_id), &invitee).await?;
        let entry = Entry::by(caller, "invitation.create", "invitation", id);
        audit::record(conn, clocks, patient_id.map_or(entry, |id| entry.about(id))).await?;
        Ok(store::find_invitation(conn, clinic_id, id).await?)
    })
    .await
}

/// Takes an invitation back; `only` restricts to invitations of that role. Taking it back twice is no error.
pub async fn revoke(
    db: &Db,
    clocks: &Clocks,
    caller: &Caller,
    id: Uuid,
    only: Option<Role>,
) -> Result<(), InviteError> {
    let clinic_id = caller.clinic_id;
    db.scoped(Scope::Clinic(clinic_id), async |conn| {
        let invitation = store::lock_invitation(conn, clinic_id, id).await?;
        if only.is_some_and(|role| role.as_str() != invitation.role) {
            return Err(diesel::result::Error::NotFound.into());
        }
        if invitation.accepted_at.is_some() {
            return Err(InviteError::Accepted);
        }
        if invitation.revoked_at.is_some() {
            return Ok(());
        }
        store::delete_invitation(conn, clinic_id, id, clocks.wall.now()).await?;
        let entry = Entry::by(caller, "invitation.delete", "invitation", id);
        audit::record(conn, clocks, invitation.patient_id.map_or(entry, |id| entry.about(id))).await?;
        Ok(())
    })
    .await
}
