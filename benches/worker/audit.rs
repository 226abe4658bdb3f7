//! `audit`: what it costs that looks at records are recorded. A timeline is read over HTTP from two servers on one database,
//! in turn: one as it is, one that never writes what it notes (to note it takes less than a microsecond; no server can be
//! told not to). Each has one thread, and one of them is asked at a time.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::ensure;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::app::{State, api_server};
use mendline::audit::Reads;
use mendline::schema::{audit, clinics, patients};
use serde_json::json;
use uuid::Uuid;

use super::lab::{self, Lab};
use super::measure::{percentile, verdict};
use super::seed;
use super::treatments::clinician;

/// The most that a recorded look may take, as a ratio of one that is not.
const TARGET: f64 = 1.10;
/// Looks before it counts.
const WARM_UP: usize = 50;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Looks at each server.
    #[arg(long, default_value_t = 3_000)]
    looks: usize,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let lab = Lab::open().await?;
    let url = lab.database("audit").await?;
    let config = lab.config(&[("MENDLINE_HTTP_WORKERS", "1".to_owned())])?;
    let state = lab.state(&config, &url)?;
    let mut conn = lab::connect(&url).await?;
    seed::people(&mut conn, &state.keys, 1).await?;
    let clinic: Uuid = clinics::table.select(clinics::id).get_result(&mut conn).await?;
    let patient: Uuid = patients::table.select(patients::id).first(&mut conn).await?;
    let token = clinician(&url, &state, clinic).await?;

    let room = options.looks + WARM_UP;
    let never = Reads::with_room(state.db.clone(), state.clocks.clone(), 2 * room + 1);
    let unrecorded = State { reads: never, ..state.clone() };
    let ((server, recorded), (other, plain)) =
        (api_server(&config.http, &state)?, api_server(&config.http, &unrecorded)?);
    let handles = [server.handle(), other.handle()];
    #[expect(clippy::disallowed_methods, reason = "stopped below, or ended with the process")]
    {
        tokio::spawn(server);
        tokio::spawn(other);
        tokio::spawn(state.reads.clone().run());
    }
    let client = reqwest::Client::builder().no_proxy().build()?;
    let treatment = json!({ "patient_id": patient, "performed_at": state.clocks.care.now() });
    let made = client.post(format!("http://{recorded}/v1/treatments")).bearer_auth(&token).json(&treatment);
    let made: serde_json::Value = made.send().await?.error_for_status()?.json().await?;
    let path = format!("/v1/treatments/{}/timeline", made["id"].as_str().unwrap_or_default());
    let look = async |address: SocketAddr| {
        let started = Instant::now();
        let response = client.get(format!("http://{address}{path}")).bearer_auth(&token).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.as_u16() == 200, "{status}: {text}");
        Ok::<_, anyhow::Error>(started.elapsed().as_secs_f64() * 1e3)
    };
    for _ in 0..WARM_UP {
        look(recorded).await?;
        look(plain).await?;
    }
    let (mut with, mut without) = (Vec::with_capacity(options.looks), Vec::with_capacity(options.looks));
    for turn in 0..options.looks {
        // Whoever comes second finds warmer caches.
        if turn % 2 == 0 {
            with.push(look(recorded).await?);
            without.push(look(plain).await?);
        } else {
            without.push(look(plain).await?);
            with.push(look(recorded).await?);
        }
    }
    state.reads.flush().await?;
    for handle in handles {
        handle.stop(false).await;
    }
    let entries: i64 = audit::table.filter(audit::action.eq("timeline.read")).count().get_result(&mut conn).await?;
    ensure!(entries == room as i64, "{entries} entries of {room} looks");

    with.sort_by(f64::total_cmp);
    without.sort_by(f64::total_cmp);
    println!("a timeline over HTTP, {} looks each in turn, {entries} entries:", options.looks);
    for (name, share) in [("p50", 0.5), ("p95", 0.95)] {
        let (one, other) = (percentile(&with, share), percentile(&without, share));
        println!("  {name}: {one:.3} ms recorded, {other:.3} ms not");
    }
    let ratio = percentile(&with, 0.5) / percentile(&without, 0.5);
    println!("  ratio of the medians: {ratio:.3} (target: at most {TARGET:.2}): {}", verdict(ratio <= TARGET));
    Ok(())
}
