//! What else follows from an edit of the clinic, in the transaction that makes it.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::store::Clinic;
use crate::{escalation, planning};

/// Plans that depend on the clinic's quiet hours are asked for anew, and urgent flags that wait are looked at again: by the
/// new figures a step may be due.
pub async fn draw(
    conn: &mut AsyncPgConnection,
    before: &Clinic,
    after: &Clinic,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    if (after.quiet_from, after.quiet_to) != (before.quiet_from, before.quiet_to) {
        planning::ask_for_clinic(conn, after.id).await?;
    }
    escalation::hasten(conn, after.id, now).await
}
