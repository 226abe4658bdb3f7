//! SQL over `protocol_withdrawals`: what a clinic no longer uses.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::schema::{patients, protocol_versions, protocol_withdrawals, treatments};

/// That a clinic has withdrawn a version.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = protocol_withdrawals, check_for_backend(diesel::pg::Pg))]
pub struct Withdrawal {
    pub clinic_id: Uuid,
    pub version_id: Uuid,
    pub retired_at: DateTime<Utc>,
    pub retired_by: Uuid,
    pub retired_because: String,
    pub recalled_at: Option<DateTime<Utc>>,
    pub recalled_by: Option<Uuid>,
    pub recalled_because: Option<String>,
}

pub async fn list_withdrawals(conn: &mut AsyncPgConnection, clinic_id: Uuid) -> QueryResult<Vec<Withdrawal>> {
    protocol_withdrawals::table
        .filter(protocol_withdrawals::clinic_id.eq(clinic_id))
        .select(Withdrawal::as_select())
        .load(conn)
        .await
}

/// One of them, locked until the transaction ends.
pub async fn lock_withdrawal(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    version_id: Uuid,
) -> QueryResult<Option<Withdrawal>> {
    let row = protocol_withdrawals::table.find((clinic_id, version_id)).for_update();
    row.select(Withdrawal::as_select()).first(conn).await.optional()
}

/// Keeps a withdrawal, in place of what was known of it.
pub async fn put_withdrawal(conn: &mut AsyncPgConnection, withdrawal: &Withdrawal) -> QueryResult<()> {
    diesel::insert_into(protocol_withdrawals::table)
        .values(withdrawal)
        .on_conflict((protocol_withdrawals::clinic_id, protocol_withdrawals::version_id))
        .do_update()
        .set(withdrawal)
        .execute(conn)
        .await?;
    Ok(())
}

/// Waits for everybody who is putting a treatment under the version, and keeps others from doing so: their rows refer to it.
pub async fn lock_version(conn: &mut AsyncPgConnection, id: Uuid) -> QueryResult<()> {
    let _: Uuid = protocol_versions::table.find(id).for_update().select(protocol_versions::id).first(conn).await?;
    Ok(())
}

/// Locks the plans of everybody of the clinic whom the version treats.
pub async fn lock_patients_of(conn: &mut AsyncPgConnection, clinic_id: Uuid, version_id: Uuid) -> QueryResult<usize> {
    let treated = treatments::table
        .filter(treatments::clinic_id.eq(clinic_id).and(treatments::protocol_version_id.eq(version_id)))
        .filter(treatments::status.ne("cancelled"))
        .select(treatments::patient_id);
    let locked: Vec<Uuid> = patients::table
        .filter(patients::clinic_id.eq(clinic_id).and(patients::id.eq_any(treated)))
        .order(patients::id)
        .for_update()
        .select(patients::id)
        .load(conn)
        .await?;
    Ok(locked.len())
}
