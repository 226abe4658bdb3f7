//! SQL over `mode_spans`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::mode_spans as spans;

/// From when until when a mode is on.
pub type Span = (DateTime<Utc>, DateTime<Utc>);

/// The stretch in which a patient has a mode on at `now`, if so.
pub async fn find_open(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    mode: &str,
    now: DateTime<Utc>,
) -> QueryResult<Option<Span>> {
    spans::table
        .filter(spans::clinic_id.eq(clinic_id).and(spans::patient_id.eq(patient_id)).and(spans::mode.eq(mode)))
        .filter(spans::from_at.le(now).and(spans::to_at.gt(now)))
        .order(spans::from_at.desc())
        .select((spans::from_at, spans::to_at))
        .first(conn)
        .await
        .optional()
}

/// Writes a stretch; one that began at the same moment is replaced.
pub async fn upsert_span(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    mode: &str,
    (from, to): Span,
) -> QueryResult<()> {
    let key = (spans::clinic_id.eq(clinic_id), spans::patient_id.eq(patient_id), spans::mode.eq(mode));
    diesel::insert_into(spans::table)
        .values((key, spans::from_at.eq(from), spans::to_at.eq(to)))
        .on_conflict((spans::clinic_id, spans::patient_id, spans::mode, spans::from_at))
        .do_update()
        .set(spans::to_at.eq(to))
        .execute(conn)
        .await?;
    Ok(())
}

/// Forgets a stretch that never was.
pub async fn delete_span(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    mode: &str,
    from: DateTime<Utc>,
) -> QueryResult<()> {
    diesel::delete(spans::table.find((clinic_id, patient_id, mode, from))).execute(conn).await?;
    Ok(())
}
