//! What operators see: logs with a request id, one access-log line per request, and the metrics registry.
//! Ids only: never a token, a name, an e-mail, a body or a symptom.

use std::cell::Cell;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, registry};
use uuid::Uuid;

/// Header that carries the request id both ways.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

tokio::task_local! {
    static CURRENT: Cell<Uuid>;
}

/// The id of the request being served; nil outside one.
pub fn request_id() -> Uuid {
    CURRENT.try_with(Cell::get).unwrap_or(Uuid::nil())
}

/// Crates that write what passes through them once they are asked for details: parameters of statements, headers, bodies.
/// However much an operator asks for, they tell no more than this.
const DISCREET: [(&str, LevelFilter); 9] = [
    ("actix", LevelFilter::INFO),
    ("h2", LevelFilter::INFO),
    ("hyper", LevelFilter::INFO),
    ("mio", LevelFilter::INFO),
    ("rustls", LevelFilter::INFO),
    ("tokio_postgres", LevelFilter::WARN),
    ("tokio_util", LevelFilter::INFO),
    ("tower", LevelFilter::INFO),
    ("tracing", LevelFilter::INFO),
];

/// Whether a crate may say this, whoever asked for it.
fn is_discreet(target: &str, level: &Level) -> bool {
    DISCREET.iter().all(|(crate_name, most)| !target.starts_with(crate_name) || level <= most)
}

/// Starts logging to standard error; `RUST_LOG` chooses, else `level`. JSON in production.
pub fn init(json: bool, level: &str) {
    let asked = EnvFilter::try_from_default_env();
    let asked = asked.unwrap_or_else(|_| EnvFilter::new(format!("{level},actix_server=warn")));
    let filter = asked.and(filter_fn(|metadata| is_discreet(metadata.target(), metadata.level())));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let started = if json {
        registry().with(lines.json().with_filter(filter)).try_init()
    } else {
        registry().with(lines.with_target(false).with_filter(filter)).try_init()
    };
    drop(started);
}

/// Labels of a served request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// The route's pattern, never the path.
    pub route: String,
    /// HTTP method.
    pub method: &'static str,
    /// HTTP status.
    pub status: u16,
}

/// Labels of a refusal for want of budget or of a place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BudgetLabels {
    /// Whose budget it was, or where there was no place.
    pub role: &'static str,
    /// What it was for.
    pub class: &'static str,
}

/// Labels of a push.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PushLabels {
    /// Provider.
    pub provider: &'static str,
    /// What its answer means.
    pub outcome: &'static str,
}

/// Label of an alert's final state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// The state that a settle wrote.
    pub state: &'static str,
}

/// Label of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProviderLabel {
    /// Provider.
    pub provider: &'static str,
}

/// Labels of a provider's services.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ServiceLabels {
    /// Provider.
    pub provider: &'static str,
    /// How they are doing.
    pub state: &'static str,
}

/// Labels of a pause.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PauseLabels {
    /// Provider.
    pub provider: &'static str,
    /// What kind of trouble it was.
    pub cause: &'static str,
}

