//! Withdrawing a version, for one clinic. Retired: no new treatment gets it, running ones go on. Recalled: nothing more is
//! told by it either. Each in a transaction of its own with its line in the audit trail; repeating it changes nothing.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::catalogue::{CatalogueError, Published};
use super::store::{self, Withdrawal};
use crate::alerts::queue;
use crate::audit::{self, Entry};
use crate::auth::extract::Caller;
use crate::clinics;
use crate::db::{DbError, Scope};
use crate::planning::{self, Tools};

/// Why nothing was withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum WithdrawError {
    /// The clinic's default protocol would have no version left.
    #[error("the clinic's default protocol would be gone")]
    Default,
    /// What is left could not be read.
    #[error(transparent)]
    Protocol(#[from] CatalogueError),
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for WithdrawError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Retires a version.
pub async fn retire(
    tools: Tools<'_>,
    caller: &Caller,
    version: &Published,
    because: &str,
) -> Result<Withdrawal, WithdrawError> {
    let scope = Scope::Clinic(caller.clinic_id);
    tools.db.scoped(scope, async |conn| retired(conn, tools, caller, version.id, because).await).await
}

async fn retired(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    caller: &Caller,
    version_id: Uuid,
    because: &str,
) -> Result<Withdrawal, WithdrawError> {
    // Whoever changes the clinic's default waits, and so do others who withdraw.
    clinics::store::lock_clinic(conn, caller.clinic_id).await?;
    if let Some(withdrawal) = store::lock_withdrawal(conn, caller.clinic_id, version_id).await? {
        return Ok(withdrawal);
    }
    let withdrawal = Withdrawal {
        clinic_id: caller.clinic_id,
        version_id,
        retired_at: tools.clocks.wall.now(),
        retired_by: caller.user_id,
        retired_because: because.to_owned(),
        recalled_at: None,
        recalled_by: None,
        recalled_because: None,
    };
    store::put_withdrawal(conn, &withdrawal).await?;
    let choice = store::find_choice(conn, caller.clinic_id, None).await?;
    if tools.catalogue.chosen(conn, &choice).await?.is_none() {
        return Err(WithdrawError::Default);
    }
    let entry = Entry::by(caller, "protocol_version.retire", "protocol_version", version_id);
    audit::record(conn, tools.clocks, entry).await?;
    Ok(withdrawal)
}

/// What a recall has done.
#[derive(Debug)]
pub struct Recalled {
    /// The withdrawal.
    pub withdrawal: Withdrawal,
    /// How many alerts were called off.
    pub alerts: usize,
    /// How many patients are treated by the version.
    pub patients: usize,
}

/// Recalls a version: retires it and calls off what is still owed by it.
///
/// Plans that are being made meanwhile may not have seen the recall. Whoever is putting a treatment under the version holds
/// its row, for which the first transaction waits; everybody else holds their patient's, for which the second one waits
/// before it calls off. What is planned later knows. Alerts are locked by nobody who does not hold their patient.
pub async fn recall(
    tools: Tools<'_>,
    caller: &Caller,
    version: &Published,
    because: &str,
) -> Result<Recalled, WithdrawError> {
    let (scope, clinic_id, id) = (Scope::Clinic(caller.clinic_id), caller.clinic_id, version.id);
    let now = tools.clocks.care.now();
    let withdrawal = tools
        .db
        .scoped(scope, async |conn| {
            store::lock_version(conn, id).await?;
            let mut withdrawal = retired(conn, tools, caller, id, because).await?;
            if withdrawal.recalled_at.is_none() {
                withdrawal.recalled_at = Some(tools.clocks.wall.now());
                withdrawal.recalled_by = Some(caller.user_id);
                withdrawal.recalled_because = Some(because.to_owned());
                store::put_withdrawal(conn, &withdrawal).await?;
                let entry = Entry::by(caller, "protocol_version.recall", "protocol_version", id);
                audit::record(conn, tools.clocks, entry).await?;
            }
            // Should nobody come to the second transaction, a worker calls off what it would have.
            planning::ask_for_version(conn, clinic_id, id).await?;
            Ok::<_, WithdrawError>(withdrawal)
        })
        .await?;
    let (patients, alerts) = tools
        .db
        .scoped(scope, async |conn| {
            let patients = store::lock_patients_of(conn, clinic_id, id).await?;
            // What is told together with what was called off is planned anew.
            planning::ask_for_version(conn, clinic_id, id).await?;
            Ok::<_, WithdrawError>((patients, queue::recall(conn, clinic_id, id, now).await?))
        })
        .await?;
    Ok(Recalled { withdrawal, alerts, patients })
}
