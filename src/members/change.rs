//! What an administrator does to members: another role, the end of a membership, a code for a forgotten password, the
//! end of a second factor whose phone is lost, the end of everybody's sessions. Each takes effect at once: access tokens
//! are called back on every node when the transaction commits.

use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, Member};
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::auth::store::{self as logins, EndedBecause, NewResetCode};
use crate::auth::{Auth, codes};
use crate::calendar;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};
use crate::domain::role::Role;
use crate::failpoint::failpoint;
use crate::{clinics, erasure, patients};

/// How long a reset code can be used.
pub const RESET_CODE_VALID_FOR: TimeDelta = TimeDelta::hours(24);

/// Why a member is not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Somebody must be able to run the clinic.
    #[error("the last administrator")]
    LastAdministrator,
    /// A patient does not become staff, nor staff a patient: that is another record, and another invitation.
    #[error("a patient's role does not change")]
    Patient,
    /// The login belongs to other clinics too: one of them alone must not be able to take it over.
    #[error("the login is not the clinic's alone")]
    NotAlone,
    /// It is the caller's own: for that people show their password.
    #[error("the caller's own login")]
    Oneself,
    /// There is none to take away.
    #[error("no second factor")]
    NoSecondFactor,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for ChangeError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// A code that a clinic hands to somebody who forgot the password.
#[derive(Debug, Clone)]
pub struct ResetCode {
    /// What the person types.
    pub code: String,
    /// Useless from then on.
    pub expires_at: DateTime<Utc>,
}

/// The member, after its login was locked and the last administrator protected.
async fn lock(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid, stays: bool) -> Result<Member, ChangeError> {
    let user_id = store::find_member(conn, clinic_id, id).await?.user_id;
    logins::lock_user(conn, user_id).await?;
    let administrators = store::lock_administrators(conn, clinic_id).await?;
    if !stays && administrators == [id] {
        return Err(ChangeError::LastAdministrator);
    }
    // Read again: it may have changed while the lock was awaited.
    Ok(store::find_member(conn, clinic_id, id).await?)
}

/// Gives a member of the staff another role.
pub async fn role(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    caller: &Caller,
    id: Uuid,
    role: Role,
) -> Result<Member, ChangeError> {
    let clinic_id = caller.clinic_id;
    let (member, changed_at) = db
        .scoped(Scope::Clinic(clinic_id), async |conn| {
            let mut member = lock(conn, clinic_id, id, role == Role::Administrator).await?;
            let before = logins::role(&member.role)?;
            if before == role {
                return Ok((member, None));
            }
            if !before.is_staff() || !role.is_staff() {
                return Err(ChangeError::Patient);
            }
            let now = clocks.wall.now();
            store::update_role(conn, clinic_id, id, role).await?;
            logins::call_back_tokens(conn, member.user_id, now).await?;
            audit::record(conn, clocks, Entry::by(caller, "member.update", "member", id)).await?;
            role.as_str().clone_into(&mut member.role);
            Ok((member, Some(now)))
        })
        .await?;
    if let Some(at) = changed_at {
        auth.revocations.note(member.user_id, at);
    }
    Ok(member)
}

/// Ends a membership, its sessions and their devices. A patient's record stays, without a login, for as long as the clinic keeps
/// records.
pub async fn remove(db: &Db, clocks: &Clocks, auth: &Auth, caller: &Caller, id: Uuid) -> Result<(), ChangeError> {
    let clinic_id = caller.clinic_id;
    let (user_id, at) = db
        .scoped(Scope::Clinic(clinic_id), async |conn| {
            let member = lock(conn, clinic_id, id, false).await?;
            let now = clocks.wall.now();
            let clinic = clinics::store::find_clinic(conn, clinic_id).await?;
            let kept_until = erasure::kept_until(now, clinic.retention_years);
            patients::store::delete_link(conn, clinic_id, member.user_id, now, kept_until).await?;
            calendar::store::delete_feeds_of(conn, member.user_id, Some(clinic_id)).await?;
            logins::delete_reset_codes(conn, member.user_id, Some(clinic_id)).await?;
            logins::end_sessions(conn, member.user_id, Some(clinic_id), EndedBecause::Removed, now).await?;
            logins::call_back_tokens(conn, member.user_id, now).await?;
            // Last: whoever is no member any more is out of the clinic's reach.
            store::delete_member(conn, clinic_id, id, now).await?;
            audit::record(conn, clocks, Entry::by(caller, "member.delete", "member", id)).await?;
            failpoint!("removal:uncommitted");
            Ok::<_, ChangeError>((member.user_id, now))
        })
        .await?;
    auth.revocations.note(user_id, at);
    Ok(())
}

