//! Reading the trail: a clinic's, one patient's part of it, one day of it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::schema::{audit, users};

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = audit)]
pub struct Line {
    /// When (wall clock).
    pub at: DateTime<Utc>,
    /// Tells entries of one instant apart.
    pub id: Uuid,
    /// The clinic.
    pub clinic_id: Uuid,
    /// The login that acted.
    pub actor_id: Option<Uuid>,
    /// Its role then.
    pub actor_role: String,
    /// What was done.
    pub action: String,
    /// To what kind of thing.
    pub subject_kind: String,
    /// To which one.
    pub subject_id: Uuid,
    /// Whose record was touched.
    pub patient_id: Option<Uuid>,
    /// The request.
    pub request_id: Option<Uuid>,
    /// Where it came from.
    pub address: Option<String>,
}

/// The place of an entry in the trail, newest first.
pub type Position = (DateTime<Utc>, Uuid);

/// Which entries are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Touching this record.
    pub patient_id: Option<Uuid>,
    /// By this login.
    pub actor_id: Option<Uuid>,
    /// Of this kind.
    pub action: Option<String>,
    /// From this moment on.
    pub from: Option<DateTime<Utc>>,
    /// Before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// A page of a clinic's trail, newest first.
pub async fn list_trail(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    filter: Filter,
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<Line>> {
    let mut query = audit::table
        .filter(audit::clinic_id.eq(clinic_id))
        .select(Line::as_select())
        .order((audit::at.desc(), audit::id.desc()))
        .limit(limit)
        .into_boxed();
    if let Some(patient_id) = filter.patient_id {
        query = query.filter(audit::patient_id.eq(patient_id));
    }
    if let Some(actor_id) = filter.actor_id {
        query = query.filter(audit::actor_id.eq(actor_id));
    }
    if let Some(action) = filter.action {
        query = query.filter(audit::action.eq(action));
    }
    if let Some(from) = filter.from {
        query = query.filter(audit::at.ge(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(audit::at.lt(to));
    }
    if let Some((at, id)) = after {
        // The bound alone is what an index and the choice of partitions can use.
        query = query.filter(audit::at.le(at));
        query = query.filter(audit::at.lt(at).or(audit::at.eq(at).and(audit::id.lt(id))));
    }
    query.load(conn).await
}

/// A page of what others did with a patient's record, newest first.
pub async fn list_looks(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<Line>> {
    let mut query = audit::table
        .filter(audit::clinic_id.eq(clinic_id).and(audit::patient_id.eq(patient_id)))
        .filter(audit::actor_role.eq_any(["clinician", "administrator", "operator"]))
        .select(Line::as_select())
        .order((audit::at.desc(), audit::id.desc()))
        .limit(limit)
        .into_boxed();
    if let Some((at, id)) = after {
        // The bound alone is what an index and the choice of partitions can use.
        query = query.filter(audit::at.le(at));
        query = query.filter(audit::at.lt(at).or(audit::at.eq(at).and(audit::id.lt(id))));
    }
    query.load(conn).await
}

/// Some of a clinic's entries from `from` on and before `to`, oldest first, after a position.
pub async fn list_in_order(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
    after: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<Line>> {
    let mut query = audit::table
        .filter(audit::clinic_id.eq(clinic_id))
        .filter(audit::at.ge(from).and(audit::at.lt(to)))
        .select(Line::as_select())
        .order((audit::at, audit::id))
        .limit(limit)
        .into_boxed();
    if let Some((at, id)) = after {
        // The bound alone is what an index and the choice of partitions can use.
        query = query.filter(audit::at.ge(at));
        query = query.filter(audit::at.gt(at).or(audit::at.eq(at).and(audit::id.gt(id))));
    }
    query.load(conn).await
}

/// When the first entry of a clinic was made.
pub async fn find_first(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Option<DateTime<Utc>>> {
    audit::table
        .filter(audit::clinic_id.eq(clinic_id))
        .select(audit::at)
        .order((audit::at, audit::id))
        .first(conn)
        .await
        .optional()
}

/// When the last one was.
pub async fn find_last(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Option<DateTime<Utc>>> {
    audit::table
        .filter(audit::clinic_id.eq(clinic_id))
        .select(audit::at)
        .order((audit::at.desc(), audit::id.desc()))
        .first(conn)
        .await
        .optional()
}

hot_query! {
    struct NamesOfMembers { logins: Vec<Uuid> as Array<SqlUuid> }
    returns (SqlUuid, Text);
    "SELECT user_id, display_name FROM names_of_members($1)"
}

/// What the logins behind these entries are called today, of former members too; those that are gone are not among them. In the
/// clinic's scope.
pub async fn list_names(conn: &mut AsyncPgConnection, lines: &[Line]) -> QueryResult<Vec<(Uuid, String)>> {
    let mut ids: Vec<Uuid> = lines.iter().filter_map(|line| line.actor_id).collect();
    ids.sort_unstable();
    ids.dedup();
    NamesOfMembers { logins: ids }.load(conn).await
}

/// The language of somebody's login.
pub async fn find_locale(conn: &mut AsyncPgConnection, user_id: Uuid) -> QueryResult<String> {
    users::table.filter(users::id.eq(user_id)).select(users::locale).first(conn).await
}
