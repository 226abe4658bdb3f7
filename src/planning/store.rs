//! What a plan is made of, read in as few statements as can be: the person under lock (`person.rs`), then the running
//! treatments (`running.rs`).

mod asked;
mod person;
mod running;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Int8, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::db::lock::read_locked;
use crate::domain::tally::Tally;

pub use asked::Asked;
pub(super) use asked::{delete_asked, insert_asked, insert_asked_for_version, list_asked};
pub(super) use person::PersonRow;
use person::{LockPerson, LockTreated, LookAtPerson};
pub use running::Running;
pub(super) use running::{list_running, list_treatments};

/// The person as they are; nothing is locked and no plan is counted.
pub(super) async fn find_person(conn: &mut AsyncPgConnection, clinic: Uuid, patient: Uuid) -> QueryResult<PersonRow> {
    LookAtPerson { clinic, patient }.get_result(conn).await
}

/// Takes the patient's row, so that no other plan of this person is made meanwhile, and counts the plan that is about to be
/// made.
pub(super) async fn lock_person(conn: &mut AsyncPgConnection, clinic: Uuid, patient: Uuid) -> QueryResult<PersonRow> {
    read_locked(conn, clinic, patient, async |conn| LockPerson { clinic, patient }.get_result(conn).await).await
}

/// The same where the row is locked already.
pub(super) async fn find_locked(mut conn: &AsyncPgConnection, clinic: Uuid, patient: Uuid) -> QueryResult<PersonRow> {
    LockPerson { clinic, patient }.get_result(&mut conn).await
}

/// The same for the patient of a treatment.
pub(super) async fn find_locked_of(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatment: Uuid,
) -> QueryResult<PersonRow> {
    LockTreated { clinic, treatment }.get_result(conn).await
}

hot_query! {
    struct UpdateTally {
        clinic: Uuid as SqlUuid,
        treatment: Uuid as SqlUuid,
        done_w: i64 as Int8,
        on_time_w: i64 as Int8,
        early_until: Vec<DateTime<Utc>> as Array<Timestamptz>,
        early_w: Vec<i64> as Array<Int8>,
    }
    returns SqlUuid;
    "UPDATE treatments SET done_w = $3, on_time_w = $4, early_until = $5, early_w = $6
      WHERE clinic_id = $1 AND id = $2 RETURNING id"
}

/// Writes what was done of a treatment's tasks.
pub(super) async fn update_tally(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatment: Uuid,
    tally: Tally,
) -> QueryResult<()> {
    let (early_until, early_w) = tally.early.into_iter().unzip();
    let update =
        UpdateTally { clinic, treatment, done_w: tally.done_w, on_time_w: tally.on_time_w, early_until, early_w };
    update.get_result::<Uuid>(conn).await?;
    Ok(())
}

/// A change of what a treatment follows.
#[derive(Debug, Queryable)]
pub(super) struct ChangeRow {
    pub(super) treatment_id: Uuid,
    pub(super) from_version_id: Uuid,
    pub(super) to_version_id: Uuid,
    pub(super) item_key: Option<String>,
    pub(super) change: Option<Value>,
    pub(super) reason: Option<String>,
    pub(super) changed_by: Uuid,
    pub(super) changed_at: DateTime<Utc>,
    pub(super) kept: Vec<Uuid>,
    /// Whether the treatment lies where it lay then. One that was moved to another day counts anew: what it followed
    /// before is over.
    pub(super) counts: bool,
}

hot_query! {
    struct ListChanges {
        clinic: Uuid as SqlUuid,
        treatments: Vec<Uuid> as Array<SqlUuid>,
    }
    returns (
        SqlUuid, SqlUuid, SqlUuid, Nullable<Text>, Nullable<Jsonb>, Nullable<Text>, SqlUuid, Timestamptz, Array<SqlUuid>,
        Bool,
    );
    "SELECT x.treatment_id, x.from_version_id, x.to_version_id, x.item_key, x.change, x.reason, x.changed_by, x.changed_at,
            x.kept, x.changed_at >= coalesce(t.moved_at, '-infinity')
       FROM treatment_changes AS x JOIN treatments AS t ON t.clinic_id = x.clinic_id AND t.id = x.treatment_id
      WHERE x.clinic_id = $1 AND x.treatment_id = ANY ($2)
      ORDER BY x.treatment_id, x.changed_at, x.from_version_id = x.to_version_id, x.id"
}

/// What was changed for treatments, in order of time; another version before what of its items was changed with it.
pub(super) async fn list_changes(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    treatments: Vec<Uuid>,
) -> QueryResult<Vec<ChangeRow>> {
    ListChanges { clinic, treatments }.load(conn).await
}
