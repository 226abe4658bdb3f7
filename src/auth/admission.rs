//! Whether somebody who has shown who they are gets in, though their login may be about to be deleted.

use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::entry::Tools;
use super::refusal::Refusal;
use crate::erasure;

/// Lets in whoever stays. `cancels` takes the deletion back, on a login that the caller has locked; without it nobody gets past
/// one that is pending.
pub async fn admit(
    conn: &mut AsyncPgConnection,
    tools: Tools<'_>,
    user_id: Uuid,
    cancels: bool,
) -> Result<(), Refusal> {
    match (erasure::find_pending(conn, user_id).await?, cancels) {
        (None, false) => Ok(()),
        (None, true) => Err(Refusal::NothingToCancel),
        (Some(pending), false) => Err(Refusal::DeletionPending(pending.erase_at)),
        // It is final, and may stand in the journal already.
        (Some(pending), true) if pending.erase_at <= tools.clocks.wall.now() => Err(Refusal::NothingToCancel),
        (Some(_), true) => Ok(erasure::cancel(conn, tools.clocks, tools.catalogue, user_id).await?),
    }
}
