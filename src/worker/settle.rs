//! Writing results in batches: attempts, states and dead addresses of many claims in one transaction.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Parts;
use super::deliver::Finished;
use super::open_claims::OpenClaims;
use crate::alerts::queue::{self, Batch, Claim, Settled};
use crate::alerts::store;
use crate::db::{DbError, Dedicated, Scope};
use crate::devices::store::{DEAD, quarantine_all};
use crate::failpoint::failpoint;
use crate::telemetry::StateLabel;

/// The most results in one transaction.
const BATCH: usize = 250;
/// The most results that wait for the transaction before theirs. Whatever waits, or is being written, when its worker dies
/// is sent a second time: so these two are small, and senders wait for the database.
pub(super) const WAITING: usize = 250;
/// How long results wait for others.
const GATHER: Duration = Duration::from_millis(2);
/// How long a worker that stops goes on trying to write its last results.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// The longest pause between two tries to write a batch.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

/// What is handed over to be written.
pub(super) enum Result {
    /// So many results will come of this claim.
    Claimed {
        /// The claim.
        id: Uuid,
        /// How many alerts it took.
        alerts: usize,
    },
    /// Sent, or tried.
    Finished(Box<Finished>),
    /// Given back: there was no slot for it in time, nobody could say for which devices it is, or the worker stops.
    Unsent(Box<Claim>),
}

/// Writes what comes in until all senders are gone. A batch that cannot be written is tried again until its leases are
/// over; then its alerts are rescued and sent again under the same delivery ids. `caller` is told when something is to be
/// tried again, which may be at once.
pub(super) async fn run(parts: Arc<Parts>, mut inbox: mpsc::Receiver<Result>, caller: mpsc::Sender<()>) {
    let mut conn = parts.db.dedicated(Scope::System);
    let mut open = OpenClaims::default();
    let mut batch = Vec::with_capacity(BATCH);
    while gather(&mut inbox, &mut batch).await {
        let (mut finished, mut unsent) = (Vec::new(), Vec::new());
        for result in batch.drain(..) {
            match result {
                Result::Claimed { id, alerts } => open.begin(id, alerts),
                Result::Finished(result) => finished.push(*result),
                Result::Unsent(claim) => unsent.push(*claim),
            }
        }
        let claims: Vec<Uuid> = finished
            .iter()
            .map(|result: &Finished| result.claim_id)
            .chain(unsent.iter().map(|claim: &Claim| claim.claim_id))
            .collect();
        let over = open.end(claims.iter().copied());
        let deadline = tokio::time::Instant::now() + parts.settings.lease;
        let mut backoff = Duration::from_millis(50);
        let mut again = false;
        loop {
            let error = match write_all(&parts, &mut conn, &finished, &unsent, &over, again).await {
                Ok(false) => break,
                Ok(true) => {
                    caller.try_send(()).ok();
                    break;
                }
                Err(error) => error,
            };
            again = true;
            if tokio::time::Instant::now() + backoff > deadline {
                open.abandon(&claims);
                tracing::error!(%error, alerts = finished.len(), "results could not be written; their claims are left to rescue");
                break;
            }
            tracing::warn!(%error, alerts = finished.len(), "results could not be written; trying again");
            tokio::time::sleep(backoff).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }
}

/// Waits until the task of [`run`] has written everything: as long as it takes, unless the worker stops.
pub(super) async fn finish(mut writer: JoinHandle<()>, stop: &CancellationToken) {
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_WRITES).await;
    };
    tokio::select! {
        written = &mut writer => if let Err(error) = written {
            tracing::error!(%error, "the settling task ended early");
        },
        () = overdue => {
            tracing::warn!("the last results could not be written; another worker will rescue their claims");
            writer.abort();
        }
    }
}

