//! What must happen before servers start on a database that came back from a backup: it believes to live at the moment of
//! the backup, and owes, trusts and knows what it did then. All of it is one transaction, done once for each restore. What is
//! decided about each kind of thing, and why, is said in docs/adr/0048.

mod erased;
mod store;

use chrono::{DateTime, Utc};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use serde::Serialize;

use crate::alerts::queue;
use crate::audit::{self, Entry};
use crate::auth::store as logins;
use crate::clinics::removal;
use crate::clock::Clocks;
use crate::db::{Db, DbError, Scope, hold_off};
use crate::erasure::store as deletions;
use crate::escalation;
use crate::journal;
use crate::nudges;
use crate::offline::store as offline;
use erased::ErasedAgain;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum AfterRestoreError {
    /// What is running would send meanwhile what is being called off.
    #[error("{} on this database, as {}: stop every server and close every session first", match .0.len() {
        1 => "somebody else is".to_owned(),
        others => format!("{others} others are"),
    }, .0.join(", "))]
    NotAlone(Vec<String>),
    /// The other one does all of it.
    #[error("another after-restore is at work: wait for it to end")]
    AtWork,
    /// A backup knows nothing of what came after it.
    #[error("this database knows of {latest}, which is later: it was not restored to that moment")]
    KnowsLater {
        /// The last moment that it knows of.
        latest: DateTime<Utc>,
    },
    /// Nothing was backed up in the future.
    #[error("that moment has not come yet")]
    Future,
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for AfterRestoreError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The last moment that the backup knows of: what came after it is lost.
    pub restored_to: DateTime<Utc>,
    /// When this was done.
    pub followed_up_at: DateTime<Utc>,
    /// It had been done before, and nothing has happened since: nothing was done but what the journal told of.
    pub done_before: bool,
    /// What was done this time.
    #[serde(flatten)]
    pub done: Done,
}

/// How much of what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// Alerts that were due and are not sent, since they may have been.
    pub alerts_forgone: usize,
    /// Reports that nobody had seen, of which staff are told again.
    pub reports_told_again: usize,
    /// Rounds through a clinic's patients that wait for their next day.
    pub rounds_put_off: usize,
    /// Logins whose access tokens are void.
    pub tokens_called_back: usize,
    /// Codes for forgotten passwords that are void: they may have been used.
    pub reset_codes_void: usize,
    /// Patients whose apps read everything anew.
    pub apps_to_resync: usize,
    /// Clinics, in whose audit trails it stands.
    pub clinics: usize,
    /// What the journal told of and was there again.
    pub erased_again: ErasedAgain,
    /// Deletions of logins and clinics that are not final yet: they may have been taken back, and their window begins anew. And
    /// records whose membership the clinic ended and that would have gone within such a window.
    pub deletions_put_off: usize,
}

/// Does all of it. `restored_to` is what the operator knows of the backup; where that is not said, the last trace of
/// anybody in it counts. What `erased` names is erased again, also where all else has been done before.
pub async fn follow_up(
    db: &Db,
    clocks: &Clocks,
    restored_to: Option<DateTime<Utc>>,
    erased: &[journal::Entry],
) -> Result<Report, AfterRestoreError> {
    db.scoped(Scope::System, async |conn| {
        conn.batch_execute("SET LOCAL statement_timeout = 0").await?;
        // First: whoever is there is seen below, and nobody comes after that.
        if !hold_off(conn).await? {
            return Err(AfterRestoreError::AtWork);
        }
        let others = store::list_others(conn).await?;
        if !others.is_empty() {
            return Err(AfterRestoreError::NotAlone(others));
        }
        let latest = store::find_latest_trace(conn).await?;
        let last = store::find_last(conn).await?;
        let before = last.filter(|(_, followed_up_at)| latest.is_none_or(|latest| latest <= *followed_up_at));
        let restored_to = match before {
            Some((restored_to, _)) => restored_to,
            None => checked(restored_to, latest, clocks.wall.now())?,
        };
        // First: whoever is gone is told nothing, and told of no more.
        let erased_again = erased::erase_again(conn, clocks, erased).await?;
        let mut done = Done { erased_again, ..Done::default() };
        if let Some((_, followed_up_at)) = before.filter(|_| done == Done::default()) {
            return Ok(Report { restored_to, followed_up_at, done_before: true, done });
        }
        if before.is_none() {
            done = everything(conn, clocks, done).await?;
        }
        // Last, so that its moment is after all that this has left.
        let followed_up_at = clocks.wall.now();
        store::insert(conn, clocks.fresh_id(), restored_to, followed_up_at).await?;
        Ok(Report { restored_to, followed_up_at, done_before: before.is_some(), done })
    })
    .await
}

fn checked(
    named: Option<DateTime<Utc>>,
    latest: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, AfterRestoreError> {
    match (named, latest) {
        (Some(named), _) if named > now => Err(AfterRestoreError::Future),
        (Some(named), Some(latest)) if named < latest => Err(AfterRestoreError::KnowsLater { latest }),
        (named, latest) => Ok(named.or(latest).unwrap_or(now)),
    }
}

async fn everything(conn: &mut AsyncPgConnection, clocks: &Clocks, done: Done) -> Result<Done, AfterRestoreError> {
    let (care, wall) = (clocks.care.now(), clocks.wall.now());
    // Before anything new is owed: what is told again is due at this very moment.
    let alerts_forgone = queue::forgo(conn, care).await?;
    let mut done = Done {
        alerts_forgone,
        reports_told_again: escalation::tell_again(conn, clocks, None, care).await?,
        rounds_put_off: nudges::put_off_due(conn, care).await?,
        tokens_called_back: logins::call_back_all_tokens(conn, wall).await?,
        reset_codes_void: logins::delete_open_reset_codes(conn).await?,
        apps_to_resync: offline::forget_all(conn).await?,
        deletions_put_off: deletions::put_off_all(conn, wall).await?
            + deletions::put_off_ended(conn, wall + removal::WINDOW).await?
            + store::put_off_clinics(conn, wall).await?,
        ..done
    };
    logins::use_all_steps(conn, wall).await?;
    for clinic in store::list_clinics(conn).await? {
        audit::record(conn, clocks, Entry::by_operator(clinic, "clinic.after_restore", "clinic", clinic)).await?;
        done.clinics += 1;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn a_backup_is_of_its_last_trace_or_of_a_later_moment_that_has_been() {
        let (latest, now) = (Some(at(10)), at(20));
        assert_eq!(checked(None, latest, now).unwrap(), at(10));
        assert_eq!(checked(Some(at(10)), latest, now).unwrap(), at(10));
        assert_eq!(checked(Some(at(20)), latest, now).unwrap(), at(20));
        assert_eq!(checked(None, None, now).unwrap(), now, "an empty one is of any moment");
        assert!(
            matches!(checked(Some(at(9)), latest, now), Err(AfterRestoreError::KnowsLater { latest }) if latest == at(10))
        );
        assert!(matches!(checked(Some(at(21)), latest, now), Err(AfterRestoreError::Future)));
    }

    #[test]
    fn who_is_in_the_way_is_named() {
        let said = |others: &[&str]| {
            AfterRestoreError::NotAlone(others.iter().map(|name| (*name).to_owned()).collect()).to_string()
        };
        assert!(said(&["api"]).starts_with("somebody else is on this database, as api: stop"));
        assert!(said(&["api", "worker"]).starts_with("2 others are on this database, as api, worker: stop"));
    }
}
