//! Rows to work on, by SQL: people with a phone each, and alerts.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Array, Binary, Int8, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::auth::keys::Keys;
use mendline::devices::sealed::SealedAddress;
use uuid::Uuid;

use super::upkeep::Upkeep;

/// A clinic, and `count` patients of it with a login and an FCM device each. Person `n` is the same in all tables.
pub async fn people(conn: &mut AsyncPgConnection, keys: &Keys, count: usize) -> anyhow::Result<()> {
    conn.batch_execute(&format!(
        "INSERT INTO clinics (id, name, time_zone, locale, default_protocol, quiet_from, quiet_to, low_compliance_bp,
             triage_enabled, demo, version, created_at)
         VALUES (md5('clinic')::uuid, 'Clinic', 'UTC', 'en', 'conservative', '21:00', '08:00', 6000, true, false, 1, now());
         INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
         SELECT md5('user' || n)::uuid, n || '@example.org', '', 'Somebody', 'UTC', 'en', now(), 1, now()
           FROM generate_series(1, {count}) AS n;
         INSERT INTO patients (clinic_id, id, user_id, display_name, time_zone, locale, linked_at, plan_revision, version, created_at)
         SELECT md5('clinic')::uuid, md5('patient' || n)::uuid, md5('user' || n)::uuid, 'Somebody', 'UTC', 'en',
                now(), 0, 1, now()
           FROM generate_series(1, {count}) AS n;
         INSERT INTO memberships (clinic_id, id, user_id, role, created_at)
         SELECT clinic_id, md5('member' || user_id)::uuid, user_id, 'patient', now() FROM patients;
         INSERT INTO patient_zones (clinic_id, patient_id, valid_from, zone)
         SELECT clinic_id, id, linked_at, time_zone FROM patients"
    ))
    .await?;
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    let mut sealed = Vec::with_capacity(count);
    for id in &ids {
        // FCM's tokens are about as long.
        let address = SealedAddress { address: format!("{:0>22}:APA91b{:x<134}", id.simple(), ""), keys: None };
        sealed.push(address.seal(keys, *id)?);
    }
    diesel::sql_query(
        "INSERT INTO devices (id, user_id, provider, app_id, environment, address_kind, address_hash, address_sealed, locale,
             time_zone, permission, registered_at, last_seen_at)
         SELECT id, md5('user' || n)::uuid, 'fcm', '', 'production', 'token', sha256(uuid_send(id)), sealed, 'en', 'UTC',
                'granted', now() - interval '1 hour', now()
           FROM unnest($1, $2) WITH ORDINALITY AS d (id, sealed, n)",
    )
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Binary>, _>(sealed)
    .execute(conn)
    .await?;
    Ok(())
}

/// When alerts are due.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// How many, one for each of the first people.
    pub count: usize,
    /// The first one's moment.
    pub from: DateTime<Utc>,
    /// From one to the next.
    pub every: TimeDelta,
}

/// SQL for the id of an alert: like the product's, half of it is its recipient's and half its key's.
pub fn alert_id(recipient: &str, key: &str) -> String {
    format!("(left(md5('of' || {recipient}), 16) || left(md5({key}), 16))::uuid")
}

/// The whole queue: what is due, and `future` alerts spread over the six weeks from an hour later on. Leaves the tables
/// as autovacuum would.
pub async fn alerts(conn: &mut AsyncPgConnection, due: Due, future: usize) -> anyhow::Result<()> {
    conn.batch_execute("TRUNCATE alerts, alert_queue, attempts, claims").await?;
    let upkeep = Upkeep::set_aside(conn).await?;
    let id = alert_id("md5('patient' || n)", "'t:' || n");
    diesel::sql_query(format!(
        "INSERT INTO alerts (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, due_at,
             next_attempt_at, expires_at, state, plan_revision, superseded, claim_no, tries)
         SELECT md5('clinic')::uuid, {id}, 'patient', md5('patient' || n)::uuid, 't:' || n, 'routine',
                false, due_at, due_at, due_at + interval '1 day', 'scheduled', 1, false, 0, 0
           FROM generate_series(1, $2 + $3) AS n,
                LATERAL (SELECT CASE WHEN n <= $2 THEN $1 + (n - 1) * $4 * interval '1 microsecond'
                    ELSE $1 + interval '1 hour' + (n - $2) * (interval '42 days' / greatest($3, 1)) END) AS moment (due_at)"
    ))
    .bind::<Timestamptz, _>(due.from)
    .bind::<Int8, _>(i64::try_from(due.count)?)
    .bind::<Int8, _>(i64::try_from(future)?)
    .bind::<Int8, _>(due.every.num_microseconds().unwrap_or(0))
    .execute(conn)
    .await?;
    upkeep.catch_up(conn).await
}

#[derive(diesel::QueryableByName)]
struct Unsent {
    #[diesel(sql_type = Int8)]
    unsent: i64,
}

/// How many alerts are due and not sent.
pub async fn unsent(conn: &mut AsyncPgConnection) -> anyhow::Result<i64> {
    let sql = "SELECT count(*) AS unsent FROM alerts WHERE due_at <= now() AND state <> 'sent'";
    let row: Unsent = diesel::sql_query(sql).get_result(conn).await?;
    Ok(row.unsent)
}
