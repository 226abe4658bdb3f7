//! `kill`: two workers drain, one of them is killed half-way and another one started in its place. How soon the survivor
//! puts back what the dead one held, how soon all is settled, and how much was sent twice.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use diesel::sql_types::{Int4, Int8};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use mendline::clock::Clock;
use mendline::db::Group;
use mendline::embedded::url_as;
use secrecy::{ExposeSecret, SecretString};
use tokio::process::{Child, Command};

use super::lab::{self, Lab};
use super::measure::verdict;
use super::seed::{self, Due};
use super::sink::Sink;
use super::{account, lab::DATA_DIR};

/// From the kill until what the dead worker held is put back.
const NOTICED: Duration = Duration::from_secs(1);
/// From the restart until all is settled.
const SETTLED: Duration = Duration::from_secs(4);
/// As many results as are being written or wait for that.
const UNSETTLED: usize = 500;
/// Something that takes longer than this has stopped.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the database is asked.
const EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Alerts that are due, one device each.
    #[arg(long, default_value_t = 20_000)]
    alerts: usize,
    /// Sends in flight at once, per worker.
    #[arg(long, default_value_t = 256)]
    concurrency: usize,
}

struct Bench {
    lab: Lab,
    sink: Sink,
    url: SecretString,
    settings: Vec<(&'static str, String)>,
    conn: AsyncPgConnection,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options { alerts, concurrency } = options;
    let (lab, sink) = (Lab::open().await?, Sink::start(0).await?);
    let url = lab.database("kill").await?;
    let settings = account::settings(sink.base(), concurrency)?.to_vec();
    let state = lab.state(&lab.config(&settings)?, &url)?;
    let mut conn = lab::connect(&url).await?;
    seed::people(&mut conn, &state.keys, alerts).await?;
    let due = Due { count: alerts, from: Clock::system().now(), every: TimeDelta::zero() };
    seed::alerts(&mut conn, due, 0).await?;
    let mut bench = Bench { lab, sink, url, settings, conn };

    let (mut victim, number) = bench.first_worker().await?;
    let _survivor = bench.worker()?;
    let half = i64::try_from(alerts / 2)?;
    bench.until("half of all is sent", async |conn| Ok(seed::unsent(conn).await? <= half)).await?;
    victim.kill().await?;
    let killed = Instant::now();
    let held = held_by(&mut bench.conn, number).await?;
    let _second = bench.worker()?;
    let restarted = Instant::now();
    bench.until("the dead worker's claims are put back", async |conn| Ok(held_by(conn, number).await? == 0)).await?;
    let noticed = killed.elapsed();
    bench.until("all is settled", async |conn| Ok(seed::unsent(conn).await? == 0)).await?;
    let settled = restarted.elapsed();

    let seen = bench.sink.seen().await?;
    ensure!(seen.alerts == alerts, "the push service saw {} of {alerts} alerts", seen.alerts);
    let (again, most) = (seen.messages - alerts, concurrency + UNSETTLED);
    println!("{alerts} alerts, two workers; one was killed half-way, over {held} alerts, and another one started");
    let met = |is_met: bool| verdict(is_met);
    println!("put back after {noticed:.2?} (target: {NOTICED:?}): {}", met(noticed <= NOTICED));
    println!("all settled {settled:.2?} after the restart (target: {SETTLED:?}): {}", met(settled <= SETTLED));
    println!(
        "none lost; {again} sent twice (at most {most}: in flight, or accepted and not yet settled): {}",
        met(again <= most)
    );
    Ok(())
}

impl Bench {
    /// A worker, as operators run it. It goes when it is dropped.
    fn worker(&self) -> anyhow::Result<Child> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mendline"));
        command.arg("worker").envs(self.settings.iter().map(|(name, value)| (*name, value.as_str())));
        command.env("DATABASE_URL", url_as(Group::Worker.name(), self.url.expose_secret()));
        command.env("MENDLINE_MIGRATE_URL", self.url.expose_secret()).env(DATA_DIR, self.lab.dir());
        command.env("MENDLINE_OPS_BIND", "127.0.0.1:0").env("RUST_LOG", "error");
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        command.spawn().context("starting a worker")
    }

    /// A worker and its number.
    async fn first_worker(&mut self) -> anyhow::Result<(Child, i32)> {
        let child = self.worker()?;
        self.until("a worker claims", async |conn| Ok(claimer(conn).await?.is_some())).await?;
        Ok((child, claimer(&mut self.conn).await?.context("a claim")?))
    }

    async fn until(
        &mut self,
        what: &str,
        mut is_so: impl AsyncFnMut(&mut AsyncPgConnection) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let wait = async {
            while !is_so(&mut self.conn).await? {
                tokio::time::sleep(EVERY).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(PATIENCE, wait).await.with_context(|| format!("waited in vain until {what}"))?
    }
}

#[derive(diesel::QueryableByName)]
struct Number {
    #[diesel(sql_type = Int4)]
    worker: i32,
}

/// Who has claimed something.
async fn claimer(conn: &mut AsyncPgConnection) -> anyhow::Result<Option<i32>> {
    let rows: Vec<Number> = diesel::sql_query("SELECT worker FROM claims LIMIT 1").load(conn).await?;
    Ok(rows.into_iter().next().map(|row| row.worker))
}

#[derive(diesel::QueryableByName)]
struct Held {
    #[diesel(sql_type = Int8)]
    alerts: i64,
}

/// How many alerts stand under a worker's claims.
async fn held_by(conn: &mut AsyncPgConnection, worker: i32) -> anyhow::Result<i64> {
    let sql = "SELECT coalesce(sum(cardinality(alert_ids)), 0)::bigint AS alerts FROM claims WHERE worker = $1";
    let row: Held = diesel::sql_query(sql).bind::<Int4, _>(worker).get_result(conn).await?;
    Ok(row.alerts)
}
