//! What goes by age, the partitions of the months to come, and the seals of days that are over. Which class each table belongs to is said in docs/OPERATIONS.md,
//! which a test compares with the catalogue. Workers may do it at the same time: rows are removed by their age, and partitions
//! are made under a lock.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::Parts;
use crate::alerts::store as alerts;
use crate::audit::{seal, store as trail, verify};
use crate::auth::prune as prune_logins;
use crate::db::{DbError, Scope, ensure_partitions};
use crate::devices::store as devices;
use crate::idempotency;
use crate::invitations::store as invitations;
use crate::offline::store as offline;
use crate::push_health::store as push_health;

/// How long an address that its provider calls dead is kept, in case that the provider was wrong about many at once.
const KEEP_DEAD: TimeDelta = TimeDelta::days(1);
/// How long it is known what phones rang for by themselves: no alert is tried for longer than it is worth something.
const KEEP_RINGS: TimeDelta = TimeDelta::days(14);
/// How long what a worker knew of push services outlives it.
const KEEP_HEALTH: TimeDelta = TimeDelta::hours(1);
/// How long attempts are kept.
const KEEP_ATTEMPTS: TimeDelta = TimeDelta::days(90);
/// How long alerts are kept once they have ended: somebody's inbox, and what explains a day long ago.
const KEEP_ALERTS: TimeDelta = TimeDelta::days(365);
/// How long "remind me later" is kept once its moment has passed.
const KEEP_SNOOZES: TimeDelta = TimeDelta::days(90);
/// How long invitations are kept that nobody can accept any more; they hold addresses.
const KEEP_INVITATIONS: TimeDelta = TimeDelta::days(30);
/// How long apps are told of what is gone. One that stays away for longer must read everything anew.
const KEEP_GONE: TimeDelta = TimeDelta::days(90);

/// Makes the partitions of the months to come and removes what is past its retention: each in a transaction of its own,
/// and whatever becomes of the others.
pub(super) async fn tidy(parts: &Parts) {
    let now = parts.clocks.wall.now();
    let partitions = async |conn: &mut AsyncPgConnection| {
        // A month that was missed may hold many rows to move.
        conn.batch_execute("SET LOCAL statement_timeout = 0").await?;
        ensure_partitions(conn).await
    };
    job(parts, "partitions", partitions).await;
    let months = (now - KEEP_ATTEMPTS).date_naive();
    job(parts, "months of attempts", async |conn| alerts::drop_attempts(conn, months).await.map(drop)).await;
    erase(parts, Old::Attempts, now - KEEP_ATTEMPTS).await;
    erase(parts, Old::Alerts, parts.clocks.care.now() - KEEP_ALERTS).await;
    job(parts, "stale devices", async |conn| {
        for (provider, retired) in devices::retire_stale(conn, parts.registry.known(), now).await? {
            tracing::info!(
                push.provider = provider,
                devices = retired,
                "addresses removed: nobody heard of their apps for long"
            );
        }
        Ok(())
    })
    .await;
    job(parts, "invitations", async |conn| invitations::prune(conn, now - KEEP_INVITATIONS).await.map(drop)).await;
    job(parts, "receipts", async |conn| alerts::prune_receipts(conn, now).await.map(drop)).await;
    let snoozed = parts.clocks.care.now() - KEEP_SNOOZES;
    job(parts, "snoozes", async |conn| alerts::prune_snoozes(conn, snoozed).await.map(drop)).await;
    job(parts, "logins", async |conn| prune_logins(conn, now).await.map(drop)).await;
    job(parts, "dead addresses", async |conn| devices::prune_dead(conn, now - KEEP_DEAD).await.map(drop)).await;
    let rung = parts.clocks.care.now() - KEEP_RINGS;
    job(parts, "local reminders", async |conn| devices::prune_rings(conn, rung).await.map(drop)).await;
    let care = parts.clocks.care.now();
    job(parts, "what is gone", async |conn| offline::prune(conn, care, care - KEEP_GONE).await.map(drop)).await;
    job(parts, "push health", async |conn| push_health::prune(conn, now - KEEP_HEALTH, now).await.map(drop)).await;
    let months = verify::kept_from(now);
    job(parts, "months of the audit trail", async |conn| trail::drop_months(conn, months).await.map(drop)).await;
    if let Err(error) = seal::seal_due(&parts.db, &parts.keys, now).await {
        tracing::warn!(%error, "sealing the audit trail failed; it is tried again in an hour");
    }
    job(parts, "idempotency keys", async |conn| idempotency::prune(conn, now).await.map(drop)).await;
}

/// What is erased a batch at a time.
#[derive(Debug, Clone, Copy)]
enum Old {
    Attempts,
    Alerts,
}

/// Erases batch after batch, each in a transaction of its own, until there is no whole one left.
async fn erase(parts: &Parts, old: Old, before: DateTime<Utc>) {
    loop {
        let mut gone = 0;
        let batch = async |conn: &mut AsyncPgConnection| {
            gone = match old {
                Old::Attempts => alerts::prune_attempts(conn, before).await?,
                Old::Alerts => alerts::prune_alerts(conn, before).await?,
            };
            Ok(())
        };
        job(parts, "retention", batch).await;
        if i64::try_from(gone).unwrap_or(0) < alerts::BATCH {
            return;
        }
    }
}

pub(super) async fn job(parts: &Parts, name: &str, work: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<()>) {
    let done = parts.db.scoped(Scope::System, async |conn| work(conn).await.map_err(DbError::Query)).await;
    if let Err(error) = done {
        tracing::warn!(%error, job = name, "tidying up failed; it is tried again in an hour");
    }
}
