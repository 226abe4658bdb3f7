//! SQL over `local_reminders`: what phones ring for by themselves.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::expression::SqlLiteral;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Timestamptz};
use diesel::upsert::excluded;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{alerts, devices, local_reminders as local, patients};

/// An alert, and when a phone rings for it.
pub type Ring = (Uuid, DateTime<Utc>);

/// Which of these a patient is still owed, each at the very moment that is named.
pub async fn list_owed(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    clinic_id: Uuid,
    rings: &[Ring],
) -> QueryResult<Vec<Uuid>> {
    let ids: Vec<Uuid> = rings.iter().map(|(id, _)| *id).collect();
    let own = patients::table
        .filter(patients::user_id.eq(user_id).and(patients::clinic_id.eq(clinic_id)))
        .select(patients::id);
    let found: Vec<Ring> = alerts::table
        .filter(alerts::clinic_id.eq(clinic_id).and(alerts::id.eq_any(ids)))
        .filter(alerts::recipient_id.eq_any(own).and(alerts::state.eq("scheduled")))
        .select((alerts::id, alerts::due_at))
        .load(conn)
        .await?;
    Ok(found.into_iter().filter(|ring| rings.contains(ring)).map(|(id, _)| id).collect())
}

/// Makes `rings` all that a phone rings for by itself until `until`, of what this clinic owes. What was shown stays shown,
/// unless it is to be told at another moment.
pub async fn replace_rings(
    conn: &mut AsyncPgConnection,
    device_id: Uuid,
    clinic_id: Uuid,
    rings: &[Ring],
    until: DateTime<Utc>,
) -> QueryResult<()> {
    let ids: Vec<Uuid> = rings.iter().map(|(id, _)| *id).collect();
    let here =
        alerts::table.filter(alerts::clinic_id.eq(clinic_id).and(alerts::id.eq(local::alert_id))).select(alerts::id);
    let gone = local::table
        .filter(local::device_id.eq(device_id).and(local::shown_at.is_null()))
        .filter(diesel::dsl::exists(here));
    diesel::delete(gone.filter(local::alert_id.ne_all(ids))).execute(conn).await?;
    if rings.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = rings
        .iter()
        .map(|(alert, due)| {
            (
                local::device_id.eq(device_id),
                local::alert_id.eq(alert),
                local::due_at.eq(due),
                local::until_at.eq(until),
            )
        })
        .collect();
    diesel::insert_into(local::table)
        .values(rows)
        .on_conflict((local::device_id, local::alert_id))
        .do_update()
        .set((
            local::due_at.eq(excluded(local::due_at)),
            local::until_at.eq(excluded(local::until_at)),
            local::shown_at.eq(shown_at_that_moment()),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// When it was shown, if that was for the moment that is named now.
fn shown_at_that_moment() -> SqlLiteral<Nullable<Timestamptz>> {
    sql("CASE WHEN local_reminders.due_at = excluded.due_at THEN local_reminders.shown_at END")
}

/// A phone has shown these. What it never promised to ring for is none of its business.
pub async fn mark_shown(
    conn: &mut AsyncPgConnection,
    device_id: Uuid,
    alerts: Vec<Uuid>,
    now: DateTime<Utc>,
) -> QueryResult<usize> {
    let shown = local::table.filter(local::device_id.eq(device_id).and(local::alert_id.eq_any(alerts)));
    diesel::update(shown.filter(local::shown_at.is_null())).set(local::shown_at.eq(now)).execute(conn).await
}

/// Whoever opened an alert has seen it, on whichever of their phones.
pub async fn mark_opened(
    conn: &mut AsyncPgConnection,
    user_id: Uuid,
    alert: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let own = devices::table.filter(devices::user_id.eq(user_id)).select(devices::id);
    let seen = local::table.filter(local::device_id.eq_any(own).and(local::alert_id.eq(alert)));
    diesel::update(seen.filter(local::shown_at.is_null())).set(local::shown_at.eq(now)).execute(conn).await?;
    Ok(())
}

/// Forgets what phones rang for long ago.
pub async fn prune_rings(conn: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(local::table.filter(local::due_at.lt(before))).execute(conn).await
}
