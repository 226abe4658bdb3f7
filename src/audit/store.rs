//! Writing the audit trail. There is no update and no delete.

use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use super::Entry;
use crate::clock::Clocks;
use crate::schema::audit;
use crate::telemetry;

/// Appends one entry, in the transaction of what it tells about.
pub async fn record(conn: &mut AsyncPgConnection, clocks: &Clocks, entry: Entry) -> QueryResult<()> {
    let request_id = telemetry::request_id();
    diesel::insert_into(audit::table)
        .values((
            audit::at.eq(clocks.wall.now()),
            audit::id.eq(clocks.fresh_id()),
            audit::clinic_id.eq(entry.clinic_id),
            audit::actor_id.eq(entry.actor_id),
            audit::actor_role.eq(entry.actor_role),
            audit::action.eq(entry.action),
            audit::subject_kind.eq(entry.subject_kind),
            audit::subject_id.eq(entry.subject_id),
            audit::patient_id.eq(entry.patient_id),
            audit::request_id.eq((!request_id.is_nil()).then_some(request_id)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}
