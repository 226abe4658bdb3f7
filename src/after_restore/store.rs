//! SQL over `restores`, and what a restored database says of itself.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{clinics, restores};

#[derive(QueryableByName)]
struct Other {
    #[diesel(sql_type = Text)]
    login: String,
}

/// Whoever else is connected to this database as a part of the server, or could be: by login.
pub(super) async fn list_others(conn: &mut AsyncPgConnection) -> QueryResult<Vec<String>> {
    let others: Vec<Other> = diesel::sql_query(
        "SELECT r.rolname::text AS login FROM pg_stat_activity AS a JOIN pg_roles AS r ON r.oid = a.usesysid
          WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND NOT r.rolsuper
            AND (pg_has_role(r.oid, 'mendline_api', 'MEMBER') OR pg_has_role(r.oid, 'mendline_worker', 'MEMBER'))
          ORDER BY 1",
    )
    .load(conn)
    .await?;
    Ok(others.into_iter().map(|other| other.login).collect())
}

#[derive(QueryableByName)]
struct Trace {
    #[diesel(sql_type = Nullable<Timestamptz>)]
    at: Option<DateTime<Utc>>,
}

/// The last moment at which anybody did anything, as far as this database knows (wall clock).
pub(super) async fn find_latest_trace(conn: &mut AsyncPgConnection) -> QueryResult<Option<DateTime<Utc>>> {
    let trace: Trace = diesel::sql_query(
        "SELECT greatest((SELECT max(at) FROM audit), (SELECT max(at) FROM attempts),
                         (SELECT max(last_used_at) FROM sessions), (SELECT max(last_seen_at) FROM devices)) AS at",
    )
    .get_result(conn)
    .await?;
    Ok(trace.at)
}

/// The restore that was followed up last: the backup's moment, and when that was done.
pub(super) async fn find_last(conn: &mut AsyncPgConnection) -> QueryResult<Option<(DateTime<Utc>, DateTime<Utc>)>> {
    restores::table
        .order(restores::followed_up_at.desc())
        .select((restores::restored_to, restores::followed_up_at))
        .first(conn)
        .await
        .optional()
}

/// Writes down that a restore was followed up.
pub(super) async fn insert(
    conn: &mut AsyncPgConnection,
    id: Uuid,
    restored_to: DateTime<Utc>,
    followed_up_at: DateTime<Utc>,
) -> QueryResult<()> {
    let row = (restores::id.eq(id), restores::restored_to.eq(restored_to), restores::followed_up_at.eq(followed_up_at));
    diesel::insert_into(restores::table).values(row).execute(conn).await?;
    Ok(())
}

/// Begins the window of every closed clinic anew at `now`: whether it was opened again is lost. When it was closed stays, since
/// its members are found by that moment. Returns how many.
pub(super) async fn put_off_clinics(conn: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    diesel::sql_query("UPDATE clinics SET erase_at = $1 + (erase_at - closed_at) WHERE closed_at IS NOT NULL")
        .bind::<Timestamptz, _>(now)
        .execute(conn)
        .await
}

/// Every clinic.
pub(super) async fn list_clinics(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Uuid>> {
    clinics::table.order(clinics::id).select(clinics::id).load(conn).await
}
