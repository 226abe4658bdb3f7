//! Taking the steps of escalations when they are due. What a step owes is an alert, which is sent like any other.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{DATABASE_BACKOFF, Parts, duty, pause};
use crate::db::{DbError, Scope};
use crate::escalation;

/// How often to look for new ones. The next step of a new one lies a minute ahead at least, so that it is known in time.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Takes steps at their moments until `stop`.
pub(super) async fn run(parts: Arc<Parts>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match take_due(&parts).await {
            Ok(next) => duty::wait(&parts.clocks.care, next, LOOK_EVERY, &stop).await,
            Err(error) => {
                tracing::warn!(%error, "an escalation's step could not be taken; it is tried again");
                pause(DATABASE_BACKOFF, &stop).await;
            }
        }
    }
}

/// Takes every step that is due now, each in a transaction of its own; returns when the next one will be.
pub(super) async fn take_due(parts: &Parts) -> Result<Option<DateTime<Utc>>, DbError> {
    loop {
        let now = parts.clocks.care.now();
        let step = async |conn: &mut _| {
            let taken = escalation::step(conn, &parts.clocks, now).await?;
            let next = if taken { None } else { escalation::store::next_wake(conn).await? };
            Ok::<_, DbError>((taken, next))
        };
        let (taken, next) = parts.db.scoped(Scope::System, step).await?;
        if !taken {
            return Ok(next);
        }
    }
}
