//! SQL over `consents`, in the person's own scope.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{consents, users};

/// Something agreed to once.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = consents)]
pub struct Consent {
    /// Who.
    pub user_id: Uuid,
    /// Which time.
    pub id: Uuid,
    /// To what.
    pub kind: String,
    /// In which version.
    pub version: String,
    /// When (wall clock).
    pub given_at: DateTime<Utc>,
    /// When it was taken back (wall clock).
    pub withdrawn_at: Option<DateTime<Utc>>,
}

/// What stands.
pub async fn list_standing(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<Vec<Consent>> {
    consents::table
        .filter(consents::user_id.eq(user_id))
        .filter(consents::withdrawn_at.is_null())
        .order(consents::kind)
        .select(Consent::as_select())
        .load(conn)
        .await
}

/// Ends what stands of a kind, unless it is this version; whether anything of another one stood.
pub async fn withdraw_other(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    kind: &str,
    version: Option<&str>,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let standing = consents::table
        .filter(consents::user_id.eq(user_id))
        .filter(consents::kind.eq(kind))
        .filter(consents::withdrawn_at.is_null())
        .filter(consents::version.ne(version.unwrap_or_default()));
    Ok(diesel::update(standing).set(consents::withdrawn_at.eq(now)).execute(conn).await? > 0)
}

/// Writes a consent, unless one of its kind stands; whether it was written.
pub async fn insert_consent(conn: &mut AsyncPgConnection, consent: &Consent) -> QueryResult<bool> {
    let insert = diesel::insert_into(consents::table).values(consent).on_conflict_do_nothing();
    Ok(insert.execute(conn).await? == 1)
}

/// Makes changes of one person's consents wait for each other until the transaction ends: the login's row stands for them.
pub async fn lock_consents(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<()> {
    users::table.find(user_id).select(users::id).for_no_key_update().first::<Uuid>(conn).await?;
    Ok(())
}
