//! The SQL of a clinic that leaves.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::schema::{clinics, memberships, patients};

/// A clinic as far as its end asks.
#[derive(Debug, Clone, Queryable)]
pub(super) struct Leaving {
    /// What it calls itself.
    pub(super) name: String,
    /// When it was closed.
    pub(super) closed_at: Option<DateTime<Utc>>,
}

/// A clinic, locked.
pub(super) async fn lock(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<Leaving> {
    clinics::table.find(clinic).for_no_key_update().select((clinics::name, clinics::closed_at)).first(conn).await
}

/// Nobody belongs to the locked clinic any more, nobody can join it, no calendar reads it; returns how many people belonged to
/// it. Rounds through its patients begin again when it is opened again.
pub(super) async fn close(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    at: DateTime<Utc>,
    erase_at: DateTime<Utc>,
) -> QueryResult<usize> {
    diesel::update(clinics::table.find(clinic))
        .set((clinics::closed_at.eq(at), clinics::erase_at.eq(erase_at)))
        .execute(conn)
        .await?;
    conn.batch_execute(&format!(
        "UPDATE invitations SET revoked_at = '{at}' WHERE clinic_id = '{clinic}' AND accepted_at IS NULL AND revoked_at IS NULL;
         DELETE FROM reset_codes WHERE clinic_id = '{clinic}';
         DELETE FROM calendar_feeds WHERE clinic_id = '{clinic}';
         DELETE FROM replans WHERE clinic_id = '{clinic}';
         DELETE FROM nudge_rounds WHERE clinic_id = '{clinic}'",
        at = at.to_rfc3339(),
    ))
    .await?;
    let members = memberships::clinic_id.eq(clinic).and(memberships::removed_at.is_null());
    diesel::update(memberships::table.filter(members)).set(memberships::removed_at.eq(at)).execute(conn).await
}

/// Whoever belonged to the locked clinic when it was closed belongs to it again; returns how many people those are.
pub(super) async fn open(conn: &mut AsyncPgConnection, clinic: Uuid, closed_at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(clinics::table.find(clinic))
        .set((clinics::closed_at.eq(None::<DateTime<Utc>>), clinics::erase_at.eq(None::<DateTime<Utc>>)))
        .execute(conn)
        .await?;
    let members = memberships::clinic_id.eq(clinic).and(memberships::removed_at.eq(closed_at));
    diesel::update(memberships::table.filter(members))
        .set(memberships::removed_at.eq(None::<DateTime<Utc>>))
        .execute(conn)
        .await
}

/// Clinics whose time is over.
pub(super) async fn list_due(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<Vec<Uuid>> {
    clinics::table.filter(clinics::erase_at.le(now)).order(clinics::id).select(clinics::id).load(conn).await
}

/// Locks a clinic whose time is still over; `false` if there is none.
pub(super) async fn lock_due(conn: &mut AsyncPgConnection, clinic: Uuid, now: DateTime<Utc>) -> QueryResult<bool> {
    let due = clinics::table.find(clinic).filter(clinics::erase_at.le(now)).for_update();
    let found: Option<Uuid> = due.select(clinics::id).first(conn).await.optional()?;
    Ok(found.is_some())
}

/// Every login that ever had to do with the clinic.
pub(super) async fn list_people(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<Vec<Uuid>> {
    memberships::table
        .filter(memberships::clinic_id.eq(clinic))
        .select(memberships::user_id)
        .distinct()
        .order(memberships::user_id)
        .load(conn)
        .await
}

/// Those of them who belong, and belonged, to no clinic.
pub(super) async fn list_homeless(conn: &mut AsyncPgConnection, people: &[Uuid]) -> QueryResult<Vec<Uuid>> {
    use crate::schema::users;
    let at_home = memberships::table.filter(memberships::user_id.eq(users::id)).select(memberships::id);
    let known = patients::table.filter(patients::user_id.eq(users::id.nullable())).select(patients::id);
    users::table
        .filter(users::id.eq_any(people))
        .filter(diesel::dsl::not(diesel::dsl::exists(at_home)))
        .filter(diesel::dsl::not(diesel::dsl::exists(known)))
        .order(users::id)
        .select(users::id)
        .load(conn)
        .await
}

/// What is deleted by name, in this order, so that nothing is left that holds the next; all else of a clinic goes with these by
/// its keys. A test walks the catalogue for what is forgotten.
const TABLES: [&str; 13] = [
    "treatments",
    "appointments",
    "courses",
    "patients",
    "idempotency_keys",
    "invitations",
    "calendar_feeds",
    "reset_codes",
    "sessions",
    "accepted_locales",
    "protocol_withdrawals",
    "protocol_drafts",
    "memberships",
];

/// Deletes a clinic and all of it but alerts, its protocols with the clinic's own row; `false` if there was none.
pub(super) async fn delete(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<bool> {
    for table in TABLES {
        conn.batch_execute(&format!("DELETE FROM {table} WHERE clinic_id = '{clinic}'")).await?;
    }
    Ok(diesel::delete(clinics::table.find(clinic)).execute(conn).await? == 1)
}
