//! Reading alerts: what a delivery needs to know; `inbox.rs` is what a person was told, `receipts.rs` what providers
//! still owe us. The states are written in `queue.rs` alone.

mod inbox;
mod receipts;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Bytea, Int4, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

pub use inbox::{InboxRow, Reader, find_own, list_ahead, list_inbox};
pub use receipts::{
    FIRST_QUESTION, FORGOTTEN, ReceiptRow, claim_receipts, delete_answered, delete_forgotten, insert_receipts,
};

use super::queue::Claim;
use crate::db::hot::hot_query;

/// One device that a claimed alert is to reach.
#[derive(Debug, Clone, Queryable)]
pub struct DeviceRow {
    /// Position of the alert in the batch, from 1.
    pub position: i32,
    /// The device.
    pub device_id: Uuid,
    /// Who carries its messages.
    pub provider: String,
    /// The app at the provider.
    pub app_id: String,
    /// APNs environment.
    pub environment: String,
    /// What the address is.
    pub address_kind: String,
    /// Address and keys, sealed.
    pub address_sealed: Vec<u8>,
    /// Language of the phone.
    pub locale: String,
    /// When the address was registered.
    pub registered_at: DateTime<Utc>,
    /// The person agreed to details on the lock screen.
    pub show_details: bool,
    /// An earlier try of this alert was accepted for this device.
    pub accepted: bool,
    /// Which of our keys the subscription was made with (Web Push).
    pub vapid_key_id: Option<String>,
}

hot_query! {
    struct ListDevices {
        clinics: Vec<Uuid> as Array<SqlUuid>,
        alerts: Vec<Uuid> as Array<SqlUuid>,
        of_patients: Vec<bool> as Array<Bool>,
        recipients: Vec<Uuid> as Array<SqlUuid>,
        only: Vec<Option<Uuid>> as Array<Nullable<SqlUuid>>,
        again: Vec<bool> as Array<Bool>,
    }
    returns (Int4, SqlUuid, Text, Text, Text, Text, Bytea, Text, Timestamptz, Bool, Bool, Nullable<Text>);
    "SELECT c.position::int, d.id, d.provider, d.app_id, d.environment, d.address_kind, d.address_sealed, d.locale,
            d.registered_at, coalesce(np.show_details, false),
            c.again AND EXISTS (SELECT 1 FROM attempts AS t
                                 WHERE t.clinic_id = c.clinic_id AND t.alert_id = c.alert_id AND t.device_id = d.id
                                   AND t.outcome = 'accepted'),
            d.vapid_key_id
       FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY
            AS c (clinic_id, alert_id, of_patient, recipient_id, only_device, again, position)
       LEFT JOIN patients AS p ON c.of_patient AND p.clinic_id = c.clinic_id AND p.id = c.recipient_id
       LEFT JOIN memberships AS m ON NOT c.of_patient AND m.clinic_id = c.clinic_id AND m.id = c.recipient_id
                                 AND m.removed_at IS NULL
       JOIN devices AS d ON d.user_id = coalesce(p.user_id, m.user_id)
        AND d.permission <> 'denied' AND d.quarantined_at IS NULL
        AND (c.only_device IS NULL OR d.id = c.only_device)
       LEFT JOIN notification_preferences AS np ON np.user_id = d.user_id"
}

/// The devices of the recipients of a batch of claims: one statement for all of them.
pub async fn list_devices(conn: &mut AsyncPgConnection, claims: &[Claim]) -> QueryResult<Vec<DeviceRow>> {
    ListDevices {
        clinics: claims.iter().map(|claim| claim.clinic_id).collect(),
        alerts: claims.iter().map(|claim| claim.id).collect(),
        of_patients: claims.iter().map(|claim| claim.recipient_kind == "patient").collect(),
        recipients: claims.iter().map(|claim| claim.recipient_id).collect(),
        only: claims.iter().map(|claim| claim.device_id).collect(),
        again: claims.iter().map(|claim| claim.claim_no > 1).collect(),
    }
    .load(conn)
    .await
}

/// Forgets attempts older than `before`; returns how many.
pub async fn prune_attempts(conn: &mut AsyncPgConnection, before: DateTime<Utc>) -> QueryResult<usize> {
    use crate::schema::attempts::dsl;
    use diesel::ExpressionMethods;
    use diesel::QueryDsl;
    diesel::delete(dsl::attempts.filter(dsl::at.lt(before))).execute(conn).await
}
