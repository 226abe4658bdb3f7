//! The composition root: what a running mendline is made of, the middleware order and the whole route table.
//! No business decision is made here.

mod about;
mod browsers;
mod budgets;
pub mod contract;
mod development;
mod listening;
mod ops;
mod origin;
pub mod providers;
mod route;
mod routes;
mod stepping;

use std::net::{IpAddr, SocketAddr};

use actix_web::dev::Server;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App, HttpServer, web};
use anyhow::Context;
use chrono::TimeDelta;

pub use about::About;
pub use budgets::{Budgets, FREE, Ledger};
pub use ops::ops_server;
pub use route::Route;
pub use routes::ROUTES;
pub use stepping::Stepping;

use crate::audit::Reads;
use crate::auth::keys::Keys;
use crate::auth::{Auth, Tools, forgotten};
use crate::clock::Clocks;
use crate::config::{Config, Http};
use crate::db::{Access, Db};
use crate::domain::endpoint::AllowedHosts;
use crate::domain::provider::Providers;
use crate::export::Desk;
use crate::journal::Journal;
use crate::mail::{Errands, Transport};
use crate::planning;
use crate::protocols::Catalogue;
use crate::telemetry::{self, Metrics};
use crate::worker;

/// What every handler may ask for. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// The database, as requests may see it.
    pub db: Db,
    /// The database, as workers see it: no request works with it, but a development server's that looks at the whole queue.
    pub worker_db: Db,
    /// Looks at records, on their way into the audit trail.
    pub reads: Reads,
    /// The time.
    pub clocks: Clocks,
    /// Counters.
    pub metrics: Metrics,
    /// Signing and sealing keys.
    pub keys: Keys,
    /// What authenticates callers.
    pub auth: Auth,
    /// What callers may still ask.
    pub budgets: Budgets,
    /// Where deletions are written down outside the database.
    pub journal: Journal,
    /// Published protocol versions.
    pub protocols: Catalogue,
    /// Letters that are to be written, where mail is sent at all.
    pub mail: Option<Errands>,
    /// Push providers, configured or not.
    pub providers: Providers,
    /// Hosts of Web Push services that may be private or plain http.
    pub push_hosts: AllowedHosts,
    /// What apps ask before anybody has logged in.
    pub about: About,
    /// Proxies whose word about the client's address is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// Where the API is reached from outside.
    pub public_url: String,
    /// Who is being given an archive.
    pub exports: Desk,
    /// For how long a deleted login can be brought back.
    pub erasure_window: TimeDelta,
    /// Who may put the care clock forward: nobody, but on development servers.
    pub stepping: Option<Stepping>,
}

impl State {
    /// Puts the parts together.
    pub fn build(config: &Config, access: Access, clocks: Clocks) -> anyhow::Result<Self> {
        let public_url = config.http.public_url.clone();
        let keys = Keys::load(config)?;
        let auth = Auth::new(&keys, &public_url);
        let journal = Journal::at(config.erasure_journal.as_deref()).context("MENDLINE_ERASURE_JOURNAL")?;
        let protocols = Catalogue::new()?;
        let push_hosts = AllowedHosts::parse(&config.push.allowed_hosts.join(","))
            .map_err(|error| anyhow::anyhow!("MENDLINE_PUSH_ALLOWED_HOSTS: {error}"))?;
        let about = About::new(config, &providers::vapid_keys(&keys)?);
        let trusted_proxies = config.http.trusted_proxies.clone();
        let transport = config.mail.as_ref().map(|mail| Transport::new(mail, config.database.extra_ca.as_deref()));
        let mail = transport.transpose().context("MENDLINE_SMTP_URL")?.map(Errands::new);
        Ok(Self {
            reads: Reads::new(access.api.clone(), clocks.clone()),
            db: access.api,
            worker_db: access.worker,
            clocks,
            metrics: Metrics::default(),
            keys,
            auth,
            budgets: Budgets::new(&config.budgets),
            journal,
            protocols,
            mail,
            providers: config.push.providers(),
            push_hosts,
            about,
            trusted_proxies,
            public_url,
            exports: Desk::default(),
            erasure_window: config.erasure_window,
            stepping: None,
        })
    }

    /// The same with a care clock that may be put forward over HTTP. In production nothing changes.
    pub fn with_stepping(self, config: &Config) -> Self {
        let stepping = Stepping::of(config, &self.clocks.care);
        Self { stepping, ..self }
    }

    /// What use cases that plan work with.
    pub fn tools(&self) -> planning::Tools<'_> {
        planning::Tools { db: &self.db, clocks: &self.clocks, catalogue: &self.protocols }
    }

    /// What a worker of this installation works with.
    pub fn worker_parts(&self, config: &Config) -> anyhow::Result<worker::Parts> {
        Ok(worker::Parts {
            db: self.worker_db.clone(),
            clocks: self.clocks.clone(),
            registry: providers::registry(config, &self.keys, &self.push_hosts, &self.clocks)?,
            keys: self.keys.clone(),
            catalogue: self.protocols.clone(),
            journal: self.journal.clone(),
            metrics: self.metrics.clone(),
            settings: config.worker.clone(),
        })
    }

    /// What must run beside the API for as long as it does.
    pub async fn background(self) {
        let letters = async {
            if let Some(errands) = &self.mail {
                let (db, clocks, auth) = (&self.db, &self.clocks, &self.auth);
                forgotten::run(errands, Tools { db, clocks, auth, catalogue: &self.protocols }).await;
            }
        };
        let revocations = self.auth.revocations.clone().run(self.db.clone(), self.clocks.clone());
        tokio::join!(revocations, self.reads.clone().run(), letters);
    }
}

/// Connections that one process takes at once, over all its threads; others wait with the operating system. A few kilobytes
/// each, and less than the files that may be open.
const CONNECTIONS: usize = 4096;

/// The API, bound and ready to be awaited, and the address it got.
pub fn api_server(settings: &Http, state: &State) -> anyhow::Result<(Server, SocketAddr)> {
    let listener = listening::listen(settings.bind).with_context(|| format!("MENDLINE_BIND: {}", settings.bind))?;
    let address = listener.local_addr().context("reading the bound address")?;
    let state = state.clone();
    let origins = settings.cors_origins.clone();
    let is_https = settings.public_url.starts_with("https://");
    let development = state.stepping.is_some();
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let workers = settings.workers.map_or_else(cores, |workers| usize::try_from(workers).unwrap_or(1));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(state.clone()))
            .app_data(web::Data::new(state.metrics.clone()))
            .configure(|config| routes::register(config, development))
            .wrap(from_fn(budgets::charge))
            .wrap(from_fn(origin::remember))
            .wrap(Compress::default())
            .wrap(browsers::cors(&origins))
            .wrap(from_fn(telemetry::observe))
            .wrap(browsers::headers(is_https))
    })
    .shutdown_timeout(settings.shutdown.as_secs())
    .client_request_timeout(std::time::Duration::from_secs(10))
    .workers(workers)
    .max_connections((CONNECTIONS / workers).max(1))
    .disable_signals();
    let server = server.listen(listener).context("starting the API")?.run();
    Ok((server, address))
}
