//! Reading alerts: what a delivery needs to know; `inbox.rs` is what a person was told, `receipts.rs` what providers
//! still owe us. The states are written in `queue.rs` alone.

mod day;
mod inbox;
mod receipts;
mod retention;
mod snoozes;
mod statistics;
mod unsent;

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Bytea, Int4, Int8, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{QueryResult, Queryable};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

pub use day::{DayRow, list_due};
pub use inbox::{InboxRow, Position, Reader, find_own, list_ahead, list_inbox, list_told_with};
pub use receipts::{
    FIRST_QUESTION, FORGOTTEN, ReceiptRow, claim_receipts, delete_answered, delete_forgotten, insert_receipts,
    prune_receipts,
};
pub use retention::{BATCH, delete_alerts_of, delete_alerts_of_clinic, drop_attempts, prune_alerts, prune_attempts};
pub use snoozes::{Snoozable, find_snoozable, find_snooze, prune_snoozes, upsert_snooze};
pub use statistics::{AlertLine, AttemptLine, Figures, Window, count_alerts, count_attempts};
pub use unsent::{TryRow, UnsentFilter, UnsentRow, list_by_id, list_tries, list_unsent};

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
    /// An earlier try of this alert was accepted for this device, or the app says that the person has seen it.
    pub accepted: bool,
    /// Earlier tries of this alert at this device that failed and count.
    pub tries: i64,
    /// Which of our keys the subscription was made with (Web Push).
    pub vapid_key_id: Option<String>,
    /// The phone promised to ring for this alert by itself.
    pub rings_locally: bool,
    /// Unreviewed translations of the alert's protocol version that the clinic has accepted.
    pub accepted_locales: Vec<String>,
}

hot_query! {
    // Postgres takes `coalesce` for something that may leak: behind a policy no index would be asked for it. Whether a clinic
    // is closed is looked up for each alert: as a join, all clinics might be read.
    struct ListDevices {
        clinics: Vec<Uuid> as Array<SqlUuid>,
        alerts: Vec<Uuid> as Array<SqlUuid>,
        of_patients: Vec<bool> as Array<Bool>,
        recipients: Vec<Uuid> as Array<SqlUuid>,
        only: Vec<Option<Uuid>> as Array<Nullable<SqlUuid>>,
        again: Vec<bool> as Array<Bool>,
        due: Vec<DateTime<Utc>> as Array<Timestamptz>,
        versions: Vec<Option<Uuid>> as Array<Nullable<SqlUuid>>,
        now: DateTime<Utc> as Timestamptz,
    }
    returns (
        Int4, SqlUuid, Text, Text, Text, Text, Bytea, Text, Timestamptz, Bool, Bool, Int8, Nullable<Text>, Bool, Array<Text>,
    );
    "SELECT c.position::int, d.id, d.provider, d.app_id, d.environment, d.address_kind, d.address_sealed, d.locale,
            d.registered_at, coalesce(np.show_details, false),
            coalesce(earlier.accepted, false) OR lr.shown_at IS NOT NULL AND lr.due_at = c.due_at, coalesce(earlier.tries, 0),
            d.vapid_key_id, coalesce(lr.due_at = c.due_at AND lr.until_at > $9, false),
            ARRAY(SELECT l.locale FROM accepted_locales AS l
                    JOIN protocol_texts AS w
                      ON w.version_id = l.version_id AND w.locale = l.locale AND w.content_hash = l.content_hash
                   WHERE l.clinic_id = c.clinic_id AND l.version_id = c.version_id AND l.withdrawn_at IS NULL)
       FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY
            AS c (clinic_id, alert_id, of_patient, recipient_id, only_device, again, due_at, version_id, position)
       LEFT JOIN patients AS p ON c.of_patient AND p.clinic_id = c.clinic_id AND p.id = c.recipient_id
       LEFT JOIN memberships AS m ON NOT c.of_patient AND m.clinic_id = c.clinic_id AND m.id = c.recipient_id
                                 AND m.removed_at IS NULL
       JOIN devices AS d ON d.user_id = CASE WHEN c.of_patient THEN p.user_id ELSE m.user_id END
        AND d.permission <> 'denied' AND d.quarantined_at IS NULL
        AND (c.only_device IS NULL OR d.id = c.only_device)
       LEFT JOIN notification_preferences AS np ON np.user_id = d.user_id
       LEFT JOIN local_reminders AS lr ON lr.device_id = d.id AND lr.alert_id = c.alert_id
       LEFT JOIN LATERAL (
             SELECT bool_or(t.outcome = 'accepted') AS accepted,
                    count(*) FILTER (WHERE t.outcome IN ('unavailable', 'not_sent', 'throttled_device')) AS tries
               FROM attempts AS t
              WHERE c.again AND t.clinic_id = c.clinic_id AND t.alert_id = c.alert_id AND t.device_id = d.id
             ) AS earlier ON c.again
      WHERE (SELECT k.closed_at FROM clinics AS k WHERE k.id = c.clinic_id) IS NULL"
}

/// The devices of the recipients of a batch of claims at `now`: one statement for all of them. A closed clinic reaches nobody.
pub async fn list_devices(
    conn: &mut AsyncPgConnection,
    claims: &[Claim],
    now: DateTime<Utc>,
) -> QueryResult<Vec<DeviceRow>> {
    ListDevices {
        clinics: claims.iter().map(|claim| claim.clinic_id).collect(),
        alerts: claims.iter().map(|claim| claim.id).collect(),
        of_patients: claims.iter().map(|claim| claim.recipient_kind == "patient").collect(),
        recipients: claims.iter().map(|claim| claim.recipient_id).collect(),
        only: claims.iter().map(|claim| claim.device_id).collect(),
        again: claims.iter().map(|claim| claim.claim_no > 1).collect(),
        due: claims.iter().map(|claim| claim.due_at).collect(),
        versions: claims.iter().map(|claim| claim.protocol_version_id).collect(),
        now,
    }
    .load(conn)
    .await
}
