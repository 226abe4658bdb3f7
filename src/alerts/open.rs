//! Somebody opened an alert: the first time is noted, and the device they hold is known to be in use.

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::queue;
use crate::auth::extract::Caller;
use crate::clock::Clocks;
use crate::devices;

/// Notes that the caller opened an alert of theirs.
pub async fn open(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    caller: &Caller,
    alert: Uuid,
) -> diesel::QueryResult<()> {
    let now: DateTime<Utc> = clocks.care.now();
    let whose = (caller.patient_id, caller.membership_id);
    queue::mark_opened(conn, caller.clinic_id, whose, alert, now).await?;
    devices::store::mark_opened(conn, caller.user_id, alert, now).await?;
    devices::store::touch(conn, caller.session_id, clocks.wall.now()).await
}
