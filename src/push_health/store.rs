//! SQL over `push_health`: a row for each worker and push service. It belongs to the installation, to no clinic.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Text, Uuid as SqlUuid};
use diesel::upsert::excluded;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::push_health::{self, dsl};

/// What one worker knows of one service.
#[derive(Debug, Clone, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = push_health)]
pub struct ServiceRow {
    /// The worker.
    pub worker: Uuid,
    /// The provider.
    pub provider: String,
    /// Which of its services.
    pub service: String,
    /// The worker has credentials for it.
    pub configured: bool,
    /// One of the breaker's states.
    pub state: String,
    /// What kind of trouble it is in or comes out of.
    pub cause: Option<String>,
    /// The service's word for it.
    pub reason: Option<String>,
    /// When the trouble began.
    pub since: Option<DateTime<Utc>>,
    /// When the service is tried again.
    pub until: Option<DateTime<Utc>>,
    /// Pauses of this trouble before this one.
    pub round: i32,
    /// Alerts put off.
    pub waiting: i64,
    /// Accepted within the last hour.
    pub accepted: i64,
    /// Not accepted within the last hour.
    pub failed: i64,
    /// When this was written (wall clock).
    pub seen_at: DateTime<Utc>,
}

/// Writes what a worker knows; services that it forgot meanwhile leave the table.
pub async fn replace_services(conn: &mut AsyncPgConnection, worker: Uuid, rows: &[ServiceRow]) -> QueryResult<()> {
    let (providers, services): (Vec<&str>, Vec<&str>) =
        rows.iter().map(|row| (row.provider.as_str(), row.service.as_str())).unzip();
    let forgotten =
        "DELETE FROM push_health WHERE worker = $1 AND (provider, service) NOT IN (SELECT * FROM unnest($2, $3))";
    diesel::sql_query(forgotten)
        .bind::<SqlUuid, _>(worker)
        .bind::<Array<Text>, _>(providers)
        .bind::<Array<Text>, _>(services)
        .execute(conn)
        .await?;
    diesel::insert_into(dsl::push_health)
        .values(rows)
        .on_conflict((dsl::worker, dsl::provider, dsl::service))
        .do_update()
        .set((
            dsl::configured.eq(excluded(dsl::configured)),
            dsl::state.eq(excluded(dsl::state)),
            dsl::cause.eq(excluded(dsl::cause)),
            dsl::reason.eq(excluded(dsl::reason)),
            dsl::since.eq(excluded(dsl::since)),
            dsl::until.eq(excluded(dsl::until)),
            dsl::round.eq(excluded(dsl::round)),
            dsl::waiting.eq(excluded(dsl::waiting)),
            dsl::accepted.eq(excluded(dsl::accepted)),
            dsl::failed.eq(excluded(dsl::failed)),
            dsl::seen_at.eq(excluded(dsl::seen_at)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// Pauses that other workers know of and that still run at `now`; those of dead workers as well, since a service does not
/// come back because a worker died. A worker without credentials knows nothing about the service.
pub async fn list_pauses(
    conn: &mut AsyncPgConnection,
    worker: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<Vec<ServiceRow>> {
    let running = dsl::configured.and(dsl::state.ne("healthy")).and(dsl::until.gt(now));
    dsl::push_health.filter(dsl::worker.ne(worker).and(running)).select(ServiceRow::as_select()).load(conn).await
}

/// What workers wrote since `since`.
pub async fn list_services(conn: &mut AsyncPgConnection, since: DateTime<Utc>) -> QueryResult<Vec<ServiceRow>> {
    let order = (dsl::provider, dsl::service, dsl::worker);
    dsl::push_health.filter(dsl::seen_at.ge(since)).order(order).select(ServiceRow::as_select()).load(conn).await
}

/// Forgets what workers wrote before `before`, unless it is a pause that still runs at `now`; returns how many rows.
pub async fn prune(conn: &mut AsyncPgConnection, before: DateTime<Utc>, now: DateTime<Utc>) -> QueryResult<usize> {
    let over = dsl::until.is_null().or(dsl::until.lt(now));
    diesel::delete(dsl::push_health.filter(dsl::seen_at.lt(before).and(over))).execute(conn).await
}
