//! How push services are doing, over HTTP: what all living workers together know.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::store::{self, ServiceRow};
use crate::answer::private;
use crate::app::State;
use crate::auth::extract::Administrator;
use crate::db::Scope;
use crate::domain::breaker::ServiceState;
use crate::domain::provider::Providers;
use crate::domain::push_service::public_name;
use crate::error::ApiError;

/// A worker that wrote nothing for so long is gone: it writes every thirty seconds.
const LIVING: TimeDelta = TimeDelta::seconds(90);

/// One push service, as sent.
#[derive(Debug, Serialize)]
struct ServiceView {
    service: String,
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<DateTime<Utc>>,
    alerts_waiting: i64,
    accepted_last_hour: i64,
    failed_last_hour: i64,
}

/// One provider, as sent.
#[derive(Debug, Serialize)]
struct ProviderView {
    provider: &'static str,
    configured: bool,
    services: Vec<ServiceView>,
}

#[derive(Debug, Serialize)]
struct ProviderList {
    workers: usize,
    items: Vec<ProviderView>,
}

impl From<ServiceRow> for ServiceView {
    fn from(row: ServiceRow) -> Self {
        Self {
            service: public_name(&row.service).to_owned(),
            state: row.state,
            cause: row.cause,
            reason: row.reason,
            since: row.since,
            until: row.until,
            alerts_waiting: row.waiting,
            accepted_last_hour: row.accepted,
            failed_last_hour: row.failed,
        }
    }
}

impl ServiceView {
    /// Another worker's word about the same service: the worse one is shown, the counts add up.
    fn join(self, other: Self) -> Self {
        let (worse, better) =
            if severity(&other.state) > severity(&self.state) { (other, self) } else { (self, other) };
        Self {
            alerts_waiting: worse.alerts_waiting + better.alerts_waiting,
            accepted_last_hour: worse.accepted_last_hour + better.accepted_last_hour,
            failed_last_hour: worse.failed_last_hour + better.failed_last_hour,
            ..worse
        }
    }
}

fn severity(state: &str) -> u8 {
    match state.parse() {
        Ok(ServiceState::Paused) => 3,
        Ok(ServiceState::Probing) => 2,
        Ok(ServiceState::Ramping) => 1,
        Ok(ServiceState::Healthy) | Err(_) => 0,
    }
}

/// Every provider that this server knows, with the services that workers met.
fn views(providers: &Providers, rows: Vec<ServiceRow>) -> Vec<ProviderView> {
    let mut known: BTreeMap<(String, String), ServiceView> = BTreeMap::new();
    let mut configured = Vec::new();
    for row in rows {
        if row.configured {
            configured.push(row.provider.clone());
        }
        let provider = row.provider.clone();
        let view = ServiceView::from(row);
        let key = (provider, view.service.clone());
        let view = match known.remove(&key) {
            Some(known) => known.join(view),
            None => view,
        };
        known.insert(key, view);
    }
    let mut views: Vec<ProviderView> = providers
        .iter()
        .map(|provider| ProviderView {
            provider: provider.word,
            configured: configured.iter().any(|configured| configured == provider.word),
            services: Vec::new(),
        })
        .collect();
    for ((provider, _), service) in known {
        if let Some(view) = views.iter_mut().find(|view| view.provider == provider) {
            view.services.push(service);
        }
    }
    views
}

/// How push providers are doing.
pub async fn list_push_providers(
    state: web::Data<State>,
    Administrator(caller): Administrator,
) -> Result<HttpResponse, ApiError> {
    let since = state.clocks.wall.now() - LIVING;
    let rows = state
        .db
        .scoped(Scope::Clinic(caller.clinic_id), async |conn| {
            Ok::<_, ApiError>(store::list_services(conn, since).await?)
        })
        .await?;
    let mut workers: Vec<_> = rows.iter().map(|row| row.worker).collect();
    workers.sort_unstable();
    workers.dedup();
    let list = ProviderList { workers: workers.len(), items: views(&state.providers, rows) };
    Ok(private(HttpResponse::Ok(), &list))
}