/// The login of a member who is not the caller: whoever holds an administrator's token alone must not come to the login behind
/// it. For themselves people show their password.
async fn somebody_else(conn: &mut AsyncPgConnection, caller: &Caller, id: Uuid) -> Result<Uuid, ChangeError> {
    let user_id = store::find_member(conn, caller.clinic_id, id).await?.user_id;
    if user_id == caller.user_id { Err(ChangeError::Oneself) } else { Ok(user_id) }
}

/// Whether there is such a member, and it is not the caller: asked before the caller shows anything.
pub async fn find_somebody_else(db: &Db, caller: &Caller, id: Uuid) -> Result<(), ChangeError> {
    db.scoped(Scope::Clinic(caller.clinic_id), async |conn| somebody_else(conn, caller, id).await).await.map(drop)
}

/// Takes a member's second factor away, for somebody who lost phone and recovery codes, and ends every session: whoever
/// has found the phone has what it holds. Like a reset code, not for somebody who also belongs to another clinic.
pub async fn reset_second_factor(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    caller: &Caller,
    id: Uuid,
) -> Result<(), ChangeError> {
    let clinic_id = caller.clinic_id;
    let (user_id, at) = db
        .scoped(Scope::Clinic(clinic_id), async |conn| {
            let user_id = somebody_else(conn, caller, id).await?;
            logins::lock_user(conn, user_id).await?;
            if logins::count_clinics(conn, user_id).await? != 1 {
                return Err(ChangeError::NotAlone);
            }
            let now = clocks.wall.now();
            if !logins::delete_second_factor(conn, user_id).await? {
                return Err(ChangeError::NoSecondFactor);
            }
            logins::end_sessions(conn, user_id, None, EndedBecause::SecondFactor, now).await?;
            logins::call_back_tokens(conn, user_id, now).await?;
            audit::record(conn, clocks, Entry::by(caller, "member.reset_second_factor", "member", id)).await?;
            Ok((user_id, now))
        })
        .await?;
    auth.revocations.note(user_id, at);
    Ok(())
}

/// Signs out everybody who belongs to the clinic, patients only where `patients_too`, and forgets their devices: also sessions
/// that act at another clinic, since they can come back to this one. The session that asks goes on.
pub async fn sign_out(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    caller: &Caller,
    patients_too: bool,
) -> Result<usize, ChangeError> {
    let clinic_id = caller.clinic_id;
    let (ended, at) = db
        .scoped(Scope::Clinic(clinic_id), async |conn| {
            let locked = logins::lock_members(conn, clinic_id, patients_too).await?;
            let now = clocks.wall.now();
            let ended = logins::end_sessions_of_members(conn, locked, caller.session_id, now).await?;
            audit::record(conn, clocks, Entry::by(caller, "clinic.sign_out", "clinic", clinic_id)).await?;
            Ok::<_, ChangeError>((ended, now))
        })
        .await?;
    ended.iter().for_each(|session| auth.revocations.note(*session, at));
    Ok(ended.len())
}

/// Issues a reset code for a member; earlier ones are void.
///
/// Not for somebody who also belongs to another clinic: the administrators of one would hold the key to what the other
/// knows. Such a login is reset by the server's operator.
pub async fn issue_reset_code(
    db: &Db,
    clocks: &Clocks,
    auth: &Auth,
    caller: &Caller,
    id: Uuid,
) -> Result<ResetCode, ChangeError> {
    let clinic_id = caller.clinic_id;
    db.scoped(Scope::Clinic(clinic_id), async |conn| {
        let user_id = somebody_else(conn, caller, id).await?;
        logins::lock_user(conn, user_id).await?;
        if logins::count_clinics(conn, user_id).await? != 1 {
            return Err(ChangeError::NotAlone);
        }
        let code = write_reset_code(conn, clocks, auth, user_id, clinic_id, Some(caller.user_id)).await?;
        audit::record(conn, clocks, Entry::by(caller, "member.reset_code", "member", id)).await?;
        Ok(code)
    })
    .await
}

/// Writes a reset code; `issued_by` is absent for the server's operator.
pub async fn write_reset_code(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    auth: &Auth,
    user_id: Uuid,
    clinic_id: Uuid,
    issued_by: Option<Uuid>,
) -> diesel::QueryResult<ResetCode> {
    let now = clocks.wall.now();
    let code = auth.keys.code(Uuid::new_v4());
    let expires_at = now + RESET_CODE_VALID_FOR;
    let new = NewResetCode {
        code_hash: codes::hash(&code).to_vec(),
        user_id,
        clinic_id,
        issued_by,
        issued_at: now,
        expires_at,
        by_mail: false,
    };
    logins::insert_reset_code(conn, &new).await?;
    Ok(ResetCode { code, expires_at })
}
