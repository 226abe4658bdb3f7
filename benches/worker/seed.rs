//! Rows to work on, by SQL: people with a phone each, and alerts.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Binary, Int8, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::auth::keys::Keys;
use mendline::devices::sealed::SealedAddress;
use uuid::Uuid;

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

/// The whole queue: `due` alerts that are due since `now`, one for each of the first people, and `future` ones spread over
/// the six weeks from an hour on. Leaves the tables as autovacuum would.
pub async fn alerts(conn: &mut AsyncPgConnection, now: DateTime<Utc>, due: usize, future: usize) -> anyhow::Result<()> {
    conn.batch_execute("TRUNCATE alerts, attempts").await?;
    diesel::sql_query(
        "INSERT INTO alerts (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, due_at,
             next_attempt_at, expires_at, state, plan_revision, superseded, claim_no, tries)
         SELECT md5('clinic')::uuid, gen_random_uuid(), 'patient', md5('patient' || n)::uuid, 't:' || n, 'routine',
                false, due_at, due_at, due_at + interval '1 day', 'scheduled', 1, false, 0, 0
           FROM generate_series(1, $2 + $3) AS n,
                LATERAL (SELECT CASE WHEN n <= $2 THEN $1
                    ELSE $1 + interval '1 hour' + (n - $2) * (interval '42 days' / greatest($3, 1)) END) AS moment (due_at)",
    )
    .bind::<Timestamptz, _>(now)
    .bind::<Int8, _>(i64::try_from(due)?)
    .bind::<Int8, _>(i64::try_from(future)?)
    .execute(conn)
    .await?;
    conn.batch_execute("VACUUM ANALYZE").await?;
    conn.batch_execute("CHECKPOINT").await?;
    Ok(())
}
