//! Serving: API, worker or both, until SIGINT or SIGTERM, then a graceful stop. If one part ends by itself, all end,
//! with a failure, so that a supervisor starts the process anew.

use anyhow::Context;
use futures_util::future::LocalBoxFuture;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Database;
use crate::app::{State, api_server, ops_server};
use crate::clock::Clocks;
use crate::config::Config;
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
    let db = database.prepare(config).await?;
    let state = State::build(config, db, Clocks::system())?;
    let stop = CancellationToken::new();

    let (ops, address) = ops_server(config.http.ops_bind, &state)?;
    let mut handles = vec![ops.handle()];
    tracing::info!(%address, "health and metrics");
    let mut running: Vec<LocalBoxFuture<'_, anyhow::Result<()>>> =
        vec![Box::pin(async { ops.await.context("the operators' server") })];
    if parts.api {
        let (api, address) = api_server(&config.http, &state)?;
        handles.push(api.handle());
        tracing::info!(%address, "API");
        running.push(Box::pin(async { api.await.context("the API") }));
    }
    if parts.worker {
        let worker = Worker::new(state.worker_parts(config)?);
        let stop = stop.clone();
        tracing::info!(concurrency = config.worker.concurrency, "worker");
        running.push(Box::pin(async move { worker.run(stop).await.context("the worker") }));
    }
    let background = stop.clone().run_until_cancelled_owned(state.clone().background());
    running.push(Box::pin(async {
        background.await;
        Ok(())
    }));

    let all = futures_util::future::try_join_all(running);
    tokio::pin!(all);
    tokio::select! {
        ended = &mut all => {
            ended?;
            anyhow::bail!("the server ended by itself");
        }
        asked = wait_for_signal() => asked?,
    }
    tracing::info!("stopping");
    stop.cancel();
    let stopped = futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true)));
    let (ended, _) = tokio::join!(all, stopped);
    ended?;
    Ok(())
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
