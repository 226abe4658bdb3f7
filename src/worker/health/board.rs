//! Who hears of a change: operators, once for each trouble, by the log and by metrics; and whoever writes it down for other
//! workers.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::realm::Realm;
use crate::domain::breaker::{Pause, ServiceState};
use crate::domain::provider::Provider;
use crate::domain::push_service::public_name;
use crate::telemetry::{Metrics, PauseLabels, ProviderLabel, ServiceLabels};

/// See the module's words.
#[derive(Debug)]
pub(super) struct Board {
    metrics: Metrics,
    /// Something is to be written down.
    pub(super) news: Notify,
    has_news: AtomicBool,
}

impl Board {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, news: Notify::new(), has_news: AtomicBool::new(false) }
    }

    /// Whether anything changed since this was last asked.
    pub(super) fn take_news(&self) -> bool {
        self.has_news.swap(false, Ordering::AcqRel)
    }

    /// There is something to be written down.
    pub(super) fn tell(&self) {
        self.has_news.store(true, Ordering::Release);
        self.news.notify_one();
    }

    pub(super) fn opened(&self, provider: &Provider) {
        self.count(provider, ServiceState::Healthy, 1);
    }

    pub(super) fn closed(&self, provider: &Provider, state: ServiceState) {
        self.count(provider, state, -1);
    }

    pub(super) fn waits(&self, provider: &Provider, alerts: i64) {
        self.metrics.waiting.get_or_create(&ProviderLabel { provider: provider.word }).inc_by(alerts);
    }

    fn count(&self, provider: &Provider, state: ServiceState, services: i64) {
        let provider = provider.word;
        self.metrics.services.get_or_create(&ServiceLabels { provider, state: state.as_str() }).inc_by(services);
        if matches!(state, ServiceState::Paused | ServiceState::Probing) {
            self.metrics.paused.get_or_create(&ProviderLabel { provider }).inc_by(services);
        }
    }

    /// A service went from one state to another, in or out of `pause`.
    pub(super) fn moved(
        &self,
        realm: &Realm,
        from: ServiceState,
        to: ServiceState,
        pause: Option<&Pause>,
        alerts_waited: usize,
        now: DateTime<Utc>,
    ) {
        self.count(realm.provider, from, -1);
        self.count(realm.provider, to, 1);
        self.tell();
        let Some(pause) = pause else { return };
        let (provider, service, cause) = (realm.provider.word, public_name(&realm.name), pause.cause.as_str());
        match (from, to) {
            // A probe that was not sent after all: the next one goes at once.
            (ServiceState::Probing, ServiceState::Paused) if pause.until <= now => {}
            (_, ServiceState::Paused) => {
                self.metrics.pauses.get_or_create(&PauseLabels { provider, cause }).inc();
                if from == ServiceState::Probing {
                    tracing::debug!(push.provider = provider, push.service = service, push.cause = cause,
                        push.reason = &*pause.reason, until = %pause.until, "the probe failed; provider still paused");
                } else {
                    tracing::error!(push.provider = provider, push.service = service, push.cause = cause,
                        push.reason = &*pause.reason, until = %pause.until, "provider paused; alerts wait");
                }
            }
            (_, ServiceState::Ramping) => {
                let paused_seconds = (now - pause.since).num_seconds();
                tracing::info!(
                    push.provider = provider,
                    push.service = service,
                    push.cause = cause,
                    paused_seconds,
                    alerts_waited,
                    "provider accepts again"
                );
            }
            (_, ServiceState::Probing | ServiceState::Healthy) => {}
        }
    }
}
