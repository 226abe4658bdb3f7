//! SQL over `protocol_drafts`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::Int8;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::protocol_drafts;

/// A draft as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = protocol_drafts, check_for_backend(diesel::pg::Pg))]
pub struct Draft {
    /// The clinic.
    pub clinic_id: Uuid,
    /// What the version will be known by.
    pub id: Uuid,
    /// What it calls itself, where it says so.
    pub key: Option<String>,
    /// Which version it calls itself, where it says so.
    pub number: Option<i32>,
    /// `protocol.toml`.
    pub structure: String,
    /// Languages of the texts,
    pub locales: Vec<String>,
    /// and the texts of each.
    pub texts: Vec<String>,
    /// Counts edits.
    pub version: i32,
    /// Who began it.
    pub created_by: Uuid,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Who edited it last.
    pub updated_by: Uuid,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// A draft in a list.
#[derive(Debug, Queryable)]
pub struct Listed {
    /// The draft.
    pub id: Uuid,
    /// What it calls itself, where it says so.
    pub key: Option<String>,
    /// Which version it calls itself, where it says so.
    pub number: Option<i32>,
    /// Languages of its texts.
    pub locales: Vec<String>,
    /// Bytes of all its files.
    pub size_bytes: i64,
    /// Counts edits.
    pub version: i32,
    /// Who edited it last.
    pub updated_by: Uuid,
    /// When.
    pub updated_at: DateTime<Utc>,
}

/// The clinic's drafts, the one edited last first.
pub async fn list_drafts(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Vec<Listed>> {
    use protocol_drafts::dsl;
    let size = diesel::dsl::sql::<Int8>("(octet_length(structure) + octet_length(array_to_string(texts, '')))::int8");
    protocol_drafts::table
        .filter(dsl::clinic_id.eq(clinic_id))
        .order((dsl::updated_at.desc(), dsl::id))
        .select((dsl::id, dsl::key, dsl::number, dsl::locales, size, dsl::version, dsl::updated_by, dsl::updated_at))
        .load(conn)
        .await
}

/// How many drafts the clinic has. Under the clinic's lock nobody adds one meanwhile.
pub async fn count_drafts(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<i64> {
    protocol_drafts::table.filter(protocol_drafts::clinic_id.eq(clinic_id)).count().get_result(conn).await
}

pub async fn find_draft(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Draft> {
    protocol_drafts::table.find((clinic_id, id)).select(Draft::as_select()).first(conn).await
}

/// The same, locked until the transaction ends.
pub async fn lock_draft(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Draft> {
    protocol_drafts::table.find((clinic_id, id)).for_update().select(Draft::as_select()).first(conn).await
}

pub async fn insert_draft(conn: &mut AsyncPgConnection, draft: &Draft) -> QueryResult<()> {
    diesel::insert_into(protocol_drafts::table).values(draft).execute(conn).await?;
    Ok(())
}

/// Writes what an edit changed.
pub async fn update_draft(conn: &mut AsyncPgConnection, draft: &Draft) -> QueryResult<()> {
    use protocol_drafts::dsl;
    diesel::update(protocol_drafts::table.find((draft.clinic_id, draft.id)))
        .set((
            dsl::key.eq(&draft.key),
            dsl::number.eq(draft.number),
            dsl::structure.eq(&draft.structure),
            dsl::locales.eq(&draft.locales),
            dsl::texts.eq(&draft.texts),
            dsl::version.eq(draft.version),
            dsl::updated_by.eq(draft.updated_by),
            dsl::updated_at.eq(draft.updated_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets a draft; returns whether there was one.
pub async fn delete_draft(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<bool> {
    Ok(diesel::delete(protocol_drafts::table.find((clinic_id, id))).execute(conn).await? > 0)
}
