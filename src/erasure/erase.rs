//! Erasing a login and purging a record, for good. In the system's scope; each is whole or has not happened, and doing it again
//! does nothing.

use chrono::{DateTime, Months, Utc};
use diesel::{OptionalExtension, QueryResult};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::store::{self, Kept};
use crate::alerts::{queue, store as alerts};
use crate::audit::{self, Entry};
use crate::auth::store::{self as logins, EndedBecause};
use crate::clock::Clocks;
use crate::domain::nudge::Ending;
use crate::nudges;

/// Erases a login with everything that is the login's alone, and detaches the records behind which it stood; whether there
/// was one. The audit trail stays, in which the login is an id that names nobody.
pub async fn erase(conn: &mut AsyncPgConnection, clocks: &Clocks, user_id: Uuid) -> QueryResult<bool> {
    if logins::lock_user(conn, user_id).await.optional()?.is_none() {
        return Ok(false);
    }
    let (now, care) = (clocks.wall.now(), clocks.care.now());
    for record in store::lock_records(conn, user_id, now).await? {
        let until = record.promised.unwrap_or_else(|| kept_until(now, record.retention_years));
        detach(conn, clocks, record, until).await?;
    }
    for (clinic_id, membership_id) in store::list_memberships(conn, user_id).await? {
        queue::call_off(conn, clinic_id, membership_id, care).await?;
        audit::record(conn, clocks, Entry::by_server(clinic_id, "login.erase", "user", user_id)).await?;
    }
    store::end_memberships(conn, user_id, now).await?;
    store::forget_invitations_of(conn, user_id, now).await?;
    // For whoever is erased without having been marked, as after a restore: what goes with the login is heard of first.
    logins::end_sessions(conn, user_id, None, EndedBecause::Deletion, now).await?;
    logins::call_back_tokens(conn, user_id, now).await?;
    store::delete_login(conn, user_id).await?;
    Ok(true)
}

/// Leaves a locked record to its clinic until then: read-only, and nobody is owed, asked or told anything about it any more.
pub(super) async fn detach(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    record: Kept,
    until: DateTime<Utc>,
) -> QueryResult<()> {
    let Kept { clinic_id, patient_id, .. } = record;
    let (now, care) = (clocks.wall.now(), clocks.care.now());
    queue::call_off(conn, clinic_id, patient_id, care).await?;
    nudges::store::end_live(conn, clinic_id, patient_id, Ending::Over, care).await?;
    store::forget_use(conn, record).await?;
    store::forget_invitations_to(conn, record, now).await?;
    store::detach(conn, record, now, until).await?;
    let entry = Entry::by_server(clinic_id, "patient.detach", "patient", patient_id).about(patient_id);
    audit::record(conn, clocks, entry).await
}

/// Until when a clinic keeps a record with which it has nothing to do since `from`.
pub fn kept_until(from: DateTime<Utc>, retention_years: i32) -> DateTime<Utc> {
    let months = Months::new(12 * u32::try_from(retention_years).unwrap_or_default());
    from.checked_add_months(months).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// Removes a record and all of it: treatments, outcomes, check-ins, flags, appointments, alerts. Whether there was one. What
/// the audit trail says of it are ids.
pub async fn purge(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    clinic_id: Uuid,
    patient_id: Uuid,
) -> QueryResult<bool> {
    alerts::delete_alerts_of(conn, clinic_id, patient_id).await?;
    if !store::delete_record(conn, clinic_id, patient_id).await? {
        return Ok(false);
    }
    let entry = Entry::by_server(clinic_id, "patient.purge", "patient", patient_id).about(patient_id);
    audit::record(conn, clocks, entry).await?;
    Ok(true)
}
