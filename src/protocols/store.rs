//! SQL over `protocol_versions` and `protocol_texts`, and what a clinic chose among them.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{protocol_texts, protocol_versions};

/// A published version as it is kept.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = protocol_versions, check_for_backend(diesel::pg::Pg))]
pub struct StoredVersion {
    pub id: Uuid,
    pub key: String,
    pub version: i32,
    pub content_hash: Vec<u8>,
    pub structure: String,
    pub base_locale: String,
    pub registered_at: DateTime<Utc>,
}

/// A version's texts in one language as they are kept.
#[derive(Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = protocol_texts, check_for_backend(diesel::pg::Pg))]
pub struct StoredTexts {
    pub version_id: Uuid,
    pub locale: String,
    pub content_hash: Vec<u8>,
    pub texts: String,
    pub reviewed: bool,
    pub registered_at: DateTime<Utc>,
}

pub async fn find_version(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<StoredVersion>> {
    protocol_versions::table.find(id).select(StoredVersion::as_select()).first(conn).await.optional()
}

pub async fn find_hash(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<Option<Vec<u8>>> {
    protocol_versions::table.find(id).select(protocol_versions::content_hash).first(conn).await.optional()
}

pub async fn list_texts(conn: &mut AsyncPgConnection, version_id: Uuid) -> QueryResult<Vec<StoredTexts>> {
    protocol_texts::table
        .filter(protocol_texts::version_id.eq(version_id))
        .order(protocol_texts::locale)
        .select(StoredTexts::as_select())
        .load(conn)
        .await
}

/// Keeps a version unless one with its id, or its key and number, is there. Returns whether it was new.
pub async fn insert_version(conn: &mut AsyncPgConnection, version: &StoredVersion) -> QueryResult<bool> {
    let inserted =
        diesel::insert_into(protocol_versions::table).values(version).on_conflict_do_nothing().execute(conn).await?;
    Ok(inserted > 0)
}

/// Keeps texts, in place of others in the same language.
pub async fn insert_texts(conn: &mut AsyncPgConnection, texts: &StoredTexts) -> QueryResult<()> {
    use protocol_texts::dsl;
    diesel::insert_into(protocol_texts::table)
        .values(texts)
        .on_conflict((dsl::version_id, dsl::locale))
        .do_update()
        .set((
            dsl::content_hash.eq(&texts.content_hash),
            dsl::texts.eq(&texts.texts),
            dsl::reviewed.eq(texts.reviewed),
            dsl::registered_at.eq(texts.registered_at),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
