//! What comes in: looks at the queue, and claims with the devices of those whom they are for. On a connection of its own,
//! where a claim is one statement and one round trip.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel_async::AsyncPgConnection;
use uuid::Uuid;

use super::{Parts, compose, deliver};
use crate::alerts::queue::{self, Claim, Claimed, Look};
use crate::alerts::store::{self, DeviceRow};
use crate::db::{DbError, Dedicated, Scope};
use crate::failpoint::failpoint;
use crate::protocols::CatalogueError;
use crate::telemetry::StateLabel;

/// See the module's words.
pub(super) struct Intake {
    parts: Arc<Parts>,
    conn: Dedicated,
}

/// What a claim took.
pub(super) struct Taken {
    /// Entries of the queue that it went by, whatever became of their alerts.
    pub(super) entries: usize,
    /// The claim, if anything of it is left to be settled.
    pub(super) id: Option<Uuid>,
    /// What is to be sent.
    pub(super) alerts: Vec<(Claim, Vec<DeviceRow>)>,
    /// What was claimed although nobody could say for which devices.
    pub(super) unread: Vec<Claim>,
}

impl Intake {
    pub(super) fn new(parts: Arc<Parts>) -> Self {
        let conn = parts.db.dedicated(Scope::System);
        Self { parts, conn }
    }

    /// Rescues, and finds out what is due next.
    pub(super) async fn look(&mut self) -> Result<Look, DbError> {
        let now = self.parts.clocks.care.now();
        let look = self
            .conn
            .at_once("rescue:uncommitted", async |conn| Ok::<_, DbError>(queue::look(conn, now).await?))
            .await?;
        Ok(tell(look))
    }

    /// Claims what is due at `now`, then reads whom it goes to. The claim stands by then: whoever registers a device in between
    /// sees that the alert is being sent, and whoever did so before is found.
    pub(super) async fn claim(&mut self, worker: i32, now: DateTime<Utc>, limit: usize) -> Result<Taken, DbError> {
        let claim = async |conn: &mut _| {
            let claimed = claim(&self.parts, conn, worker, now, limit).await?;
            if !claimed.is_empty() {
                failpoint!("claim:uncommitted");
            }
            Ok::<_, DbError>(claimed)
        };
        let claimed = self.conn.at_once("claim:uncommitted", claim).await?;
        let entries = claimed.entries();
        let claims = claimed.claims;
        let id = claims.first().map(|claim| claim.claim_id);
        if id.is_none() {
            return Ok(Taken { entries, id, alerts: Vec::new(), unread: Vec::new() });
        }
        failpoint!("claim:committed");
        match self.conn.run(async |conn| devices(&self.parts, conn, &claims).await).await {
            Ok(devices) => Ok(Taken { entries, id, alerts: deliver::pair(claims, devices), unread: Vec::new() }),
            Err(error) => {
                tracing::warn!(%error, "devices could not be read; their alerts are given back");
                Ok(Taken { entries, id, alerts: Vec::new(), unread: claims })
            }
        }
    }
}

/// Says what a look has put back.
pub(super) fn tell(look: Look) -> Look {
    if look.rescued > 0 {
        tracing::warn!(alerts = look.rescued, "rescued claims of workers that are gone");
    }
    look
}

/// Claims what is due at `now`.
pub(super) async fn claim(
    parts: &Parts,
    conn: &mut AsyncPgConnection,
    worker: i32,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Claimed, DbError> {
    let lease = i32::try_from(parts.settings.lease.as_secs()).unwrap_or(i32::MAX);
    let claimed = queue::claim_due(conn, now, limit, worker, lease).await?;
    for (state, ended) in claimed.ended() {
        if ended > 0 {
            parts.metrics.settled.get_or_create(&StateLabel { state }).inc_by(ended);
        }
    }
    Ok(claimed)
}

/// The devices of those whom claims are for, and in memory the words that some of them want to see.
pub(super) async fn devices(
    parts: &Parts,
    conn: &mut AsyncPgConnection,
    claims: &[Claim],
) -> Result<Vec<DeviceRow>, DbError> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let devices = store::list_devices(conn, claims).await?;
    // A version is read once and then in memory; without its words the neutral sentence has to do.
    for id in compose::wanted_versions(claims) {
        match parts.catalogue.version(conn, id).await {
            Err(CatalogueError::Db(error)) => return Err(error),
            Err(error) => tracing::error!(%error, "alerts go out without the details that were asked for"),
            Ok(_) => {}
        }
    }
    Ok(devices)
}
