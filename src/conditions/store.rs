//! SQL over `condition_decisions`. The clinic is always the first thing asked for.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::condition_decisions;

/// A clinician's word on a condition, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = condition_decisions)]
pub struct ConditionDecision {
    /// The clinic.
    pub clinic_id: Uuid,
    /// Chosen by the caller or the server.
    pub id: Uuid,
    /// The treatment.
    pub treatment_id: Uuid,
    /// The condition.
    pub condition_key: String,
    /// Whether it has ended.
    pub ended: bool,
    /// Why, for staff.
    pub reason: String,
    /// Whose word it is.
    pub decided_by: Uuid,
    /// When.
    pub decided_at: DateTime<Utc>,
}

/// One decision of the clinic, if there is such a one.
pub async fn find_decision(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    id: Uuid,
) -> QueryResult<Option<ConditionDecision>> {
    let found = condition_decisions::table.find((clinic_id, id)).select(ConditionDecision::as_select());
    found.first(conn).await.optional()
}

/// Decisions on a treatment, in order of time.
pub async fn list_decisions(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
) -> QueryResult<Vec<ConditionDecision>> {
    condition_decisions::table
        .filter(condition_decisions::clinic_id.eq(clinic_id).and(condition_decisions::treatment_id.eq(treatment_id)))
        .order((condition_decisions::decided_at, condition_decisions::id))
        .select(ConditionDecision::as_select())
        .load(conn)
        .await
}

/// How often a treatment was decided on.
pub async fn count_decisions(conn: &mut AsyncPgConnection, clinic_id: Uuid, treatment_id: Uuid) -> QueryResult<i64> {
    condition_decisions::table
        .filter(condition_decisions::clinic_id.eq(clinic_id).and(condition_decisions::treatment_id.eq(treatment_id)))
        .count()
        .get_result(conn)
        .await
}

/// Adds a decision; `false` if its id is in use at this clinic.
pub async fn insert_decision(conn: &mut AsyncPgConnection, decision: &ConditionDecision) -> QueryResult<bool> {
    let insert = diesel::insert_into(condition_decisions::table).values(decision).on_conflict_do_nothing();
    Ok(insert.execute(conn).await? == 1)
}
