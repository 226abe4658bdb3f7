//! The SQL of a clinic that leaves.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::TryStreamExt;
use uuid::Uuid;

use crate::schema::{clinics, memberships, patients};

/// A clinic as far as its end asks.
#[derive(Debug, Clone, Queryable)]
pub(super) struct Leaving {
    /// What it calls itself.
    pub(super) name: String,
    /// When it was closed.
    pub(super) closed_at: Option<DateTime<Utc>>,
    /// When it is final.
    pub(super) erase_at: Option<DateTime<Utc>>,
}

/// A clinic, locked.
pub(super) async fn lock(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<Leaving> {
    let columns = (clinics::name, clinics::closed_at, clinics::erase_at);
    clinics::table.find(clinic).for_no_key_update().select(columns).first(conn).await
}

/// Nobody belongs to the locked clinic any more, nobody can join it, no calendar reads it; returns the logins of those who
/// belonged to it. Rounds through its patients begin again when it is opened again.
pub(super) async fn close(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    at: DateTime<Utc>,
    erase_at: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
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
    diesel::update(memberships::table.filter(members))
        .set(memberships::removed_at.eq(at))
        .returning(memberships::user_id)
        .get_results(conn)
        .await
}

/// Whoever belonged to the locked clinic when it was closed, and was not erased since, belongs to it again; returns how many
/// people those are.
pub(super) async fn open(conn: &mut AsyncPgConnection, clinic: Uuid, closed_at: DateTime<Utc>) -> QueryResult<usize> {
    diesel::update(clinics::table.find(clinic))
        .set((clinics::closed_at.eq(None::<DateTime<Utc>>), clinics::erase_at.eq(None::<DateTime<Utc>>)))
        .execute(conn)
        .await?;
    // A membership outlives its login.
    diesel::sql_query(
        "UPDATE memberships AS m SET removed_at = NULL
          WHERE m.clinic_id = $1 AND m.removed_at = $2 AND EXISTS (SELECT FROM users AS u WHERE u.id = m.user_id)",
    )
    .bind::<SqlUuid, _>(clinic)
    .bind::<Timestamptz, _>(closed_at)
    .execute(conn)
    .await
}

/// Asks for new plans of every patient of a clinic: also of whoever has quiet hours of their own, since all were called off.
pub(super) async fn ask_for_plans(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<usize> {
    diesel::sql_query(
        "INSERT INTO replans (clinic_id, patient_id, times)
         SELECT p.clinic_id, p.id, 1 FROM patients AS p WHERE p.clinic_id = $1 AND p.detached_at IS NULL ORDER BY p.id
         ON CONFLICT (clinic_id, patient_id) DO UPDATE SET times = replans.times + 1",
    )
    .bind::<SqlUuid, _>(clinic)
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

/// Whether there is such a clinic.
pub(super) async fn find(conn: &mut AsyncPgConnection, clinic: Uuid) -> QueryResult<Uuid> {
    clinics::table.find(clinic).select(clinics::id).first(conn).await
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// What is the server's own business, and means nothing to anybody else.
const MACHINERY: [&str; 11] = [
    "alert_queue",
    "attempts",
    "calendar_feeds",
    "idempotency_keys",
    "nudge_rounds",
    "receipts",
    "replans",
    "reset_codes",
    "sessions",
    "sync_entries",
    "sync_logs",
];

/// Tables that know clinics, the clinic's own row, its people and the words of its protocols.
pub(super) async fn list_tables(conn: &mut AsyncPgConnection) -> QueryResult<Vec<String>> {
    let tables: Vec<Line> = diesel::sql_query(
        "SELECT c.relname::text AS line FROM pg_class AS c
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND (c.relname IN ('clinics', 'users', 'protocol_texts') OR EXISTS (
                 SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped))
          ORDER BY 1",
    )
    .load(conn)
    .await?;
    Ok(tables.into_iter().map(|row| row.line).filter(|name| !MACHINERY.contains(&name.as_str())).collect())
}

/// Hands over the clinic's rows of a table one by one, each as JSON, without what opens something; returns how many.
pub(super) async fn each_row(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    table: &str,
    mut take: impl FnMut(&str) -> std::io::Result<()>,
) -> anyhow::Result<usize> {
    let whose = match table {
        "clinics" => "t.id = $1",
        "users" => "t.id IN (SELECT user_id FROM memberships WHERE clinic_id = $1)",
        "protocol_texts" => "t.version_id IN (SELECT id FROM protocol_versions WHERE clinic_id = $1)",
        _ => "t.clinic_id = $1",
    };
    let sql = format!(
        "SELECT (to_jsonb(t) - '{{password_hash,code_hash,tokens_valid_after}}'::text[])::text AS line
           FROM {table} AS t WHERE {whose}"
    );
    let lines = diesel::sql_query(sql).bind::<SqlUuid, _>(clinic).load_stream::<Line>(conn).await?;
    let mut lines = std::pin::pin!(lines);
    let mut rows = 0;
    while let Some(line) = lines.try_next().await? {
        take(&line.line)?;
        rows += 1;
    }
    Ok(rows)
}
