//! What the journal of deletions tells of is erased again. Erasing twice is erasing once, so all of it is followed, also what
//! was erased before the backup was made.

use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use serde::Serialize;

use crate::clinics::removal;
use crate::clock::Clocks;
use crate::erasure;
use crate::journal::{Entry, Erased};

/// What the backup had brought back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct ErasedAgain {
    /// Logins.
    pub logins: usize,
    /// Patients' records.
    pub patients: usize,
    /// Clinics.
    pub clinics: usize,
}

/// Erases it again, in the order in which it was erased.
pub(super) async fn erase_again(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    entries: &[Entry],
) -> QueryResult<ErasedAgain> {
    let mut again = ErasedAgain::default();
    for entry in entries {
        match entry.erased {
            Erased::Login { id } => again.logins += usize::from(erasure::erase(conn, clocks, id).await?),
            Erased::Patient { clinic_id, id } => {
                again.patients += usize::from(erasure::purge(conn, clocks, clinic_id, id).await?);
            }
            // Its people have lines of their own: who is at no other clinic here may be by now.
            Erased::Clinic { id } => again.clinics += usize::from(removal::erase(conn, clocks, id).await?),
        }
    }
    Ok(again)
}
