//! SQL over `login_deletions`, and the parts of an erasure that no slice has a statement for.

mod records;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::schema::{login_deletions, memberships, patients, users};

pub(super) use records::*;

/// A login that is about to be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = login_deletions)]
pub struct Pending {
    /// The login.
    pub user_id: Uuid,
    /// When its person asked for it (wall clock).
    pub requested_at: DateTime<Utc>,
    /// When it is final (wall clock).
    pub erase_at: DateTime<Utc>,
}

/// Whether and when the login is to be erased.
pub async fn find_pending(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Option<Pending>> {
    login_deletions::table.find(user_id).select(Pending::as_select()).first(conn).await.optional()
}

/// Marks a locked login.
pub(super) async fn insert_pending(conn: &mut AsyncPgConnection, pending: &Pending) -> QueryResult<()> {
    diesel::insert_into(login_deletions::table).values(pending).execute(conn).await?;
    Ok(())
}

/// Takes the mark away; `false` if there was none.
pub(super) async fn delete_pending(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<bool> {
    Ok(diesel::delete(login_deletions::table.find(user_id)).execute(conn).await? == 1)
}

/// Logins whose time is over, some of them.
pub(super) async fn list_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    after: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<Uuid>> {
    login_deletions::table
        .filter(login_deletions::erase_at.le(now))
        .filter(login_deletions::user_id.gt(after.unwrap_or_default()))
        .order(login_deletions::user_id)
        .limit(limit)
        .select(login_deletions::user_id)
        .load(conn)
        .await
}

/// Begins the window of every deletion anew at `now`, also of those that run on: whether they were taken back is lost. Returns
/// how many.
pub async fn put_off_all(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::sql_query("UPDATE login_deletions SET requested_at = $1, erase_at = $1 + (erase_at - requested_at)")
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await
}

/// Keeps every record whose membership the clinic ended until then at least: whether somebody was treated or invited meanwhile is
/// lost. Returns how many that puts off.
pub async fn put_off_ended(conn: &mut AsyncPgConnection, until: DateTime<Utc>) -> QueryResult<usize> {
    let ended = patients::table
        .filter(patients::unlinked_at.is_not_null())
        .filter(patients::detached_at.is_null())
        .filter(patients::user_id.is_null())
        .filter(patients::purge_at.lt(until));
    diesel::update(ended).set(patients::purge_at.eq(until)).execute(conn).await
}

/// What a login is to one clinic.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Place {
    /// The clinic.
    pub clinic_id: Uuid,
    /// What it calls itself.
    pub clinic_name: String,
    /// The membership.
    pub membership_id: Uuid,
    /// The role there, as stored.
    pub role: String,
    /// The person's record there, for patients.
    pub patient_id: Option<Uuid>,
    /// For how many years the clinic keeps the record of a patient who left.
    pub retention_years: i32,
}

hot_query! {
    struct ListPlaces { user: Uuid as SqlUuid }
    returns (SqlUuid, Text, SqlUuid, Text, Nullable<SqlUuid>, Int4);
    "SELECT m.clinic_id, c.name, m.id, m.role, r.patient_id, c.retention_years
       FROM memberships AS m
       JOIN clinics AS c ON c.id = m.clinic_id
       LEFT JOIN my_records() AS r ON r.clinic_id = m.clinic_id
      WHERE m.user_id = $1 AND m.removed_at IS NULL
      ORDER BY m.clinic_id"
}

/// What the login is to every clinic, in the person's own scope, in the order in which records are to be locked.
pub(super) async fn list_places(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Vec<Place>> {
    ListPlaces { user: user_id }.load(conn).await
}

/// A record that is about to be left to its clinic, and for how long that keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub(super) struct Kept {
    pub(super) clinic_id: Uuid,
    pub(super) patient_id: Uuid,
    pub(super) retention_years: i32,
    /// Until when, as the person was told or was written down when the clinic ended the membership.
    pub(super) promised: Option<DateTime<Utc>>,
}

/// The same as the database has it.
type KeptSql = (SqlUuid, SqlUuid, Int4, Nullable<Timestamptz>);

hot_query! {
    /// Where somebody stands behind a record that the clinic had let go, its date may be one of then: a server of the version
    /// before left it there.
    struct LockRecords {
        user: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns KeptSql;
    "SELECT p.clinic_id, p.id, c.retention_years,
            CASE WHEN p.unlinked_at IS NULL THEN p.purge_at
                 ELSE greatest(p.purge_at, $2 + make_interval(years => c.retention_years)) END
       FROM patients AS p JOIN clinics AS c ON c.id = p.clinic_id
      WHERE p.user_id = $1 ORDER BY p.clinic_id, p.id FOR UPDATE OF p"
}

/// Locks the records that a login stands behind, in the system's scope.
pub(super) async fn lock_records(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Kept>> {
    LockRecords { user: user_id, now }.load(conn).await
}

/// Every clinic that ever knew the login, its memberships there included that have ended.
pub(super) async fn list_memberships(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Vec<(Uuid, Uuid)>> {
    memberships::table
        .filter(memberships::user_id.eq(user_id))
        .order(memberships::clinic_id)
        .select((memberships::clinic_id, memberships::id))
        .load(conn)
        .await
}

/// Ends every membership. The rows stay, under an id that no longer names anybody: treatments say who gave them.
pub(super) async fn end_memberships(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let going_on =
        memberships::table.filter(memberships::user_id.eq(user_id)).filter(memberships::removed_at.is_null());
    diesel::update(going_on).set(memberships::removed_at.eq(now)).execute(conn).await?;
    Ok(())
}

/// Writes down until when a locked record is kept, as the person behind it was told, or forgets it.
pub(super) async fn update_promise(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    purge_at: Option<DateTime<Utc>>,
) -> QueryResult<()> {
    // Somebody stands behind it, whatever a server of the version before has left there.
    let promise = (patients::purge_at.eq(purge_at), patients::unlinked_at.eq(None::<DateTime<Utc>>));
    diesel::update(patients::table.find((clinic, patient))).set(promise).execute(conn).await?;
    Ok(())
}

/// Takes the login from behind a locked record for good.
pub(super) async fn detach(
    conn: &mut AsyncPgConnection,
    record: Kept,
    now: DateTime<Utc>,
    purge_at: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(patients::table.find((record.clinic_id, record.patient_id)))
        .set((
            patients::user_id.eq(None::<Uuid>),
            patients::linked_at.eq(None::<DateTime<Utc>>),
            patients::detached_at.eq(now),
            patients::purge_at.eq(purge_at),
            patients::version.eq(patients::version + 1),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

hot_query! {
    /// Open invitations to the record are void; none keeps an address.
    struct ForgetInvitations {
        user: Option<Uuid> as Nullable<SqlUuid>,
        clinic: Option<Uuid> as Nullable<SqlUuid>,
        patient: Option<Uuid> as Nullable<SqlUuid>,
        now: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", told AS (
        UPDATE invitations SET email = NULL,
               revoked_at = CASE WHEN accepted_at IS NULL THEN coalesce(revoked_at, $4) ELSE revoked_at END
         WHERE accepted_by = $1 OR clinic_id = $2 AND patient_id = $3
        RETURNING 1
    )
    SELECT count(*) FROM told"
}

/// Forgets the addresses that the login's invitations were sent to.
pub(super) async fn forget_invitations_of(
    conn: &mut AsyncPgConnection,
    user: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    ForgetInvitations { user: Some(user), clinic: None, patient: None, now }.get_result::<i64>(conn).await?;
    Ok(())
}

/// Forgets the addresses that invitations to the record were sent to, and takes back those that are open.
pub(super) async fn forget_invitations_to(
    conn: &mut AsyncPgConnection,
    record: Kept,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let (clinic, patient) = (Some(record.clinic_id), Some(record.patient_id));
    ForgetInvitations { user: None, clinic, patient, now }.get_result::<i64>(conn).await?;
    Ok(())
}

/// Forgets what is only of use while somebody uses the app: what was put off, modes, what the app was to be told of, and
/// whom to tell next of a flag.
pub(super) async fn forget_use(conn: &mut AsyncPgConnection, record: Kept) -> QueryResult<()> {
    let (clinic, patient) = (record.clinic_id, record.patient_id);
    // Only typed ids go into the text.
    conn.batch_execute(&format!(
        "DELETE FROM snoozes WHERE clinic_id = '{clinic}' AND patient_id = '{patient}';
         DELETE FROM mode_spans WHERE clinic_id = '{clinic}' AND patient_id = '{patient}';
         DELETE FROM replans WHERE clinic_id = '{clinic}' AND patient_id = '{patient}';
         DELETE FROM sync_entries WHERE clinic_id = '{clinic}' AND patient_id = '{patient}'
            AND kind = 'notification_preferences';
         DELETE FROM escalations AS e USING flags AS f
          WHERE f.clinic_id = e.clinic_id AND f.id = e.flag_id AND f.clinic_id = '{clinic}' AND f.patient_id = '{patient}'"
    ))
    .await
}

/// Deletes a locked login and, by their keys, everything that is the login's alone: sessions with their tokens, devices with
/// what they ring for, preferences, second factor and recovery codes, reset codes, calendar feeds, the mark itself.
pub(super) async fn delete_login(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<()> {
    conn.batch_execute(&format!("DELETE FROM idempotency_keys WHERE user_id = '{user_id}'")).await?;
    diesel::delete(users::table.find(user_id)).execute(conn).await?;
    Ok(())
}
