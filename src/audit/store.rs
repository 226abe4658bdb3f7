//! The trail's tables: entries and seals are added and read. There is no update and no delete.

pub mod seals;
pub mod trail;

use chrono::NaiveDate;
use diesel::prelude::*;
use diesel::sql_types::{Date, Int4, Int8, Jsonb};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::{Entry, Noted};
use crate::clock::Clocks;
use crate::db::hot::hot_query;
use crate::schema::audit;

/// Appends one entry, in the transaction of what it tells about.
pub async fn record(conn: &mut AsyncPgConnection, clocks: &Clocks, entry: Entry) -> QueryResult<()> {
    let Noted { at, id, entry, request_id, address } = Noted::now(clocks, entry);
    diesel::insert_into(audit::table)
        .values((
            audit::at.eq(at),
            audit::id.eq(id),
            audit::clinic_id.eq(entry.clinic_id),
            audit::actor_id.eq(entry.actor_id),
            audit::actor_role.eq(entry.actor_role),
            audit::action.eq(entry.action),
            audit::subject_kind.eq(entry.subject_kind),
            audit::subject_id.eq(entry.subject_id),
            audit::patient_id.eq(entry.patient_id),
            audit::request_id.eq(request_id),
            audit::address.eq(address.map(|address| address.to_string())),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

hot_query! {
    struct AppendReads {
        noted: serde_json::Value as Jsonb,
    }
    returns Int8;
    "SELECT append_reads($1)"
}

/// Appends many of any clinics' at once; those that are there already stay as they are. How many were not.
pub(super) async fn append_reads(conn: &mut AsyncPgConnection, noted: &[Noted]) -> QueryResult<i64> {
    let noted = serde_json::to_value(noted).map_err(|error| diesel::result::Error::SerializationError(error.into()))?;
    AppendReads { noted }.get_result(conn).await
}

hot_query! {
    struct DropMonths {
        before: NaiveDate as Date,
    }
    returns Int4;
    "SELECT drop_month_partitions('audit', $1)"
}

/// Drops the months that were over before a day; those that are not old enough are refused. How many.
pub async fn drop_months(conn: &mut AsyncPgConnection, before: NaiveDate) -> QueryResult<i32> {
    conn.batch_execute("SET LOCAL lock_timeout = 500").await?;
    DropMonths { before }.get_result(conn).await
}
