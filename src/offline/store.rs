//! SQL over the log of what changed for a patient's app. Triggers write it; this reads it, and forgets what is long gone.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bool, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, sql_query};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::domain::sync::Log;

/// More than what any patient's log can have lost.
const BEYOND: i64 = 1_000_000;

/// Where in a patient's changes somebody is: the number of a change, and what of it.
pub type Place = (i64, String, Uuid);

/// Something that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// The number of the latest change of it.
    pub commit_no: i64,
    /// What it is.
    pub kind: String,
    /// Which one.
    pub entity_id: Uuid,
    /// It was removed.
    pub gone: bool,
}

/// What has changed for a patient since a place.
#[derive(Debug, Clone)]
pub struct Changed {
    /// How far the changes have come.
    pub log: Log,
    /// Names the database and what it has lived through: another one counts otherwise.
    pub history: String,
    /// In order; as many as were asked for.
    pub entries: Vec<EntryRow>,
}

hot_query! {
    /// One statement, so that what was forgotten and what is left are of one moment. A database that was restored from a
    /// dump is another one, one that was promoted or recovered to a point in time is on another timeline.
    struct ListChanged {
        clinic: Uuid as SqlUuid,
        patient: Uuid as SqlUuid,
        after_no: i64 as Int8,
        after_kind: String as Text,
        after_id: Uuid as SqlUuid,
        limit: i64 as Int8,
    }
    returns (Int8, Int8, Text, Nullable<Int8>, Nullable<Text>, Nullable<SqlUuid>, Nullable<Bool>);
    "SELECT l.commits, l.forgotten_to, h.history, e.commit_no, e.kind, e.entity_id, e.gone
       FROM sync_logs AS l
      CROSS JOIN (
          SELECT left(encode(sha256(convert_to(
                     concat_ws('/', s.system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8), d.oid), 'UTF8'
                 )), 'hex'), 12) AS history
            FROM pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database()
      ) AS h
       LEFT JOIN LATERAL (
           SELECT e.commit_no, e.kind, e.entity_id, e.gone FROM sync_entries AS e
            WHERE e.clinic_id = l.clinic_id AND e.patient_id = l.patient_id
              AND (e.commit_no, e.kind, e.entity_id) > ($3, $4, $5)
            ORDER BY e.commit_no, e.kind, e.entity_id LIMIT $6
       ) AS e ON true
      WHERE l.clinic_id = $1 AND l.patient_id = $2
      ORDER BY e.commit_no, e.kind, e.entity_id"
}

/// What has changed for a patient after a place (none: since ever), at most `limit` things.
pub async fn list_changed(
    conn: &mut AsyncPgConnection,
    clinic: Uuid,
    patient: Uuid,
    after: Option<Place>,
    limit: i64,
) -> QueryResult<Changed> {
    type Row = (i64, i64, String, Option<i64>, Option<String>, Option<Uuid>, Option<bool>);
    let (after_no, after_kind, after_id) = after.unwrap_or((-1, String::new(), Uuid::nil()));
    let rows: Vec<Row> = ListChanged { clinic, patient, after_no, after_kind, after_id, limit }.load(conn).await?;
    let (commits, forgotten_to, history) =
        rows.as_slice().first().map(|row| (row.0, row.1, row.2.clone())).ok_or(diesel::result::Error::NotFound)?;
    let entry = |(.., commit_no, kind, entity_id, gone): Row| {
        Some(EntryRow { commit_no: commit_no?, kind: kind?, entity_id: entity_id?, gone: gone? })
    };
    let entries = rows.into_iter().filter_map(entry).collect();
    Ok(Changed { log: Log { commits, forgotten_to }, history, entries })
}

/// Forgets all that any app may have read, and what one may have read of a log whose end is lost: every app must begin anew.
/// Returns how many patients' that are.
pub async fn forget_all(conn: &mut AsyncPgConnection) -> QueryResult<usize> {
    let beyond = "UPDATE sync_logs SET commits = commits + $1, forgotten_to = commits + $1";
    sql_query(beyond).bind::<Int8, _>(BEYOND).execute(conn).await
}

/// Notes what is gone by `now`, and forgets what was noted before `before`; returns how much was forgotten. The logs are
/// locked before their entries and in the order of patients, as by whoever writes them.
pub async fn prune(conn: &mut AsyncPgConnection, now: DateTime<Utc>, before: DateTime<Utc>) -> QueryResult<usize> {
    sql_query(
        "SELECT 1 FROM sync_logs AS l
          WHERE EXISTS (SELECT FROM sync_entries AS e
                         WHERE e.clinic_id = l.clinic_id AND e.patient_id = l.patient_id
                           AND e.gone AND (e.gone_at IS NULL OR e.gone_at < $1))
          ORDER BY l.clinic_id, l.patient_id FOR UPDATE",
    )
    .bind::<Timestamptz, _>(before)
    .execute(conn)
    .await?;
    sql_query(
        "UPDATE sync_entries AS e SET gone_at = $1
           FROM (SELECT clinic_id, patient_id, kind, entity_id FROM sync_entries
                  WHERE gone AND gone_at IS NULL FOR UPDATE SKIP LOCKED) AS fresh
          WHERE (e.clinic_id, e.patient_id, e.kind, e.entity_id)
              = (fresh.clinic_id, fresh.patient_id, fresh.kind, fresh.entity_id)",
    )
    .bind::<Timestamptz, _>(now)
    .execute(conn)
    .await?;
    sql_query(
        "UPDATE sync_logs AS l SET forgotten_to = greatest(l.forgotten_to, old.last)
           FROM (SELECT clinic_id, patient_id, max(commit_no) AS last FROM sync_entries
                  WHERE gone AND gone_at < $1 GROUP BY clinic_id, patient_id) AS old
          WHERE l.clinic_id = old.clinic_id AND l.patient_id = old.patient_id",
    )
    .bind::<Timestamptz, _>(before)
    .execute(conn)
    .await?;
    sql_query("DELETE FROM sync_entries WHERE gone AND gone_at < $1").bind::<Timestamptz, _>(before).execute(conn).await
}
