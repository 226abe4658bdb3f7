//! Serving: API, worker or both, until SIGINT or SIGTERM, then a graceful stop. If one part ends by itself, all end,
//! with a failure, so that a supervisor starts the process anew.

use anyhow::Context;
use futures_util::future::LocalBoxFuture;
use tokio::signal::unix::{SignalKind, signal};

use super::Database;
use crate::app::{State, api_server, ops_server};
use crate::clock::Clocks;
use crate::config::Config;

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

    let (ops, ops_address) = ops_server(config.http.ops_bind, &state)?;
    let ops_handle = ops.handle();
    tracing::info!(address = %ops_address, "health and metrics");
    let mut running: Vec<LocalBoxFuture<'_, anyhow::Result<()>>> =
        vec![Box::pin(async { ops.await.context("the operators' server") })];
    let mut api_handle = None;
    if parts.api {
        let (api, address) = api_server(&config.http, &state)?;
        api_handle = Some(api.handle());
        tracing::info!(%address, "API");
        running.push(Box::pin(async { api.await.context("the API") }));
    }

    let background = state.clone().background();
    running.push(Box::pin(async {
        background.await;
        Ok(())
    }));

    let stop = async {
        wait_for_signal().await?;
        tracing::info!("stopping");
        if let Some(handle) = api_handle {
            handle.stop(true).await;
        }
        ops_handle.stop(true).await;
        anyhow::Ok(())
    };
    let all = futures_util::future::try_join_all(running);
    tokio::pin!(stop, all);
    tokio::select! {
        ended = &mut all => {
            ended?;
            anyhow::bail!("a part of the server ended by itself");
        }
        stopped = &mut stop => stopped,
    }
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
