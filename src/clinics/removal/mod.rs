//! A clinic leaves. Closing it takes effect at once, for everybody, and can be taken back; when that time is over a worker
//! erases it and all of it. People who belong to other clinics stay, without it; the audit trail stays its years, in which
//! everybody is an id that names nobody. In the system's scope; each is whole or has not happened, and doing it again does nothing.

mod export;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use uuid::Uuid;

use crate::alerts::{queue, store as alerts};
use crate::audit::{self, Entry};
use crate::auth::store as logins;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope};
use crate::erasure;
use crate::escalation::{self, store as escalations};
use crate::journal::{Erased, Journal};

pub use export::{Exported, export};

/// For how long a closed clinic can be opened again.
pub const WINDOW: TimeDelta = TimeDelta::days(30);

/// Why a clinic is not closed, or not opened again.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// There is none.
    #[error("there is no such clinic")]
    NotFound,
    /// Somebody means another one.
    #[error("the clinic is called otherwise")]
    OtherName,
    /// It is closed.
    #[error("the clinic is closed already")]
    Closed,
    /// It is not.
    #[error("the clinic is not closed")]
    Open,
    /// It is, for too long.
    #[error("the time in which the clinic could be opened again is over: it is being erased")]
    Over,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for RemovalError {
    fn from(error: diesel::result::Error) -> Self {
        match error {
            diesel::result::Error::NotFound => Self::NotFound,
            error => Self::Db(error.into()),
        }
    }
}

/// What closing a clinic did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closing {
    /// How many people belonged to it.
    pub members: usize,
    /// How many of its alerts were called off.
    pub alerts: usize,
    /// Until when it can be taken back.
    pub erase_at: DateTime<Utc>,
}

/// What opening it again did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// How many people belong to it again.
    pub members: usize,
    /// Reports that nobody had seen, of which staff are told again.
    pub reports: usize,
}

/// Closes the clinic of this name: nobody belongs to it any more, whoever works with it is out within a second, and nothing is
/// owed to anybody.
pub async fn close(db: &Db, clocks: &Clocks, clinic_id: Uuid, name: &str) -> Result<Closing, RemovalError> {
    db.scoped(Scope::System, async |conn| {
        let clinic = store::lock(conn, clinic_id).await?;
        if clinic.name != name {
            return Err(RemovalError::OtherName);
        }
        if clinic.closed_at.is_some() {
            return Err(RemovalError::Closed);
        }
        let now = clocks.wall.now();
        let erase_at = now + WINDOW;
        // So that no token is issued meanwhile.
        logins::lock_members(conn, clinic_id, true).await?;
        let members = store::close(conn, clinic_id, now, erase_at).await?;
        // Not before: whoever joins at this moment is waited for there, and has a session and its token by then.
        let ended_at = clocks.wall.now();
        logins::end_clinic_sessions(conn, clinic_id, ended_at).await?;
        // A session that acts elsewhere by now goes on there, and has left a token behind that is good here.
        logins::call_back_tokens_of(conn, &members, ended_at).await?;
        escalations::delete_all(conn, clinic_id).await?;
        let alerts = queue::withdraw(conn, clinic_id, clocks.care.now()).await?;
        audit::record(conn, clocks, Entry::by_operator(clinic_id, "clinic.close", "clinic", clinic_id)).await?;
        Ok(Closing { members: members.len(), alerts, erase_at })
    })
    .await
}

/// Takes it back: whoever belonged to the clinic when it was closed does so again, what its patients are owed is planned anew,
/// and staff are told again of what nobody has seen. Sessions, devices, invitations and calendar feeds are gone for good.
pub async fn open(db: &Db, clocks: &Clocks, clinic_id: Uuid) -> Result<Opening, RemovalError> {
    db.scoped(Scope::System, async |conn| {
        let clinic = store::lock(conn, clinic_id).await?;
        let closed_at = clinic.closed_at.ok_or(RemovalError::Open)?;
        // The journal may hold it already.
        if clinic.erase_at.is_some_and(|erase_at| erase_at <= clocks.wall.now()) {
            return Err(RemovalError::Over);
        }
        let members = store::open(conn, clinic_id, closed_at).await?;
        store::ask_for_plans(conn, clinic_id).await?;
        // Last: who is told is who belongs to it again.
        let reports = escalation::tell_again(conn, clocks, Some(clinic_id), clocks.care.now()).await?;
        audit::record(conn, clocks, Entry::by_operator(clinic_id, "clinic.open", "clinic", clinic_id)).await?;
        Ok(Opening { members, reports })
    })
    .await
}

/// Erases the clinics whose time is over, each in a transaction of its own; returns how many. One that cannot be erased holds
/// up no other.
pub async fn erase_due(db: &Db, clocks: &Clocks, journal: &Journal) -> anyhow::Result<usize> {
    let now = clocks.wall.now();
    let due = db.scoped(Scope::System, async |conn| Ok::<_, DbError>(store::list_due(conn, now).await?)).await?;
    let mut erased = 0;
    for clinic_id in due {
        let one = async |conn: &mut AsyncPgConnection| {
            // Somebody may be opening it again; once it is locked, nobody can.
            if !store::lock_due(conn, clinic_id, now).await? {
                return Ok(false);
            }
            let people = store::list_people(conn, clinic_id).await?;
            if !erase(conn, clocks, clinic_id).await? {
                return Ok(false);
            }
            let homeless = store::list_homeless(conn, &people).await?;
            for id in &homeless {
                erasure::erase(conn, clocks, *id).await?;
            }
            // Last, so that what cannot be erased is not written down.
            for id in homeless {
                journal.append(Erased::Login { id }, now).await?;
            }
            journal.append(Erased::Clinic { id: clinic_id }, now).await?;
            Ok::<_, anyhow::Error>(true)
        };
        match db.scoped(Scope::System, one).await {
            Ok(done) => erased += usize::from(done),
            Err(error) => tracing::warn!(clinic = %clinic_id, %error, "a clinic was not erased; again in an hour"),
        }
    }
    Ok(erased)
}

/// Erases a clinic with everything of it but its people's logins; whether there was one. Those that then belong to no clinic
/// are erased by [`erase_due`] and have lines of their own in the journal: after a restore nobody can tell who they were.
pub async fn erase(conn: &mut AsyncPgConnection, clocks: &Clocks, clinic_id: Uuid) -> QueryResult<bool> {
    conn.batch_execute("SET LOCAL statement_timeout = 0").await?;
    alerts::delete_alerts_of_clinic(conn, clinic_id).await?;
    if !store::delete(conn, clinic_id).await? {
        return Ok(false);
    }
    audit::record(conn, clocks, Entry::by_server(clinic_id, "clinic.erase", "clinic", clinic_id)).await?;
    Ok(true)
}
