//! Sessions that end before their time: with each go its device addresses and its access tokens.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::announce_all;
use crate::db::hot::hot_query;
use crate::schema::{devices, sessions};

/// Why a session was ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBecause {
    /// The person logged out.
    Logout,
    /// A refresh token came back that had been exchanged and its successor used: somebody else has it.
    Reuse,
    /// The password was reset.
    Reset,
    /// The membership ended.
    Removed,
    /// The person ended it from another session.
    Elsewhere,
    /// The person changed the password in another session.
    Password,
    /// A second factor was set up in another session, or taken away by an administrator.
    SecondFactor,
    /// An administrator signed out the clinic, or the operator closed it.
    Clinic,
    /// The person asked for the login to be deleted.
    Deletion,
}

impl EndedBecause {
    fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::Reset => "reset",
            Self::Removed => "removed",
            Self::Elsewhere => "elsewhere",
            Self::Password => "password",
            Self::SecondFactor => "second_factor",
            Self::Clinic => "clinic",
            Self::Deletion => "deletion",
        }
    }
}

/// Ends one session, removes the device addresses it owns and makes its access tokens void everywhere.
pub async fn end_session(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    because: EndedBecause,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    end(conn, &[id], because, at).await?;
    announce_all(conn, &[id], at).await
}

/// Ends every other session of a login whose row is locked, as [`end_session`] does; says which.
pub async fn end_other_sessions(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    kept: Uuid,
    because: EndedBecause,
    at: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let others = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::id.ne(kept))
        .filter(sessions::revoked_at.is_null());
    let others: Vec<Uuid> = others.select(sessions::id).load(conn).await?;
    end(conn, &others, because, at).await?;
    announce_all(conn, &others, at).await?;
    Ok(others)
}

/// Ends all sessions of a login, or those whose active clinic is `clinic_id`, and removes the device addresses they own.
/// The access tokens are called back by the caller, all at once.
pub async fn end_sessions(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    clinic_id: Option<Uuid>,
    because: EndedBecause,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    let mut open = sessions::table
        .filter(sessions::user_id.eq(user_id))
        .filter(sessions::revoked_at.is_null())
        .select(sessions::id)
        .into_boxed();
    if let Some(clinic_id) = clinic_id {
        open = open.filter(sessions::clinic_id.eq(clinic_id));
    }
    let open: Vec<Uuid> = open.load(conn).await?;
    end(conn, &open, because, at).await
}

/// Ends every session that acts at a clinic which its people no longer belong to. The logins are locked by
/// [`super::lock_members`].
pub async fn end_clinic_sessions(conn: &mut AsyncPgConnection, clinic_id: Uuid, at: DateTime<Utc>) -> QueryResult<()> {
    let open = sessions::table.filter(sessions::clinic_id.eq(clinic_id)).filter(sessions::revoked_at.is_null());
    let open: Vec<Uuid> = open.select(sessions::id).load(conn).await?;
    end(conn, &open, EndedBecause::Clinic, at).await?;
    announce_all(conn, &open, at).await
}

hot_query! {
    struct EndSessionsOfMembers {
        locked: Vec<Uuid> as Array<SqlUuid>,
        kept: Uuid as SqlUuid,
        at: DateTime<Utc> as Timestamptz,
    }
    returns SqlUuid;
    "SELECT session_id FROM end_sessions_of_members($1, $2, $3)"
}

/// Ends every session but one of these logins, wherever it acts at the moment; says which. They are those that
/// [`super::lock_members`] has locked, and of them those that belong to the clinic in whose scope this runs.
pub async fn end_sessions_of_members(
    conn: &mut AsyncPgConnection,
    locked: Vec<Uuid>,
    kept: Uuid,
    at: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    let ended: Vec<Uuid> = EndSessionsOfMembers { locked, kept, at }.load(conn).await?;
    announce_all(conn, &ended, at).await?;
    Ok(ended)
}

async fn end(conn: &mut AsyncPgConnection, ids: &[Uuid], because: EndedBecause, at: DateTime<Utc>) -> QueryResult<()> {
    diesel::update(sessions::table.filter(sessions::id.eq_any(ids)).filter(sessions::revoked_at.is_null()))
        .set((sessions::revoked_at.eq(at), sessions::revoked_because.eq(because.as_str())))
        .execute(conn)
        .await?;
    let owners: Vec<Option<Uuid>> = ids.iter().copied().map(Some).collect();
    diesel::delete(devices::table.filter(devices::session_id.eq_any(owners))).execute(conn).await?;
    Ok(())
}
