//! `load`: a server as its own process under what it can sustain, then under ten times as much, then under the first again.
//! Requests come when they come, whether or not the earlier ones were answered: reads, writes and logins. What is accepted must
//! be answered soon, what cannot be must be refused at once, and memory must not grow with the load.

mod report;
mod traffic;

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::Context;
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mendline::db::Group;
use mendline::embedded::url_as;
use mendline::schema::{clinics, patients};
use secrecy::{ExposeSecret, SecretString};
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::lab::{self, DATA_DIR, Lab, UNLIMITED};
use super::measure::verdict;
use super::seed;
use super::treatments::clinician;
use report::{Phase, memory_of};
use traffic::{PASSWORD, Traffic};

/// What is accepted may take this long at the 99th percentile, whatever the load: as long as a request waits for a connection
/// at most.
const TARGET_P99: Duration = Duration::from_secs(5);
/// How much more memory the overloaded server may have at its worst than at its worst before.
const TARGET_GROWTH: f64 = 1.5;
/// Of what a few impatient callers get through, so much can be sustained.
const SUSTAINABLE: f64 = 0.7;
/// A server that has not answered by then has not started.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Seconds of each phase.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How many times what can be sustained the second phase brings.
    #[arg(long, default_value_t = 10.0)]
    times: f64,
    /// Patients, each with a login.
    #[arg(long, default_value_t = 2_000)]
    patients: usize,
    /// Threads of the server.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Requests a second that can be sustained; measured where it is not given.
    #[arg(long)]
    rate: Option<f64>,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let lab = Lab::open().await?;
    let url = lab.database("load").await?;
    let state = lab.state(&lab.config(&[])?, &url)?;
    let mut conn = lab::connect(&url).await?;
    seed::people(&mut conn, &state.keys, options.patients).await?;
    let hash = state.auth.passwords.hash(PASSWORD).await?;
    conn.batch_execute(&format!("UPDATE users SET password_hash = '{hash}'")).await?;
    conn.batch_execute("VACUUM ANALYZE").await?;
    let clinic: Uuid = clinics::table.select(clinics::id).get_result(&mut conn).await?;
    let people: Vec<Uuid> = patients::table.select(patients::id).load(&mut conn).await?;
    let token = clinician(&url, &state, clinic).await?;

    let (server, address) = start(&lab, &url, options.threads).await?;
    let pid = server.id().context("a running server")?;
    let traffic = Traffic::new(address, token, people)?;
    traffic.until_ready(PATIENCE).await?;
    let once = match options.rate {
        Some(rate) => rate,
        None => SUSTAINABLE * traffic.closed(Duration::from_secs(options.seconds.clamp(2, 10))).await?,
    };
    println!("{once:.0} requests a second can be sustained: 60 % reads, 30 % treatments, 10 % logins");
    let length = Duration::from_secs(options.seconds);
    let mut phases = Vec::new();
    for (name, times) in [("1x", 1.0), ("overload", options.times), ("1x again", 1.0)] {
        println!("{name}: {:.0} requests a second for {} s", once * times, options.seconds);
        println!("  {}", Phase::HEADINGS);
        let phase = traffic.open(once * times, length, || memory_of(pid)).await;
        println!("  {}", phase.summary());
        phases.push(phase);
    }
    let [before, overload, after] = phases.as_slice() else { anyhow::bail!("three phases") };
    anyhow::ensure!(
        before.accepted() > 0 && after.accepted() > 0,
        "nothing was accepted under a load that can be sustained"
    );
    let p99 = overload.p99();
    println!("accepted under overload: p99 {p99:.2?} (target: {TARGET_P99:?}): {}", verdict(p99 <= TARGET_P99));
    let growth = overload.peak() / before.peak();
    let met = verdict(growth <= TARGET_GROWTH);
    println!("most memory beside that of 1x: {growth:.2} times (target: at most {TARGET_GROWTH}): {met}");
    let kept = overload.accepted() as f64 / before.accepted() as f64;
    println!(
        "accepted beside 1x: {kept:.2} times; and after it {:.2} times",
        after.accepted() as f64 / before.accepted() as f64
    );
    Ok(())
}

/// A server as operators run it, without limits for single callers: here they are few who stand for many.
async fn start(lab: &Lab, url: &SecretString, threads: usize) -> anyhow::Result<(Child, SocketAddr)> {
    // Free now; whoever takes it in the next moment is told of by the server.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_mendline"));
    command.arg("api").envs(UNLIMITED);
    command.env("DATABASE_URL", url_as(Group::Api.name(), url.expose_secret()));
    command.env("MENDLINE_MIGRATE_URL", url.expose_secret()).env(DATA_DIR, lab.dir());
    command.env("MENDLINE_BIND", address.to_string()).env("MENDLINE_OPS_BIND", "127.0.0.1:0");
    // As the tokens' issuer is called in the settings that they were made with.
    command.env("MENDLINE_PUBLIC_URL", "http://127.0.0.1:0").env("MENDLINE_TRUSTED_PROXIES", "127.0.0.1");
    command.env("MENDLINE_HTTP_WORKERS", threads.to_string()).env("RUST_LOG", "error");
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    Ok((command.spawn().context("starting a server")?, address))
}

/// How long something took, as the table shows it.
fn since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1e3
}
