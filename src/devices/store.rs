//! SQL over `devices`. The address itself is sealed before it comes here.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::devices;

/// Removes an address that its provider calls dead, unless it was registered anew since `registered_before`.
/// Returns whether it was removed.
pub async fn delete_dead(
    conn: &mut AsyncPgConnection,
    device: Uuid,
    registered_before: DateTime<Utc>,
) -> QueryResult<bool> {
    let dead = devices::table.filter(devices::id.eq(device).and(devices::registered_at.lt(registered_before)));
    Ok(diesel::delete(dead).execute(conn).await? > 0)
}

/// Leaves an address alone until the app registers again.
pub async fn quarantine(
    conn: &mut AsyncPgConnection,
    device: Uuid,
    reason: &str,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(devices::table.filter(devices::id.eq(device).and(devices::quarantined_at.is_null())))
        .set((devices::quarantined_at.eq(now), devices::quarantine_reason.eq(reason)))
        .execute(conn)
        .await?;
    Ok(())
}
