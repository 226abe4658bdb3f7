//! Serving: API, worker or both, until SIGINT or SIGTERM, then a graceful stop. If one part ends by itself, all end,
//! with a failure, so that a supervisor starts the process anew.

use std::net::SocketAddr;

use anyhow::Context;
use futures_util::future::LocalBoxFuture;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::Database;
use crate::app::{State, Stepping, api_server, check_addresses, ops_server};
use crate::clock::Clocks;
use crate::config::Config;
use crate::db::Group;
use crate::worker::Worker;

/// What runs in this process.
#[derive(Debug, Clone, Copy)]
pub struct Parts {
    /// The HTTP API.
    pub api: bool,
    /// The delivery worker.
    pub worker: bool,
}

/// Serves until told to stop.
pub async fn run(config: &Config, parts: Parts) -> anyhow::Result<()> {
    #[cfg(feature = "failpoints")]
    crate::failpoint::listen();
    for stranger in &config.strangers {
        tracing::warn!("{stranger}");
    }
    check_addresses(&config.http, parts.api)?;
    let database = Database::open(config).await?;
    anyhow::ensure!(
        !database.is_joined(),
        "another mendline owns the database in {}; stop it first, or set MENDLINE_DATA_DIR",
        config.data_dir.display()
    );
    let served = serve(config, parts, &database).await;
    let closed = database.close().await;
    served.and(closed)
}

async fn serve(config: &Config, parts: Parts, database: &Database) -> anyhow::Result<()> {
    let groups: &[Group] = match parts {
        Parts { api: true, worker: true } => &[Group::Api, Group::Worker],
        Parts { worker: true, .. } => &[Group::Worker],
        Parts { .. } => &[Group::Api],
    };
    let access = database.prepare(config, groups).await?;
    let state = match parts {
        // Both see the same clock: it may be put forward, but in production.
        Parts { api: true, worker: true } => {
            State::build(config, access, Stepping::clocks(config)?)?.with_stepping(config)
        }
        Parts { .. } => State::build(config, access, Clocks::system())?,
    };
    let stop = CancellationToken::new();
    let work = match parts.worker {
        true => Some(Worker::new(state.worker_parts(config)?)),
        false => None,
    };
    let beside = |_| -> Part {
        let stop = stop.clone();
        Box::pin(async move {
            match work {
                // A task of its own: whatever keeps the servers' busy must not keep alerts waiting.
                Some(worker) => {
                    #[expect(clippy::disallowed_methods, reason = "awaited here, and ended if nobody waits any more")]
                    let running = tokio::spawn(async move { worker.run(stop).await });
                    AbortOnDropHandle::new(running).await.context("the worker")?.context("the worker")
                }
                None => {
                    stop.cancelled().await;
                    Ok(())
                }
            }
        })
    };
    run_parts(config, &state, parts.api, beside, stop.clone()).await
}

/// Something that runs as long as the process does.
pub(super) type Part = LocalBoxFuture<'static, anyhow::Result<()>>;

/// Where the servers were bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    /// The API, if it runs here.
    pub(super) api: Option<SocketAddr>,
    /// Health and metrics.
    pub(super) ops: SocketAddr,
}

/// Runs the servers, and `beside` them a worker (or a story), until a signal or `stop`; then all end gracefully. If one
/// part ends by itself, all end, with a failure.
pub(super) async fn run_parts(
    config: &Config,
    state: &State,
    api: bool,
    beside: impl FnOnce(Addresses) -> Part,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // From here on a signal is a wish; until now it ended the process, which had nothing to finish.
    let mut signals = Signals::listen()?;
    let (ops, ops_address) = ops_server(config.http.ops_bind, state)?;
    let mut addresses = Addresses { api: None, ops: ops_address };
    let mut handles = vec![ops.handle()];
    tracing::info!(address = %ops_address, "health and metrics");
    let mut running: Vec<Part> = vec![Box::pin(async { ops.await.context("the operators' server") })];
    if api {
        let (api, address) = api_server(&config.http, state)?;
        addresses.api = Some(address);
        handles.push(api.handle());
        tracing::info!(%address, "API");
        running.push(Box::pin(async { api.await.context("the API") }));
    }
    running.push(beside(addresses));

    let served = async {
        let all = futures_util::future::try_join_all(running);
        tokio::pin!(all);
        let by_itself = tokio::select! {
            ended = &mut all => Some(ended),
            () = signals.next() => None,
            () = stop.cancelled() => None,
        };
        match by_itself {
            Some(ended) => ended.and_then(|_| Err(anyhow::anyhow!("the server ended by itself"))),
            None => {
                tracing::info!("stopping");
                stop.cancel();
                let stopped = futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true)));
                tokio::join!(all, stopped).0.map(drop)
            }
        }
    };
    // Whoever is still being served while the servers stop needs what runs beside them: looks find no room unless they are
    // written.
    let background = async {
        if api {
            state.clone().background().await;
        }
        std::future::pending::<anyhow::Result<()>>().await
    };
    let ended = tokio::select! {
        ended = served => ended,
        never = background => never,
    };
    // Whoever was served looked at something; nobody is any more.
    state.reads.close().await;
    ended
}

/// What asks a process to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("listening for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("listening for SIGTERM")?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