/// Waits for results. Where few have come, it waits a moment for more: what a batch costs is shared by all in it.
async fn gather(inbox: &mut mpsc::Receiver<Result>, batch: &mut Vec<Result>) -> bool {
    if inbox.recv_many(batch, BATCH).await == 0 {
        return false;
    }
    if batch.len() < BATCH / 2 {
        tokio::time::sleep(GATHER).await;
        while batch.len() < BATCH
            && let Ok(result) = inbox.try_recv()
        {
            batch.push(result);
        }
    }
    true
}

/// Writes it all; returns whether anything is to be tried again.
async fn write_all(
    parts: &Parts,
    conn: &mut Dedicated,
    finished: &[Finished],
    unsent: &[Claim],
    over: &[Uuid],
    again: bool,
) -> std::result::Result<bool, DbError> {
    let mut is_left = false;
    // With the last of what is written.
    let (over_now, over_then) = if unsent.is_empty() { (over, &[][..]) } else { (&[][..], over) };
    if !finished.is_empty() {
        let settled = conn.transaction(async |conn| write(parts, conn, finished, over_now, again).await).await?;
        failpoint!("settle:committed");
        count(parts, finished, &settled);
        is_left |= settled.iter().any(|row| row.state == "scheduled");
    }
    if !unsent.is_empty() {
        failpoint!("stop:release");
        let now = parts.clocks.care.now();
        let release =
            async |conn: &mut _| Ok::<_, DbError>(queue::release(conn, unsent, over_then.to_vec(), now).await?);
        is_left |= conn.run(release).await? > 0;
    }
    Ok(is_left)
}

/// Writes one batch; returns the claims that were still ours. To be called in one transaction, and [`count`] after it.
/// Nothing is left after it of the claims that are `over`. `again`: it may have been written already, although nobody
/// heard so.
pub(super) async fn write(
    parts: &Parts,
    conn: &mut AsyncPgConnection,
    finished: &[Finished],
    over: &[Uuid],
    again: bool,
) -> std::result::Result<Vec<Settled>, DbError> {
    let batch = Batch {
        settlements: finished.iter().map(|result| result.settlement.clone()).collect(),
        attempts: finished.iter().flat_map(|result| result.attempts.clone()).collect(),
        over: over.to_vec(),
        again,
    };
    let receipts: Vec<_> = finished.iter().flat_map(|result| result.receipts.clone()).collect();
    let now = parts.clocks.wall.now();
    let settled = queue::settle(conn, &batch).await?;
    store::insert_receipts(conn, &receipts).await?;
    set_aside(conn, finished, now).await?;
    failpoint!("settle:uncommitted");
    Ok(settled)
}

/// Leaves addresses alone that are gone or suspect.
async fn set_aside(conn: &mut AsyncPgConnection, finished: &[Finished], now: DateTime<Utc>) -> QueryResult<()> {
    // Those that were called dead as well: a whole wave of them would be our mistake. They are forgotten a day later.
    let dead = finished.iter().flat_map(|result| &result.dead).map(|(device, since)| (*device, *since, DEAD));
    let suspect = finished.iter().flat_map(|result| &result.suspect);
    let suspect = suspect.map(|(device, tried_at, reason)| (*device, *tried_at, reason.as_str()));
    quarantine_all(conn, dead.chain(suspect).collect(), now).await
}

/// Tells operators of a batch that is written.
pub(super) fn count(parts: &Parts, finished: &[Finished], settled: &[Settled]) {
    for row in settled {
        parts.metrics.settled.get_or_create(&StateLabel { state: known_state(&row.state) }).inc();
    }
    if settled.len() < finished.len() {
        tracing::warn!(lost = finished.len() - settled.len(), "claims were taken over before they were settled");
    }
}

/// The state as a label that costs no allocation.
fn known_state(state: &str) -> &'static str {
    ["scheduled", "sent", "failed", "expired", "cancelled", "no_device"]
        .into_iter()
        .find(|known| *known == state)
        .unwrap_or("other")
}
