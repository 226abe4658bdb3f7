//! Memberships, as a login sees its own.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::domain::role::{Role, UnknownRole};
use crate::schema::{clinics, memberships, users};

/// A role at one clinic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Its id.
    pub id: Uuid,
    /// Where.
    pub clinic_id: Uuid,
    /// What the clinic calls itself.
    pub clinic_name: String,
    /// The role there.
    pub role: Role,
    /// The person's own patient record there, for patients.
    pub patient_id: Option<Uuid>,
    /// Whether nothing can be done there without a second factor.
    pub needs_second_factor: bool,
}

/// A role as the database writes it.
pub fn role(text: &str) -> QueryResult<Role> {
    text.parse().map_err(|error: UnknownRole| diesel::result::Error::DeserializationError(error.to_string().into()))
}

hot_query! {
    struct ListMemberships { user: Uuid as SqlUuid }
    returns (SqlUuid, SqlUuid, Text, Bool, Text, Nullable<SqlUuid>);
    "SELECT m.id, m.clinic_id, c.name, c.require_second_factor, m.role, r.patient_id
       FROM memberships AS m
       JOIN clinics AS c ON c.id = m.clinic_id
       LEFT JOIN my_records() AS r ON r.clinic_id = m.clinic_id
      WHERE m.user_id = $1 AND m.removed_at IS NULL
      ORDER BY m.created_at, m.id"
}

/// The login's memberships that have not ended, oldest first; with the person's records in their own scope alone.
pub async fn list_memberships(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Vec<Membership>> {
    let rows: Vec<(Uuid, Uuid, String, bool, String, Option<Uuid>)> =
        ListMemberships { user: user_id }.load(conn).await?;
    rows.into_iter()
        .map(|(id, clinic_id, clinic_name, required, text, patient_id)| {
            let role = role(&text)?;
            let patient_id = patient_id.filter(|_| role == Role::Patient);
            let needs_second_factor = required && role.is_staff();
            Ok(Membership { id, clinic_id, clinic_name, role, patient_id, needs_second_factor })
        })
        .collect()
}

/// What a clinic calls itself.
pub async fn find_clinic_name(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<String> {
    clinics::table.find(clinic_id).select(clinics::name).first(conn).await
}

/// Makes the login a member of the clinic, or one again; `None` if it is one already.
pub async fn insert_membership(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
    user_id: Uuid,
    role: Role,
    now: DateTime<Utc>,
) -> QueryResult<Option<Uuid>> {
    let ended = memberships::table
        .filter(memberships::clinic_id.eq(clinic_id))
        .filter(memberships::user_id.eq(user_id))
        .filter(memberships::removed_at.is_not_null());
    let renewed: Option<Uuid> = diesel::update(ended)
        .set((memberships::role.eq(role.as_str()), memberships::removed_at.eq(None::<DateTime<Utc>>)))
        .returning(memberships::id)
        .get_result(conn)
        .await
        .optional()?;
    if renewed.is_some() {
        return Ok(renewed);
    }
    diesel::insert_into(memberships::table)
        .values((
            memberships::clinic_id.eq(clinic_id),
            memberships::id.eq(id),
            memberships::user_id.eq(user_id),
            memberships::role.eq(role.as_str()),
            memberships::created_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .returning(memberships::id)
        .get_result(conn)
        .await
        .optional()
}

/// Makes two wait for each other until their transactions end: who becomes one of a clinic's staff, once the membership is
/// written, and who changes what the clinic asks of its staff. So the newcomer either knows of the change or is among those whom
/// it concerns. A lock beside the rows: the clinic's own is held by whoever closes it, who waits for the newcomer's invitation.
pub async fn lock_staff(conn: &mut AsyncPgConnection, clinic_id: Uuid, by: StaffLock) -> QueryResult<()> {
    let lock = match by {
        StaffLock::Newcomer => "pg_advisory_xact_lock_shared",
        StaffLock::Change => "pg_advisory_xact_lock",
    };
    // Only typed ids go into the text.
    conn.batch_execute(&format!("SELECT {lock}(hashtextextended('mendline staff of {clinic_id}', 0))")).await
}

/// Who holds [`lock_staff`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StaffLock {
    /// One of those who may come at the same time.
    Newcomer,
    /// One who changes what all of them have to do.
    Change,
}

/// Locks the logins of a clinic's members, or of its staff alone: no token is issued to them meanwhile; says whose they
/// are. By id, so that two who do this at once wait for each other.
pub async fn lock_members(conn: &mut AsyncPgConnection, clinic_id: Uuid, patients_too: bool) -> QueryResult<Vec<Uuid>> {
    let mut members = memberships::table
        .filter(memberships::clinic_id.eq(clinic_id))
        .filter(memberships::removed_at.is_null())
        .select(memberships::user_id)
        .into_boxed();
    if !patients_too {
        members = members.filter(memberships::role.ne(Role::Patient.as_str()));
    }
    let members: Vec<Uuid> = members.load(conn).await?;
    users::table
        .filter(users::id.eq_any(members))
        .order(users::id)
        .for_no_key_update()
        .select(users::id)
        .load(conn)
        .await
}
