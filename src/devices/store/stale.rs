//! Devices of which nobody has heard for long: noted when they are heard of, retired when they are not.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, Int8, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use uuid::Uuid;

use crate::db::hot::hot_query;
use crate::domain::provider::Providers;

/// How often a device that is used is written down as used.
const TOUCH_EVERY: TimeDelta = TimeDelta::days(1);

hot_query! {
    struct Touch {
        session: Uuid as SqlUuid,
        now: DateTime<Utc> as Timestamptz,
        stale: DateTime<Utc> as Timestamptz,
    }
    returns Int8;
    ", seen AS (
        UPDATE devices SET last_seen_at = $2 WHERE session_id = $1 AND last_seen_at < $3 RETURNING 1
    )
    SELECT count(*) FROM seen"
}

/// The device that this session registered is in use; noted once a day at most.
pub async fn touch(conn: &mut AsyncPgConnection, session: Uuid, now: DateTime<Utc>) -> QueryResult<()> {
    let _: i64 = Touch { session, now, stale: now - TOUCH_EVERY }.get_result(conn).await?;
    Ok(())
}

hot_query! {
    /// The address goes, sealed text and hash alike; the row stays as the reason why the person cannot be reached, until
    /// the app registers again or its session ends.
    struct Retire {
        now: DateTime<Utc> as Timestamptz,
        providers: Vec<&'static str> as Array<Text>,
        unseen_since: Vec<DateTime<Utc>> as Array<Timestamptz>,
    }
    returns (Text, Int8);
    ", stale AS MATERIALIZED (
        SELECT d.id FROM unnest($2, $3) AS s (provider, unseen_since)
          JOIN devices AS d ON d.provider = s.provider AND d.last_seen_at < s.unseen_since
         WHERE d.quarantine_reason IS DISTINCT FROM 'stale'
         ORDER BY d.id LIMIT 1000 FOR UPDATE OF d SKIP LOCKED
    ), retired AS (
        UPDATE devices AS d SET quarantined_at = $1, quarantine_reason = 'stale', address_sealed = '',
               address_hash = sha256(uuid_send(d.id))
          FROM stale WHERE d.id = stale.id
        RETURNING d.provider
    )
    SELECT provider, count(*) FROM retired GROUP BY provider ORDER BY provider"
}

/// Removes the addresses of devices of which nobody has heard for as long as their provider's are believed; at most a
/// thousand. Returns how many of which provider.
pub async fn retire_stale(
    conn: &mut AsyncPgConnection,
    providers: &Providers,
    now: DateTime<Utc>,
) -> QueryResult<Vec<(String, i64)>> {
    let (providers, unseen_since) =
        providers.iter().map(|provider| (provider.word, now - provider.believed_for)).unzip();
    Retire { now, providers, unseen_since }.load(conn).await
}
