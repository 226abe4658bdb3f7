//! Seals of the trail: one for a clinic and day.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use diesel::dsl::{exists, not, sql};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{audit_seals as seals, clinics};

/// What a day was sealed as.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = seals)]
pub struct Seal {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The day, in UTC.
    pub day: NaiveDate,
    /// How many entries there were.
    pub entries: i64,
    /// SHA-256 over them.
    pub digest: Vec<u8>,
    /// The seal before; none on a clinic's first.
    pub previous: Option<Vec<u8>>,
    /// The seal itself.
    pub seal: Vec<u8>,
    /// When it was made (wall clock).
    pub sealed_at: DateTime<Utc>,
}

/// Holds back whoever else would seal this clinic's days; false if somebody does. Until the transaction ends.
pub async fn hold(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<bool> {
    let held = sql::<Bool>("pg_try_advisory_xact_lock(hashtextextended(")
        .bind::<Text, _>(format!("audit seals of {clinic_id}"))
        .sql(", 0))");
    diesel::select(held).get_result(conn).await
}

/// Every clinic, and those that are gone and left seals, in an order of their own.
pub async fn list_clinics(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Uuid>> {
    let mut ids: Vec<Uuid> = clinics::table.select(clinics::id).load(conn).await?;
    ids.extend(list_gone(conn).await?);
    ids.sort_unstable();
    Ok(ids)
}

/// Clinics that were erased and left seals.
async fn list_gone(conn: &mut AsyncPgConnection) -> QueryResult<Vec<Uuid>> {
    let there = clinics::table.filter(clinics::id.eq(seals::clinic_id));
    seals::table.filter(not(exists(there))).select(seals::clinic_id).distinct().load(conn).await
}

/// Whether the clinic is there; if not, it was erased.
pub async fn is_there(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<bool> {
    diesel::select(exists(clinics::table.filter(clinics::id.eq(clinic_id)))).get_result(conn).await
}

/// The newest seal of a clinic before a day, or the newest of all.
pub async fn find_last(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    before: Option<NaiveDate>,
) -> QueryResult<Option<Seal>> {
    let mut query = seals::table
        .filter(seals::clinic_id.eq(clinic_id))
        .select(Seal::as_select())
        .order(seals::day.desc())
        .limit(1)
        .into_boxed();
    if let Some(before) = before {
        query = query.filter(seals::day.lt(before));
    }
    query.first(conn).await.optional()
}

/// A clinic's seals in order of their days.
pub async fn list_seals(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    (from, to): (NaiveDate, NaiveDate),
) -> QueryResult<Vec<Seal>> {
    seals::table
        .filter(seals::clinic_id.eq(clinic_id).and(seals::day.between(from, to)))
        .select(Seal::as_select())
        .order(seals::day)
        .load(conn)
        .await
}

/// The day of a clinic's first seal.
pub async fn find_first_day(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Option<NaiveDate>> {
    seals::table
        .filter(seals::clinic_id.eq(clinic_id))
        .select(seals::day)
        .order(seals::day)
        .first(conn)
        .await
        .optional()
}

/// Keeps a seal.
pub async fn insert_seal(conn: &mut AsyncPgConnection, seal: &Seal) -> QueryResult<()> {
    diesel::insert_into(seals::table).values(seal).execute(conn).await?;
    Ok(())
}

/// Clinics that have a seal neither of a day nor of a later one, and all that are gone: theirs end earlier.
pub async fn list_unsealed(conn: &mut AsyncPgConnection, day: NaiveDate) -> QueryResult<Vec<Uuid>> {
    let sealed = seals::table.filter(seals::clinic_id.eq(clinics::id).and(seals::day.ge(day)));
    let mut ids: Vec<Uuid> =
        clinics::table.filter(not(exists(sealed))).select(clinics::id).order(clinics::id).load(conn).await?;
    ids.extend(list_gone(conn).await?);
    Ok(ids)
}

/// How many clinics that were there on that day already have neither.
pub async fn count_behind(conn: &mut AsyncPgConnection, day: NaiveDate) -> QueryResult<i64> {
    let end = (day + Days::new(1)).and_time(NaiveTime::MIN).and_utc();
    let sealed = seals::table.filter(seals::clinic_id.eq(clinics::id).and(seals::day.ge(day)));
    clinics::table.filter(clinics::created_at.lt(end)).filter(not(exists(sealed))).count().get_result(conn).await
}
