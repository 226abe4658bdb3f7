//! SQL over `snoozes`, and of an alert what decides whether it can be put off.

use chrono::{DateTime, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Int4;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{alerts, snoozes};

/// An alert that somebody wants to hear later.
#[derive(Debug, Clone, Queryable)]
pub struct Snoozable {
    /// The treatment it is about; none for an appointment.
    pub treatment_id: Option<Uuid>,
    /// Under which key it is owed.
    pub dedupe_key: String,
    /// Where it stands.
    pub state: String,
    /// From when it is owed.
    pub due_at: DateTime<Utc>,
    /// From when it is worth nothing.
    pub expires_at: DateTime<Utc>,
}

/// An alert of one of these: a patient's record, and what else the person behind it is told as a member.
pub async fn find_snoozable(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    recipients: &[Uuid],
    alert: Uuid,
) -> QueryResult<Snoozable> {
    alerts::table
        .find((clinic_id, alert))
        .filter(alerts::recipient_id.eq_any(recipients))
        .select((alerts::treatment_id, alerts::dedupe_key, alerts::state, alerts::due_at, alerts::expires_at))
        .first(conn)
        .await
}

/// How often an alert was put off, and until when.
pub async fn find_snooze(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    dedupe_key: &str,
) -> QueryResult<Option<(i32, DateTime<Utc>)>> {
    let snooze = snoozes::table.find((clinic_id, patient_id, dedupe_key)).select((snoozes::times, snoozes::until_at));
    snooze.first(conn).await.optional()
}

/// Puts an alert off once more.
pub async fn upsert_snooze(
    conn: &mut AsyncPgConnection,
    (clinic_id, patient_id): (Uuid, Uuid),
    dedupe_key: &str,
    until: DateTime<Utc>,
) -> QueryResult<i32> {
    let key =
        (snoozes::clinic_id.eq(clinic_id), snoozes::patient_id.eq(patient_id), snoozes::dedupe_key.eq(dedupe_key));
    diesel::insert_into(snoozes::table)
        .values((key, snoozes::times.eq(1), snoozes::until_at.eq(until)))
        .on_conflict((snoozes::clinic_id, snoozes::patient_id, snoozes::dedupe_key))
        .do_update()
        .set((snoozes::times.eq(sql::<Int4>("snoozes.times + 1")), snoozes::until_at.eq(until)))
        .returning(snoozes::times)
        .get_result(conn)
        .await
}

/// Forgets what was put off until some moment before `before`: it was told then, or was not owed any more.
pub async fn prune_snoozes(conn: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    diesel::delete(snoozes::table.filter(snoozes::until_at.lt(before))).execute(conn).await
}
