//! Noting that a person opened an alert: the one mark on an alert that is not a state.

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Int8, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;

hot_query! {
    struct MarkOpened {
        clinic: Uuid as SqlUuid,
        patient: Option<Uuid> as Nullable<SqlUuid>,
        membership: Uuid as SqlUuid,
        alert: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", opened AS (
        UPDATE alerts AS a SET opened_at = $5
         WHERE a.clinic_id = $1 AND a.id = $4 AND a.opened_at IS NULL
           AND (a.recipient_kind = 'patient' AND a.recipient_id = $2
             OR a.recipient_kind = 'member' AND a.recipient_id = $3)
        RETURNING 1
    )
    SELECT count(*) FROM opened"
}

/// The person behind `patient` or `membership` opened their alert. The first time counts; returns whether this was it.
pub async fn mark_opened(
    conn: &mut AsyncPgConnection,
    clinic_id: Uuid,
    (patient, membership): (Option<Uuid>, Uuid),
    alert: Uuid,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    let opened: i64 = MarkOpened { clinic: clinic_id, patient, membership, alert, now }.get_result(conn).await?;
    Ok(opened > 0)
}
