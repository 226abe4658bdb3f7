//! Records that nobody stands behind since their clinic ended the membership. The clinic may work with such a record, and invite
//! somebody to it again, until the years are over for which it keeps a record: they are counted from the end of the membership,
//! and anew from the last visit after it (docs/adr/0051). While an invitation is open it stays as well.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::erase::{detach, kept_until};
use super::store;
use crate::clock::Clocks;

/// Detaches such a record if its time is over; whether it did. From then on nothing can be done to it that would call its end
/// off. One that had a visit since, or that somebody is invited to, is kept for longer instead.
pub(super) async fn detach_ended(
    conn: &mut AsyncPgConnection,
    clocks: &Clocks,
    clinic_id: Uuid,
    patient_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let Some(record) = store::lock_ended(conn, clinic_id, patient_id, now).await? else { return Ok(false) };
    // Statements of their own: the lock may have waited for whoever writes a visit or invites.
    let visit = store::find_last_visit(conn, clinic_id, patient_id).await?;
    let invited = store::find_last_invitation(conn, clinic_id, patient_id, now).await?;
    let until = visit.map(|visit| kept_until(visit, record.retention_years)).max(invited);
    if let Some(until) = until.filter(|until| *until > now) {
        store::put_off(conn, record, until).await?;
        return Ok(false);
    }
    detach(conn, clocks, record, record.promised.unwrap_or(now)).await?;
    Ok(true)
}
