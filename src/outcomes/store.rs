//! SQL over `outcomes`. There is no update and no delete.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use super::judge::{Entry, Known};
use crate::db::hot::hot_query;
use crate::domain::tally::Tally;
use crate::domain::timeline::Task;
use crate::schema::{outcomes, treatments};

hot_query! {
    struct InsertOutcomes {
        clinic: Uuid as SqlUuid,
        treatment: Uuid as SqlUuid,
        entered_by: Uuid as SqlUuid,
        received_at: DateTime<Utc> as Timestamptz,
        done_w: i64 as Int8,
        on_time_w: i64 as Int8,
        early_until: Vec<DateTime<Utc>> as Array<Timestamptz>,
        early_w: Vec<i64> as Array<Int8>,
        ids: Vec<Uuid> as Array<SqlUuid>,
        tasks: Vec<Uuid> as Array<SqlUuid>,
        items: Vec<String> as Array<Text>,
        days: Vec<i32> as Array<Int4>,
        seqs: Vec<i32> as Array<Int4>,
        kinds: Vec<&'static str> as Array<Text>,
        reasons: Vec<Option<String>> as Array<Nullable<Text>>,
        recorded: Vec<DateTime<Utc>> as Array<Timestamptz>,
        opens: Vec<DateTime<Utc>> as Array<Timestamptz>,
        closes: Vec<DateTime<Utc>> as Array<Timestamptz>,
        asked: Vec<Uuid> as Array<SqlUuid>,
    }
    returns (SqlUuid, Bool, SqlUuid, SqlUuid, Text, Timestamptz, Nullable<Text>);
    ", said AS (
        INSERT INTO outcomes (clinic_id, id, treatment_id, task_id, item_key, day_index, seq, kind, reason, recorded_at,
                              received_at, open_at, close_at, entered_by)
        SELECT $1, u.id, $2, u.task_id, u.item_key, u.day_index, u.seq, u.kind, u.reason, u.recorded_at, $4, u.open_at,
               u.close_at, $3
          FROM unnest($9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
               AS u (id, task_id, item_key, day_index, seq, kind, reason, recorded_at, open_at, close_at)
        ON CONFLICT DO NOTHING
        RETURNING id, treatment_id, task_id, kind, recorded_at, reason
    ), counted AS (
        UPDATE treatments SET activity = activity + 1, done_w = $5, on_time_w = $6, early_until = $7, early_w = $8
         WHERE clinic_id = $1 AND id = $2 AND EXISTS (SELECT 1 FROM said)
    )
    SELECT id, true, treatment_id, task_id, kind, recorded_at, reason FROM said
     UNION ALL
    SELECT id, false, treatment_id, task_id, kind, recorded_at, reason FROM outcomes WHERE clinic_id = $1 AND id = ANY($19)"
}

/// An entry, as stored.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = outcomes)]
pub struct OutcomeRow {
    /// Chosen by the app.
    pub id: Uuid,
    /// The treatment.
    pub treatment_id: Uuid,
    /// The task.
    pub task_id: Uuid,
    /// The routine.
    pub item_key: String,
    /// `done`, `skipped` or `undone`.
    pub kind: String,
    /// Why, if the person said.
    pub reason: Option<String>,
    /// By the recorder's clock.
    pub recorded_at: DateTime<Utc>,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
    /// The login that entered it.
    pub entered_by: Uuid,
}

/// Those of these entries that are about the patient's treatments, in no particular order.
pub async fn list_named(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    ids: &[Uuid],
) -> QueryResult<Vec<OutcomeRow>> {
    let treatment = treatments::clinic_id.eq(outcomes::clinic_id).and(treatments::id.eq(outcomes::treatment_id));
    outcomes::table
        .inner_join(treatments::table.on(treatment))
        .filter(outcomes::clinic_id.eq(clinic_id).and(treatments::patient_id.eq(patient_id)))
        .filter(outcomes::id.eq_any(ids))
        .select(OutcomeRow::as_select())
        .load(conn)
        .await
}

/// What a batch adds.
#[derive(Debug)]
pub struct Batch<'a> {
    /// The treatment.
    pub treatment_id: Uuid,
    /// The login that entered it.
    pub entered_by: Uuid,
    /// When the server heard of it.
    pub received_at: DateTime<Utc>,
    /// The entries, each with its task.
    pub entries: Vec<(&'a Entry, &'a Task<'a>)>,
    /// All ids of which it is to be told whether they were there before.
    pub asked: Vec<Uuid>,
    /// What is done of the treatment with these.
    pub tally: Tally,
}

/// What became of the ids of a batch.
#[derive(Debug, Default)]
pub struct Written {
    /// Those that were added.
    pub added: HashSet<Uuid>,
    /// What those say that were there before.
    pub before: HashMap<Uuid, Known>,
}

/// Adds entries and counts them on the treatment, in one statement, which also tells what was there before under the ids
/// that were asked for: it sees the table as it was when it began.
pub async fn insert_outcomes(conn: &mut AsyncPgConnection, clinic_id: Uuid, batch: Batch<'_>) -> QueryResult<Written> {
    let (early_until, early_w) = batch.tally.early.into_iter().unzip();
    let entries = || batch.entries.iter().map(|(entry, _)| *entry);
    let tasks = || batch.entries.iter().map(|(_, task)| *task);
    let insert = InsertOutcomes {
        clinic: clinic_id,
        treatment: batch.treatment_id,
        entered_by: batch.entered_by,
        received_at: batch.received_at,
        done_w: batch.tally.done_w,
        on_time_w: batch.tally.on_time_w,
        early_until,
        early_w,
        ids: entries().map(|entry| entry.id).collect(),
        tasks: entries().map(|entry| entry.task_id).collect(),
        items: tasks().map(|task| task.item.key.clone()).collect(),
        days: tasks().map(|task| task.day_index).collect(),
        seqs: tasks().map(|task| task.seq).collect(),
        kinds: entries().map(|entry| entry.kind.as_str()).collect(),
        reasons: entries().map(|entry| entry.reason.clone()).collect(),
        recorded: entries().map(|entry| entry.recorded_at).collect(),
        opens: tasks().map(|task| task.open_at).collect(),
        closes: tasks().map(Task::closed_at).collect(),
        asked: batch.asked,
    };
    type Row = (Uuid, bool, Uuid, Uuid, String, DateTime<Utc>, Option<String>);
    let mut written = Written::default();
    for (id, added, treatment_id, task_id, kind, recorded_at, reason) in insert.load::<Row>(conn).await? {
        if added {
            written.added.insert(id);
        } else if let Ok(kind) = kind.parse() {
            written.before.insert(id, Known { treatment_id, task_id, kind, recorded_at, reason });
        }
    }
    Ok(written)
}
