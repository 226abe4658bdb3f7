//! Going through clinics' patients once a day, for those who keep to little of what was asked. What a round owes is an
//! alert, which is sent like any other.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{Parts, duty, pause};
use crate::db::Scope;
use crate::nudges;

/// How often to look for clinics that are new, or whose quiet hours were changed.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// A worker that starts has more pressing things to do first.
const LATER: Duration = Duration::from_secs(5);

/// Makes rounds at their moments until `stop`.
pub(super) async fn run(parts: Arc<Parts>, stop: CancellationToken) {
    pause(LATER, &stop).await;
    while !stop.is_cancelled() {
        match take_due(&parts).await {
            Ok(next) => duty::wait(&parts.clocks.care, next, LOOK_EVERY, &stop).await,
            Err(error) => {
                tracing::warn!(%error, "a round through a clinic's patients failed; it is tried again");
                pause(LATER, &stop).await;
            }
        }
    }
}

/// Makes every round that is due now, some patients in each transaction; returns when the next one will be.
pub(super) async fn take_due(parts: &Parts) -> anyhow::Result<Option<DateTime<Utc>>> {
    let now = parts.clocks.care.now();
    parts.db.scoped(Scope::System, async |conn| nudges::schedule(conn, now).await).await?;
    loop {
        let step = async |conn: &mut _| {
            let taken = nudges::step(conn, &parts.clocks, &parts.catalogue, now).await?;
            let next = if taken { None } else { nudges::store::next_due(conn).await? };
            Ok::<_, anyhow::Error>((taken, next))
        };
        let (taken, next) = parts.db.scoped(Scope::System, step).await?;
        if !taken {
            return Ok(next);
        }
    }
}
