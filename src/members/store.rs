//! The SQL of memberships, as a clinic sees its members.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::domain::role::Role;
use crate::schema::{login_deletions, memberships, second_factors, users};

/// A member of the clinic.
#[derive(Debug, Clone, Queryable)]
pub struct Member {
    /// The membership.
    pub id: Uuid,
    /// The login.
    pub user_id: Uuid,
    /// The login's name.
    pub email: String,
    /// As the person wants to be called.
    pub display_name: String,
    /// The role, as stored.
    pub role: String,
    /// Since when (wall clock).
    pub created_at: DateTime<Utc>,
    /// Whether the login has a second factor.
    pub second_factor: bool,
}

/// Whether the login of the row has one that is asked for.
#[diesel::dsl::auto_type(no_type_alias)]
fn has_second_factor() -> _ {
    let confirmed = second_factors::table
        .filter(second_factors::user_id.eq(users::id))
        .filter(second_factors::confirmed_at.is_not_null());
    diesel::dsl::exists(confirmed)
}

/// A page of members in the order of their ids, which are made in the order of time.
pub async fn list_members(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    role: Option<Role>,
    after: Option<Uuid>,
    limit: i64,
) -> QueryResult<Vec<Member>> {
    let mut members = memberships::table
        .inner_join(users::table.on(users::id.eq(memberships::user_id)))
        .filter(memberships::clinic_id.eq(clinic_id))
        .filter(memberships::removed_at.is_null())
        .order(memberships::id)
        .limit(limit)
        .select((
            memberships::id,
            memberships::user_id,
            users::email,
            users::display_name,
            memberships::role,
            memberships::created_at,
            has_second_factor(),
        ))
        .into_boxed();
    if let Some(role) = role {
        members = members.filter(memberships::role.eq(role.as_str()));
    }
    if let Some(after) = after {
        members = members.filter(memberships::id.gt(after));
    }
    members.load(conn).await
}

/// One member.
pub async fn find_member(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Member> {
    memberships::table
        .inner_join(users::table.on(users::id.eq(memberships::user_id)))
        .filter(memberships::clinic_id.eq(clinic_id))
        .filter(memberships::id.eq(id))
        .filter(memberships::removed_at.is_null())
        .select((
            memberships::id,
            memberships::user_id,
            users::email,
            users::display_name,
            memberships::role,
            memberships::created_at,
            has_second_factor(),
        ))
        .first(conn)
        .await
}

/// The clinic's administrators, locked: whoever takes one away must see that another stays. One whose login is about to be
/// deleted does not.
pub async fn lock_administrators(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Vec<Uuid>> {
    let locked: Vec<(Uuid, Uuid)> = memberships::table
        .filter(memberships::clinic_id.eq(clinic_id))
        .filter(memberships::role.eq(Role::Administrator.as_str()))
        .filter(memberships::removed_at.is_null())
        .order(memberships::id)
        .for_update()
        .select((memberships::id, memberships::user_id))
        .load(conn)
        .await?;
    // A statement of its own: what was written while the lock was awaited counts.
    let logins: Vec<Uuid> = locked.iter().map(|(_, login)| *login).collect();
    let leaving = login_deletions::table.filter(login_deletions::user_id.eq_any(logins));
    let leaving: Vec<Uuid> = leaving.select(login_deletions::user_id).load(conn).await?;
    Ok(locked.into_iter().filter(|(_, login)| !leaving.contains(login)).map(|(id, _)| id).collect())
}

/// Gives a member another role.
pub async fn update_role(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid, role: Role) -> QueryResult<()> {
    diesel::update(memberships::table.find((clinic_id, id)))
        .set(memberships::role.eq(role.as_str()))
        .execute(conn)
        .await?;
    Ok(())
}

/// Ends a membership; the row stays for the record.
pub async fn delete_member(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::update(memberships::table.find((clinic_id, id))).set(memberships::removed_at.eq(now)).execute(conn).await?;
    Ok(())
}