/// The metrics of one process. Cheap to clone; registered once.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Requests served.
    pub requests: Family<RequestLabels, Counter>,
    /// How long requests took, in seconds.
    pub request_seconds: Histogram,
    /// Requests refused before they were looked at.
    pub over_budget: Family<BudgetLabels, Counter>,
    /// Pushes by provider and outcome.
    pub pushes: Family<PushLabels, Counter>,
    /// Receipts by provider and what they said.
    pub receipts: Family<PushLabels, Counter>,
    /// Alerts by the state a try left them in.
    pub settled: Family<StateLabel, Counter>,
    /// From the moment an alert was owed to a provider's acceptance, in seconds.
    pub lateness_seconds: Histogram,
    /// Sends in flight.
    pub in_flight: Gauge,
    /// Services of a provider that were paused and have not come back since.
    pub paused: Family<ProviderLabel, Gauge>,
    /// Services of a provider by their state.
    pub services: Family<ServiceLabels, Gauge>,
    /// Pauses of a provider's services that began or were prolonged.
    pub pauses: Family<PauseLabels, Counter>,
    /// Alerts that were put off because of a paused service.
    pub waiting: Family<ProviderLabel, Gauge>,
    /// Alerts due and not yet sent.
    pub queue_depth: Gauge,
    /// Age of the oldest due alert, in seconds.
    pub oldest_due_seconds: Gauge,
    /// Connections open.
    pub pool_size: Gauge,
    /// Connections free.
    pub pool_free: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let fast = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
        let late = [0.005, 0.05, 0.25, 1.0, 5.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 43_200.0];
        let mut metrics = Self {
            registry: Arc::default(),
            requests: Family::default(),
            request_seconds: Histogram::new(fast),
            over_budget: Family::default(),
            pushes: Family::default(),
            receipts: Family::default(),
            settled: Family::default(),
            lateness_seconds: Histogram::new(late),
            in_flight: Gauge::default(),
            paused: Family::default(),
            services: Family::default(),
            pauses: Family::default(),
            waiting: Family::default(),
            queue_depth: Gauge::default(),
            oldest_due_seconds: Gauge::default(),
            pool_size: Gauge::default(),
            pool_free: Gauge::default(),
        };
        let mut registry = Registry::with_prefix("mendline");
        registry.register("http_requests", "Requests served", metrics.requests.clone());
        registry.register("http_request_seconds", "Time to answer", metrics.request_seconds.clone());
        registry.register("http_over_budget", "Requests refused for want of budget", metrics.over_budget.clone());
        registry.register("pushes", "Pushes by provider and outcome", metrics.pushes.clone());
        registry.register("receipts", "Receipts by provider and what they said", metrics.receipts.clone());
        registry.register("alerts_settled", "Alerts by the state a try left them in", metrics.settled.clone());
        registry.register("alert_lateness_seconds", "From owed to accepted", metrics.lateness_seconds.clone());
        registry.register("sends_in_flight", "Sends in flight", metrics.in_flight.clone());
        registry.register(
            "provider_paused",
            "Services of a provider that are paused or being tried",
            metrics.paused.clone(),
        );
        registry.register("push_services", "Services of push providers by state", metrics.services.clone());
        registry.register("provider_pauses", "Pauses of push services, and what for", metrics.pauses.clone());
        registry.register("alerts_waiting", "Alerts put off by paused push services", metrics.waiting.clone());
        registry.register("queue_depth", "Alerts due and not yet sent", metrics.queue_depth.clone());
        registry.register(
            "queue_oldest_due_seconds",
            "Age of the oldest due alert",
            metrics.oldest_due_seconds.clone(),
        );
        registry.register("pool_connections", "Database connections open", metrics.pool_size.clone());
        registry.register("pool_connections_free", "Database connections free", metrics.pool_free.clone());
        metrics.registry = Arc::new(registry);
        metrics
    }
}

impl Metrics {
    /// The registry as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

/// Methods that are nobody's count as one, or a stranger could make series without end.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Middleware: gives the request an id, measures it and writes its access-log line.
pub async fn observe<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let id = request
        .headers()
        .get(&REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| Uuid::try_parse(value).ok())
        .unwrap_or_else(Uuid::new_v4);
    let metrics = request.app_data::<web::Data<Metrics>>().cloned();
    let method = method(request.method());
    let started = Instant::now();
    request.extensions_mut().insert(id);

    let mut response = CURRENT.scope(Cell::new(id), next.call(request)).await?;

    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let elapsed = started.elapsed();
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let status = response.status().as_u16();
    tracing::info!(
        request.id = %id, method, route, status, duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        "served"
    );
    if let Some(metrics) = metrics {
        metrics.request_seconds.observe(elapsed.as_secs_f64());
        metrics.requests.get_or_create(&RequestLabels { route, method, status }).inc();
    }
    Ok(response)
}
