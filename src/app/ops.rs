//! What operators and orchestrators ask: alive, ready, and the metrics. On an address of its own for every role;
//! health also on the API's port.

use std::net::SocketAddr;

use actix_web::dev::Server;
use actix_web::http::header;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context;
use serde::Serialize;

use super::State;
use super::listening::listen;
use crate::db::{DbError, MigrationState, Scope, migration_state};
use crate::error::ApiError;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

/// The process is alive. It says nothing about the database: restarting us would not mend that.
pub async fn find_health() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Health { status: "ok" })
}

/// The database answers and its schema is the code's. A worker that lags is a metric, not a reason to be taken out.
pub async fn find_readiness(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let schema = state
        .db
        .scoped(Scope::Identity, async |conn| migration_state(conn).await.map_err(NotReady::Other))
        .await
        .map_err(|error| match error {
            NotReady::Db(error) => error.into(),
            NotReady::Other(error) => ApiError::Unavailable(format!("{error:#}")),
        })?;
    match schema {
        MigrationState::Current => {
            Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(Health { status: "ready" }))
        }
        MigrationState::Behind { missing } => {
            Err(ApiError::Unavailable(format!("{} migrations have not run", missing.len())))
        }
    }
}

enum NotReady {
    Db(DbError),
    Other(anyhow::Error),
}

impl From<DbError> for NotReady {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

/// The metrics of this process, as OpenMetrics text.
async fn show_metrics(state: web::Data<State>) -> HttpResponse {
    let pools = [state.db.pool_status(), state.worker_db.pool_status()];
    let (size, free) = pools.into_iter().fold((0, 0), |all, pool| (all.0 + pool.0, all.1 + pool.1));
    state.metrics.pool_size.set(i64::try_from(size).unwrap_or(i64::MAX));
    state.metrics.pool_free.set(i64::try_from(free).unwrap_or(i64::MAX));
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(state.metrics.render())
}

/// The operators' server, bound, and the address it got.
pub fn ops_server(bind: SocketAddr, state: &State) -> anyhow::Result<(Server, SocketAddr)> {
    let listener = listen(bind).with_context(|| format!("MENDLINE_OPS_BIND: {bind}"))?;
    let address = listener.local_addr().context("reading the bound address")?;
    let state = state.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(state.clone()))
            .route("/healthz", web::get().to(find_health))
            .route("/readyz", web::get().to(find_readiness))
            .route("/metrics", web::get().to(show_metrics))
    })
    .workers(1)
    .shutdown_timeout(2)
    .disable_signals()
    .listen(listener)
    .context("starting the operators' server")?
    .run();
    Ok((server, address))
}
