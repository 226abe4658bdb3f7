//! Tidying up: retention by class, partitions of the months to come, seals of the audit trail, the queue's figures for
//! operators. Workers may do it at the same time: rows are removed by their age, and partitions are made under a lock.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use tokio_util::sync::CancellationToken;

use super::health::Health;
use super::{Parts, erasure};
use crate::alerts::queue;
use crate::alerts::store as alerts;
use crate::audit::{seal, store as trail, verify};
use crate::auth::prune as prune_logins;
use crate::db::{DbError, Scope, ensure_partitions};
use crate::devices::store as devices;
use crate::idempotency;
use crate::offline::store as offline;
use crate::push_health::store as push_health;

/// How often old rows are looked for.
const EVERY: Duration = Duration::from_secs(3600);
/// How often the queue is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(30);
/// How many pages of the queue's entries are gone through in an hour: a million entries.
const PAGES: usize = 200;
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
/// How long apps are told of what is gone. One that stays away for longer must read everything anew.
const KEEP_GONE: TimeDelta = TimeDelta::days(90);

/// Tidies up and measures until `stop`: once at the start, since no worker may have run for months, and then again and
/// again.
pub(super) async fn run(parts: Arc<Parts>, health: Arc<Health>, stop: CancellationToken) {
    let shared = health.keep_shared(Arc::clone(&parts), stop.clone());
    let work = async {
        let (mut tidy_at, mut swept_to) = (tokio::time::Instant::now(), None);
        loop {
            if tokio::time::Instant::now() >= tidy_at {
                tidy(&parts).await;
                erasure::run(&parts).await;
                tidy_queue(&parts, &mut swept_to).await;
                tidy_at = tokio::time::Instant::now() + EVERY;
            }
            if let Err(error) = measure(&parts).await {
                tracing::debug!(%error, "the queue could not be measured");
            }
            tokio::time::sleep(MEASURE_EVERY).await;
        }
    };
    let work = stop.run_until_cancelled(work);
    tokio::join!(work, shared);
}

async fn measure(parts: &Parts) -> Result<(), DbError> {
    let now = parts.clocks.care.now();
    let (depth, oldest) =
        parts.db.scoped(Scope::System, async |conn| Ok::<_, DbError>(queue::queue_depth(conn, now).await?)).await?;
    parts.metrics.queue_depth.set(depth);
    parts.metrics.oldest_due_seconds.set(oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0)));
    Ok(())
}

/// Makes the partitions of the months to come and removes what is past its retention: each in a transaction of its own,
/// and whatever becomes of the others.
async fn tidy(parts: &Parts) {
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

/// Puts back into the queue what it has lost, and goes through some of its entries for such as mean nothing any more: on
/// from where it stopped the last time.
async fn tidy_queue(parts: &Parts, swept_to: &mut Option<queue::Swept>) {
    let now = parts.clocks.care.now();
    job(parts, "lost entries", async |conn| {
        let alerts = queue::restore_lost(conn, now).await?;
        if alerts > 0 {
            tracing::warn!(alerts, "alerts were scheduled and not in the queue; they are now");
        }
        Ok(())
    })
    .await;
    for _ in 0..PAGES {
        let from = swept_to.take();
        job(parts, "the queue's entries", async |conn| {
            (_, *swept_to) = queue::sweep_page(conn, from).await?;
            Ok(())
        })
        .await;
        if swept_to.is_none() {
            return;
        }
    }
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

async fn job(parts: &Parts, name: &str, work: impl AsyncFnOnce(&mut AsyncPgConnection) -> QueryResult<()>) {
    let done = parts.db.scoped(Scope::System, async |conn| work(conn).await.map_err(DbError::Query)).await;
    if let Err(error) = done {
        tracing::warn!(%error, job = name, "tidying up failed; it is tried again in an hour");
    }
}
