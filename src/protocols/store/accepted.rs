//! SQL over `accepted_locales`: in which unreviewed words a clinic's people are spoken to.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Text, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::schema::accepted_locales;

/// That a clinic accepted a version's texts in one language.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = accepted_locales, check_for_backend(diesel::pg::Pg))]
pub struct Acceptance {
    pub clinic_id: Uuid,
    pub id: Uuid,
    pub version_id: Uuid,
    pub locale: String,
    pub content_hash: Vec<u8>,
    pub accepted_by: Uuid,
    pub accepted_at: DateTime<Utc>,
}

hot_query! {
    /// What was accepted holds for the very words: texts that were corrected since are others.
    struct ListAccepted {
        clinic: Uuid as SqlUuid,
    }
    returns (SqlUuid, Text);
    "SELECT a.version_id, a.locale FROM accepted_locales AS a
       JOIN protocol_texts AS t ON t.version_id = a.version_id AND t.locale = a.locale AND t.content_hash = a.content_hash
      WHERE a.clinic_id = $1 AND a.withdrawn_at IS NULL ORDER BY a.version_id, a.locale"
}

/// Versions and languages in which the clinic has accepted the words as they are now.
pub async fn list_accepted(mut conn: &AsyncPgConnection, clinic: Uuid) -> QueryResult<Vec<(Uuid, String)>> {
    ListAccepted { clinic }.load(&mut conn).await
}

/// What the clinic has accepted of a version and not withdrawn, whatever has become of the words.
pub async fn list_acceptances(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    version_id: Uuid,
) -> QueryResult<Vec<Acceptance>> {
    use accepted_locales::dsl;
    accepted_locales::table
        .filter(dsl::clinic_id.eq(clinic_id).and(dsl::version_id.eq(version_id)).and(dsl::withdrawn_at.is_null()))
        .select(Acceptance::as_select())
        .load(conn)
        .await
}

pub async fn insert_acceptance(conn: &mut AsyncPgConnection, acceptance: &Acceptance) -> QueryResult<()> {
    diesel::insert_into(accepted_locales::table).values(acceptance).execute(conn).await?;
    Ok(())
}

/// Ends an acceptance.
pub async fn update_withdrawn(
    conn: &mut AsyncPgConnection,
    acceptance: &Acceptance,
    by: Uuid,
    at: DateTime<Utc>,
) -> QueryResult<()> {
    use accepted_locales::dsl;
    diesel::update(accepted_locales::table.find((acceptance.clinic_id, acceptance.id)))
        .set((dsl::withdrawn_by.eq(by), dsl::withdrawn_at.eq(at)))
        .execute(conn)
        .await?;
    Ok(())
}
