//! What workers tell each other and the API about push services, through the database: never on a send's way. And what a
//! wave set aside is taken back here.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Health;
use super::realm::Realm;
use crate::alerts::queue::revive_for_user;
use crate::db::{DbError, Scope};
use crate::devices::store as devices;
use crate::domain::breaker::{Pause, ServiceState};
use crate::domain::provider::Provider;
use crate::push::Registry;
use crate::push_health::store::{self, ServiceRow};
use crate::worker::Parts;

/// How often a worker says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// However much happens, it is not written more often.
const LEAST: Duration = Duration::from_millis(500);
/// The most services that a worker writes down. Origins of Web Push have no natural bound; those in trouble come first.
const MOST_ROWS: usize = 200;

impl Health {
    /// Writes down what changes until `stop`, and takes over what others wrote.
    pub(in crate::worker) async fn keep_shared(self: Arc<Self>, parts: Arc<Parts>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.share(&parts).await {
                tracing::debug!(%error, "what is known of push services could not be shared");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.board.news.notified() => {
                    stop.run_until_cancelled(tokio::time::sleep(LEAST)).await;
                }
                () = tokio::time::sleep(HEARTBEAT) => {}
            }
        }
        // What a wave is to take back must not be forgotten.
        if let Err(error) = self.share_news(&parts).await {
            tracing::warn!(%error, "what was learnt last of push services could not be shared");
        }
    }

    /// Takes back, writes down, takes over: once. News that could not be told are news still.
    async fn share(&self, parts: &Parts) -> Result<(), DbError> {
        let is_news = self.board.take_news();
        let shared = self.exchange(parts).await;
        if shared.is_err() && is_news {
            self.board.tell();
        }
        shared
    }

    async fn exchange(&self, parts: &Parts) -> Result<(), DbError> {
        self.restore(parts).await?;
        let now = self.wall.now();
        let rows = self.rows(&parts.registry, now);
        let exchange = async |conn: &mut _| {
            store::replace_services(conn, self.worker, &rows).await?;
            Ok::<_, DbError>(store::list_pauses(conn, self.worker, now).await?)
        };
        let known = parts.db.scoped(Scope::System, exchange).await?;
        self.take_over(parts, &known, now);
        Ok(())
    }

    /// The same for a worker that works step by step, if there is anything to say.
    pub(in crate::worker) async fn share_news(&self, parts: &Parts) -> Result<(), DbError> {
        if self.board.take_news() {
            self.restore(parts).await?;
            let rows = self.rows(&parts.registry, self.wall.now());
            let write = async |conn: &mut _| Ok::<_, DbError>(store::replace_services(conn, self.worker, &rows).await?);
            parts.db.scoped(Scope::System, write).await?;
        }
        Ok(())
    }

    /// Takes over pauses that other workers know of, or knew of before they died.
    pub(in crate::worker) async fn adopt(&self, parts: &Parts) -> Result<(), DbError> {
        let now = self.wall.now();
        let known = parts
            .db
            .scoped(Scope::System, async |conn| Ok::<_, DbError>(store::list_pauses(conn, self.worker, now).await?))
            .await?;
        self.take_over(parts, &known, now);
        Ok(())
    }

    fn take_over(&self, parts: &Parts, known: &[ServiceRow], now: DateTime<Utc>) {
        for row in known {
            if let (Ok(provider), Some(pause)) = (parts.registry.known().find(&row.provider), pause(row)) {
                let devices = self.realm(provider, &row.service, now).adopt(pause, now);
                self.remember(&devices, now);
            }
        }
    }

    /// What this worker knows, as it is written down.
    fn rows(&self, registry: &Registry, now: DateTime<Utc>) -> Vec<ServiceRow> {
        let configured: Vec<&Provider> = registry.configured().collect();
        let mut rows: Vec<ServiceRow> =
            self.realms.list().iter().map(|realm| self.row(realm, configured.contains(&realm.provider), now)).collect();
        rows.sort_by_key(|row| (row.state == "healthy", -(row.accepted + row.failed)));
        rows.truncate(MOST_ROWS);
        // A provider that nobody was sent to yet is there all the same.
        let unmet = configured.iter().filter(|provider| !rows.iter().any(|row| row.provider == provider.word));
        let unmet: Vec<ServiceRow> = unmet.map(|provider| self.unmet(provider, now)).collect();
        rows.extend(unmet);
        rows
    }

    fn row(&self, realm: &Realm, configured: bool, now: DateTime<Utc>) -> ServiceRow {
        let known = realm.snapshot(now);
        let (accepted, failed) = realm.tally.last_hour(now);
        let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let pause = known.pause.as_ref();
        ServiceRow {
            configured,
            state: known.state.as_str().to_owned(),
            cause: pause.map(|pause| pause.cause.as_str().to_owned()),
            reason: pause.map(|pause| pause.reason.to_string()),
            since: pause.map(|pause| pause.since),
            until: pause.map(|pause| pause.until),
            round: pause.map_or(0, |pause| i32::try_from(pause.round).unwrap_or(i32::MAX)),
            waiting: i64::try_from(known.waiting).unwrap_or(i64::MAX),
            accepted: count(accepted),
            failed: count(failed),
            service: realm.name.to_string(),
            ..self.unmet(realm.provider, now)
        }
    }

    fn unmet(&self, provider: &Provider, now: DateTime<Utc>) -> ServiceRow {
        ServiceRow {
            worker: self.worker,
            provider: provider.word.to_owned(),
            service: provider.word.to_owned(),
            configured: true,
            state: ServiceState::Healthy.as_str().to_owned(),
            cause: None,
            reason: None,
            since: None,
            until: None,
            round: 0,
            waiting: 0,
            accepted: 0,
            failed: 0,
            seen_at: now,
        }
    }

    /// Devices that were set aside by what turned out to be a wave are used again, and what their people are still owed is
    /// owed again. Done more than once: results that were under way when the wave was recognised are written later.
    async fn restore(&self, parts: &Parts) -> Result<(), DbError> {
        let now = self.wall.now();
        let ids: Vec<Uuid> = self.to_take_back().iter().map(|(device, _)| *device).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let care = parts.clocks.care.now();
        let users = parts
            .db
            .scoped(Scope::System, async |conn| Ok::<_, DbError>(devices::restore_devices(conn, &ids).await?))
            .await?;
        for user in &users {
            let revive = async |conn: &mut _| Ok::<_, DbError>(revive_for_user(conn, *user, care).await?);
            parts.db.scoped(Scope::System, revive).await?;
        }
        if !users.is_empty() {
            tracing::info!(users = users.len(), "devices that a wave had set aside are used again");
        }
        let long_enough = now - self.probe_patience - TimeDelta::seconds(10);
        self.to_take_back().retain(|(_, since)| *since > long_enough);
        Ok(())
    }

    fn to_take_back(&self) -> std::sync::MutexGuard<'_, Vec<(Uuid, DateTime<Utc>)>> {
        self.take_back.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pause in a row.
fn pause(row: &ServiceRow) -> Option<Pause> {
    Some(Pause {
        cause: row.cause.as_deref()?.parse().ok()?,
        reason: row.reason.clone()?.into(),
        since: row.since?,
        until: row.until?,
        round: u32::try_from(row.round).ok()?,
    })
}
