//! Duties beside delivery that have moments of their own: a step of an escalation, a round through a clinic's patients.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::{DATABASE_BACKOFF, pause};
use crate::clock::Clock;

/// Until the next one is due, or it is time to look for others; a moment longer where another worker has it in hand.
pub(super) async fn wait(care: &Clock, next: Option<DateTime<Utc>>, look_every: Duration, stop: &CancellationToken) {
    let Some(due) = next else { return pause(look_every, stop).await };
    if due <= care.now() {
        return pause(DATABASE_BACKOFF, stop).await;
    }
    tokio::select! {
        () = care.sleep_until(due) => {}
        () = pause(look_every, stop) => {}
    }
}
