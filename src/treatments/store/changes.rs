//! SQL over `treatment_changes`: what a treatment followed, and since when.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde_json::Value;
use uuid::Uuid;

use crate::schema::{treatment_changes, treatments};

/// A change of what a treatment follows: another version, or an item of it.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = treatment_changes, check_for_backend(diesel::pg::Pg))]
pub struct TreatmentChange {
    /// The clinic.
    pub clinic_id: Uuid,
    /// The treatment.
    pub treatment_id: Uuid,
    /// Of two at one moment the later is larger.
    pub id: Uuid,
    /// What it pinned before.
    pub from_version_id: Uuid,
    /// What it pinned from then on.
    pub to_version_id: Uuid,
    /// When.
    pub changed_at: DateTime<Utc>,
    /// Tasks that stay although their window was open.
    pub kept: Vec<Uuid>,
    /// Why; lifting a change needs no reason.
    pub reason: Option<String>,
    /// Who did it.
    pub changed_by: Uuid,
    /// The item that was changed; none: the version was.
    pub item_key: Option<String>,
    /// What it was changed to; none: it is as the version has it.
    pub change: Option<Value>,
}

/// Writes changes of one treatment, in order, and that it follows something else from now on. Another version is another
/// state of the treatment itself.
pub async fn insert_changes(conn: &mut AsyncPgConnection, changes: &[TreatmentChange]) -> QueryResult<()> {
    let Some(last) = changes.last() else { return Ok(()) };
    let moved = changes.iter().any(|change| change.from_version_id != change.to_version_id);
    let many = i32::try_from(changes.len()).unwrap_or(i32::MAX);
    diesel::insert_into(treatment_changes::table).values(changes).execute(conn).await?;
    diesel::update(treatments::table.find((last.clinic_id, last.treatment_id)))
        .set((
            treatments::protocol_version_id.eq(last.to_version_id),
            treatments::changes.eq(treatments::changes + many),
            treatments::version.eq(treatments::version + i32::from(moved)),
        ))
        .execute(conn)
        .await?;
    Ok(())
}

/// The versions that a treatment followed before, the latest first.
pub async fn list_transfers(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    treatment_id: Uuid,
) -> QueryResult<Vec<TreatmentChange>> {
    use treatment_changes::dsl;
    treatment_changes::table
        .filter(dsl::clinic_id.eq(clinic_id).and(dsl::treatment_id.eq(treatment_id)))
        .filter(dsl::item_key.is_null())
        .order((dsl::changed_at.desc(), dsl::id.desc()))
        .select(TreatmentChange::as_select())
        .load(conn)
        .await
}
