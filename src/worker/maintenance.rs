//! What a worker does beside delivery, hourly: retention (`retention.rs`), erasing what is due (`erasure.rs`), the upkeep of the
//! queue; and twice a minute the queue's figures for operators. Workers may do all of it at the same time.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::health::Health;
use super::retention::job;
use super::{Parts, erasure, retention};
use crate::alerts::queue;
use crate::db::{DbError, Scope};

/// How often old rows are looked for.
const EVERY: Duration = Duration::from_secs(3600);
/// How often the queue is measured.
const MEASURE_EVERY: Duration = Duration::from_secs(30);
/// How many pages of the queue's entries are gone through in an hour: a million entries.
const PAGES: usize = 200;

/// Tidies up and measures until `stop`: once at the start, since no worker may have run for months, and then again and
/// again.
pub(super) async fn run(parts: Arc<Parts>, health: Arc<Health>, stop: CancellationToken) {
    let shared = health.keep_shared(Arc::clone(&parts), stop.clone());
    let work = async {
        let (mut tidy_at, mut swept_to) = (tokio::time::Instant::now(), None);
        loop {
            if tokio::time::Instant::now() >= tidy_at {
                retention::tidy(&parts).await;
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
