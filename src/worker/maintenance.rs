//! Tidying up: retention by class, partitions of the months to come, the queue's figures for operators. One worker does
//! it at a time.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection;
use tokio_util::sync::CancellationToken;

use super::Parts;
use crate::alerts::{queue, store};
use crate::auth::prune as prune_logins;
use crate::db::{DbError, Scope};
use crate::idempotency;

/// How often old rows are looked for.
const EVERY: Duration = Duration::from_secs(3600);
/// How often the queue is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(15);
/// How long attempts are kept.
const KEEP_ATTEMPTS: TimeDelta = TimeDelta::days(90);

/// Tidies up and measures until `stop`.
pub(super) async fn run(parts: Arc<Parts>, stop: CancellationToken) {
    let mut tidy_at = tokio::time::Instant::now() + EVERY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(MEASURE_EVERY) => {}
        }
        if let Err(error) = measure(&parts).await {
            tracing::debug!(%error, "the queue could not be measured");
        }
        if tokio::time::Instant::now() >= tidy_at {
            tidy_at += EVERY;
            if let Err(error) = tidy(&parts).await {
                tracing::warn!(%error, "tidying up failed; it is tried again in an hour");
            }
        }
    }
}

async fn measure(parts: &Parts) -> Result<(), DbError> {
    let now = parts.clocks.care.now();
    let (depth, oldest) =
        parts.db.scoped(Scope::System, async |conn| Ok::<_, DbError>(queue::queue_depth(conn, now).await?)).await?;
    parts.metrics.queue_depth.set(depth);
    parts.metrics.oldest_due_seconds.set(oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0)));
    Ok(())
}

/// Removes what is past its retention and makes the partitions of the months to come.
async fn tidy(parts: &Parts) -> Result<(), DbError> {
    let now = parts.clocks.wall.now();
    parts
        .db
        .scoped(Scope::System, async |conn| {
            for table in ["attempts", "audit"] {
                let sql = format!("SELECT ensure_month_partitions('{table}', clock_timestamp()::date, 3)");
                conn.batch_execute(&sql).await?;
            }
            store::prune_attempts(conn, now - KEEP_ATTEMPTS).await?;
            prune_logins(conn, now).await?;
            idempotency::prune(conn, now).await?;
            Ok::<_, DbError>(())
        })
        .await
}
