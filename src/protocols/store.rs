//! SQL over `protocol_versions` and `protocol_texts`, and what a clinic chose among them.

mod accepted;
mod withdrawn;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Nullable, Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

pub use accepted::{Acceptance, insert_acceptance, list_acceptances, list_accepted, update_withdrawn};
pub use withdrawn::{Withdrawal, list_withdrawals, lock_patients_of, lock_version, lock_withdrawal, put_withdrawal};

use crate::db::hot::hot_query;
use crate::schema::{clinics, protocol_texts, protocol_versions, users};

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
    pub clinic_id: Option<Uuid>,
    pub published_by: Option<Uuid>,
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

/// Who reads, and what the clinic chose.
#[derive(Debug, Queryable)]
pub struct ReaderRow {
    pub locale: String,
    pub clinic_locale: String,
    pub default_protocol: String,
}

pub async fn find_reader(conn: &mut AsyncPgConnection, clinic_id: Uuid, user_id: Uuid) -> QueryResult<ReaderRow> {
    users::table
        .inner_join(clinics::table.on(clinics::id.eq(clinic_id)))
        .filter(users::id.eq(user_id))
        .select((users::locale, clinics::locale, clinics::default_protocol))
        .first(conn)
        .await
}

/// Which protocol new treatments of a clinic get.
#[derive(Debug, Clone, Queryable)]
pub struct Choice {
    /// Its key.
    pub key: String,
    /// The newest of the clinic's own versions of that name; none for built-ins, and for names that nothing bears.
    pub own: Option<Uuid>,
    /// Versions that the clinic has withdrawn.
    pub withdrawn: Vec<Uuid>,
}

hot_query! {
    struct FindChoice {
        clinic: Uuid as SqlUuid,
        key: Option<String> as Nullable<Text>,
    }
    returns (Text, Nullable<SqlUuid>, Array<SqlUuid>);
    ", wanted AS (SELECT coalesce($2, default_protocol) AS key FROM clinics WHERE id = $1),
    withdrawn AS (SELECT version_id FROM protocol_withdrawals WHERE clinic_id = $1)
    SELECT wanted.key,
           (SELECT v.id FROM protocol_versions AS v
             WHERE v.clinic_id = $1 AND v.key = wanted.key AND v.id NOT IN (SELECT version_id FROM withdrawn)
             ORDER BY v.version DESC LIMIT 1),
           ARRAY(SELECT version_id FROM withdrawn)
      FROM wanted"
}

/// What a clinic's new treatments get under a key, or under that of its default protocol.
pub async fn find_choice(mut conn: &AsyncPgConnection, clinic: Uuid, key: Option<&str>) -> QueryResult<Choice> {
    FindChoice { clinic, key: key.map(str::to_owned) }.get_result(&mut conn).await
}

/// Every version that a clinic may see, by key, the newest first.
pub async fn list_ids(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Vec<Uuid>> {
    protocol_versions::table
        .filter(protocol_versions::clinic_id.is_null().or(protocol_versions::clinic_id.eq(clinic_id)))
        .order((protocol_versions::key, protocol_versions::version.desc()))
        .select(protocol_versions::id)
        .load(conn)
        .await
}

/// The version of that name that a clinic may see. Own names and those of built-ins never meet.
pub async fn find_id(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    key: &str,
    number: i32,
) -> QueryResult<Option<Uuid>> {
    protocol_versions::table
        .filter(protocol_versions::clinic_id.is_null().or(protocol_versions::clinic_id.eq(clinic_id)))
        .filter(protocol_versions::key.eq(key).and(protocol_versions::version.eq(number)))
        .select(protocol_versions::id)
        .first(conn)
        .await
        .optional()
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

/// The number of a clinic's newest version of a protocol, and how many versions of all its protocols there are.
pub async fn find_newest(conn: &mut AsyncPgConnection, clinic_id: Uuid, key: &str) -> QueryResult<(Option<i32>, i64)> {
    use diesel::dsl::{count_star, max};
    let own = protocol_versions::table.filter(protocol_versions::clinic_id.eq(clinic_id));
    let newest = own.filter(protocol_versions::key.eq(key)).select(max(protocol_versions::version)).first(conn).await?;
    Ok((newest, own.select(count_star()).first(conn).await?))
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
