//! One round of everything: the step that tests and the demo take. A worker that runs does the same side by side.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::deliver::{self, Finished};
use super::presence::Presence;
use super::{BATCH, Round, Worker, anew, escalate, intake, nudge, settle};
use crate::alerts::queue;
use crate::db::{DbError, Scope};

impl Worker {
    /// Works off everything that is due now and returns: the step that tests and the demo take.
    pub async fn drain(&self) -> anyhow::Result<Round> {
        let parts = &self.parts;
        let presence = Presence::register(&parts.db).await?;
        let (worker, alive) = (presence.number(), presence.alive());
        let mut total = Round::default();
        self.health.adopt(parts).await?;
        let now = parts.clocks.care.now();
        let look = async |conn: &mut _| Ok::<_, DbError>(queue::look(conn, now).await?);
        while intake::tell(parts.db.scoped(Scope::System, look).await?).is_littered {}
        escalate::take_due(parts).await?;
        nudge::take_due(parts).await?;
        anew::take_asked(parts, &CancellationToken::new()).await?;
        loop {
            anyhow::ensure!(presence.is_alive(), "the worker lost its place");
            let claim = async |conn: &mut _| {
                let claimed = intake::claim(parts, conn, worker, parts.clocks.care.now(), BATCH).await?;
                let devices = intake::devices(parts, conn, &claimed.claims).await?;
                Ok::<_, DbError>((claimed, devices))
            };
            let (claimed, devices) = parts.db.scoped(Scope::System, claim).await?;
            if claimed.is_empty() {
                self.health.share_news(parts).await?;
                return Ok(total);
            }
            total.claimed += claimed.len();
            total.ended += claimed.len() - claimed.claims.len();
            for (clinic_id, patient_id) in &claimed.unplanned {
                anew::plan(parts, *clinic_id, *patient_id).await?;
            }
            let give_up_at = Instant::now() + parts.settings.lease;
            let over: Vec<Uuid> = claimed.claims.first().map(|claim| claim.claim_id).into_iter().collect();
            let alerts = deliver::pair(claimed.claims, devices);
            let sends = alerts
                .iter()
                .map(|(claim, devices)| deliver::deliver(parts, &self.health, &alive, claim, devices, give_up_at));
            let finished: Vec<Finished> = futures_util::future::join_all(sends).await;
            let write = async |conn: &mut _| settle::write(parts, conn, &finished, &over, false).await;
            let settled = parts.db.scoped(Scope::System, write).await?;
            settle::count(parts, &finished, &settled);
            total.settled += settled.len();
        }
    }
}
