//! SQL over `excuses`. The clinic is always the first thing asked for.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::domain::sync::SyncKind;
use crate::schema::{excuses, sync_entries, treatments};

/// An excuse, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = excuses)]
pub struct ExcuseRow {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// The treatment.
    pub treatment_id: Uuid,
    /// Only this item; none: all.
    pub item_key: Option<String>,
    /// Only this position within the day; none: all.
    pub seq: Option<i32>,
    /// First local date.
    pub from_on: NaiveDate,
    /// Last local date, included.
    pub to_on: NaiveDate,
    /// Why, for staff.
    pub reason: String,
    /// Who excused it.
    pub excused_by: Uuid,
    /// When.
    pub excused_at: DateTime<Utc>,
}

/// A treatment's excuses in the order of their days.
pub async fn list_excuses(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
) -> QueryResult<Vec<ExcuseRow>> {
    excuses::table
        .filter(excuses::clinic_id.eq(clinic_id).and(excuses::treatment_id.eq(treatment_id)))
        .order((excuses::from_on, excuses::id))
        .select(ExcuseRow::as_select())
        .load(conn)
        .await
}

/// Whether an excuse of a patient was withdrawn; remembered for as long as apps are told of it.
pub async fn was_withdrawn(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    id: Uuid,
) -> QueryResult<bool> {
    let gone = sync_entries::table
        .find((clinic_id, patient_id, SyncKind::Excuse.as_str(), id))
        .filter(sync_entries::gone.eq(true));
    diesel::select(diesel::dsl::exists(gone)).get_result(conn).await
}

/// Those of these excuses that are about the patient's treatments, in no particular order.
pub async fn list_named(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    ids: &[Uuid],
) -> QueryResult<Vec<ExcuseRow>> {
    let treatment = treatments::clinic_id.eq(excuses::clinic_id).and(treatments::id.eq(excuses::treatment_id));
    excuses::table
        .inner_join(treatments::table.on(treatment))
        .filter(excuses::clinic_id.eq(clinic_id).and(treatments::patient_id.eq(patient_id)))
        .filter(excuses::id.eq_any(ids))
        .select(ExcuseRow::as_select())
        .load(conn)
        .await
}

/// One excuse of the clinic, if there is such a one.
pub async fn find_excuse(conn: &mut AsyncPgConnection, clinic_id: Uuid, id: Uuid) -> QueryResult<Option<ExcuseRow>> {
    excuses::table.find((clinic_id, id)).select(ExcuseRow::as_select()).first(conn).await.optional()
}

/// Adds an excuse; `false` if its id is in use at this clinic.
pub async fn insert_excuse(conn: &mut AsyncPgConnection, excuse: &ExcuseRow) -> QueryResult<bool> {
    let insert = diesel::insert_into(excuses::table).values(excuse).on_conflict_do_nothing();
    Ok(insert.execute(conn).await? == 1)
}

/// Withdraws an excuse of a treatment; `false` if there is none.
pub async fn delete_excuse(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
    id: Uuid,
) -> QueryResult<bool> {
    let own = excuses::table.find((clinic_id, id)).filter(excuses::treatment_id.eq(treatment_id));
    Ok(diesel::delete(own).execute(conn).await? == 1)
}
