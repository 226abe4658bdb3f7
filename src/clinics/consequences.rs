//! What else follows from an edit of the clinic, in the transaction that makes it.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::Clinic;
use crate::auth::store::{self as logins, StaffLock};
use crate::clock::Clocks;
use crate::{escalation, planning};

/// Logins whose access tokens issued before a moment are void.
pub type CalledBack = (Vec<Uuid>, DateTime<Utc>);

/// Plans that depend on the clinic's quiet hours are asked for anew, and urgent flags that wait are looked at again: by the
/// new figures a step may be due. Staff without a second factor get other tokens when the clinic begins or ceases to want
/// one; whose, is said.
pub async fn draw(
    conn: &mut AsyncPgConnection,
    before: &Clinic,
    after: &Clinic,
    clocks: &Clocks,
) -> QueryResult<Option<CalledBack>> {
    if (after.quiet_from, after.quiet_to) != (before.quiet_from, before.quiet_to) {
        planning::ask_for_clinic(conn, after.id).await?;
    }
    let called_back = if after.require_second_factor == before.require_second_factor {
        None
    } else {
        logins::lock_staff(conn, after.id, StaffLock::Change).await?;
        let staff = logins::lock_members(conn, after.id, false).await?;
        let at = clocks.wall.now();
        Some((logins::call_back_bare_tokens(conn, &staff, at).await?, at))
    };
    // Last: whoever leaves locks their login first as well, and then what waits at their clinics.
    escalation::hasten(conn, after.id, clocks.care.now()).await?;
    Ok(called_back)
}
