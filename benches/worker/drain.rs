//! `worker`: the real worker with the real FCM provider drains due alerts, beside the ideal loop on the same database.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use diesel::sql_types::Int8;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use mendline::clock::Clock;
use mendline::config::Config;
use mendline::telemetry::StateLabel;
use mendline::worker::Worker;
use secrecy::SecretString;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::ideal::{self, Post};
use super::lab::{self, Lab};
use super::measure::{family_cpu, median, own_cpu, verdict};
use super::seed;
use super::sink::Sink;

/// The share of the ideal loop's speed that the worker should reach.
const TARGET: f64 = 0.4;
/// A round that takes longer has stopped.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Alerts that are due, one device each.
    #[arg(long, default_value_t = 20_000)]
    alerts: usize,
    /// Alerts in the table that are not due.
    #[arg(long, default_value_t = 0)]
    future: usize,
    /// How often each side drains them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Sends in flight at once, on both sides.
    #[arg(long, default_value_t = 256)]
    concurrency: usize,
    /// How long the push service takes to answer, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
}

/// An id as text.
const UUID_BYTES: usize = 36;

/// One drain.
#[derive(Debug, Clone, Copy)]
struct Round {
    took: Duration,
    own_cpu: Duration,
    database_cpu: Duration,
    sink_cpu: Duration,
}

struct Bench {
    options: Options,
    lab: Lab,
    sink: Sink,
    url: SecretString,
    config: Config,
    conn: AsyncPgConnection,
    /// How long the worker's messages are.
    message_bytes: usize,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut bench = Bench::prepare(options).await?;
    let Options { alerts, future, rounds, concurrency, delay_ms } = bench.options;
    println!(
        "draining {alerts} due alerts among {future} others, {concurrency} in flight, answers after {delay_ms} ms"
    );
    println!("{:>6} {:>12} {:>10} {:>33}", "", "alerts/s", "", "cpu us per alert");
    println!("{:>6} {:>12} {:>10} {:>11} {:>10} {:>10}", "round", "side", "", "sender", "database", "sink");
    let (mut worker, mut ideal) = (Vec::new(), Vec::new());
    for number in 1..=rounds {
        let round = bench.round(true).await?;
        bench.show(number, "worker", round);
        worker.push(round);
        let round = bench.round(false).await?;
        bench.show(number, "ideal", round);
        ideal.push(round);
    }
    let speed = |rounds: &[Round]| median(rounds.iter().map(|round| alerts as f64 / round.took.as_secs_f64()));
    let (worker, ideal) = (speed(&worker), speed(&ideal));
    let ratio = worker / ideal;
    println!("median: worker {worker:.0} alerts/s, ideal loop {ideal:.0} alerts/s, none lost, none sent twice");
    println!("ratio {ratio:.2} (target: at least {TARGET}): {}", verdict(ratio >= TARGET));
    Ok(())
}

impl Bench {
    async fn prepare(options: Options) -> anyhow::Result<Self> {
        let (lab, sink) = (Lab::open().await?, Sink::start(options.delay_ms).await?);
        let url = lab.database("drain").await?;
        let config = lab.config(&[
            ("MENDLINE_FCM_CREDENTIALS", credentials(sink.base())?),
            ("MENDLINE_FCM_BASE_URL", sink.base().to_owned()),
            ("MENDLINE_WORKER_CONCURRENCY", options.concurrency.to_string()),
            // What FCM takes from one project is less than what is measured here.
            ("MENDLINE_FCM_RATE", "0".to_owned()),
        ])?;
        let mut conn = lab::connect(&url).await?;
        let state = lab.state(&config, &url)?;
        seed::people(&mut conn, &state.keys, options.alerts).await?;
        Ok(Self { options, lab, sink, url, config, conn, message_bytes: 0 })
    }

    /// Fills the queue and drains it, by the worker or by the ideal loop. Fails if anything was not sent once.
    async fn round(&mut self, by_worker: bool) -> anyhow::Result<Round> {
        let alerts = self.options.alerts;
        seed::alerts(&mut self.conn, Clock::system().now(), alerts, self.options.future).await?;
        let before = self.cpu();
        let took = if by_worker { self.work().await? } else { self.idealise().await? };
        let after = self.cpu();
        let seen = self.sink.seen().await?;
        let left: i64 = Left::of(&mut self.conn).await?;
        ensure!(left == 0, "{left} alerts were not sent");
        ensure!(seen.alerts == alerts, "the push service saw {} of {alerts} alerts", seen.alerts);
        ensure!(seen.messages == alerts, "{} alerts were sent twice", seen.messages - alerts);
        self.message_bytes = seen.bytes / seen.messages.max(1);
        let [own_cpu, database_cpu, sink_cpu] = std::array::from_fn(|index| after[index].saturating_sub(before[index]));
        Ok(Round { took, own_cpu, database_cpu, sink_cpu })
    }

    async fn work(&self) -> anyhow::Result<Duration> {
        let state = self.lab.state(&self.config, &self.url)?;
        let worker = Worker::new(state.worker_parts(&self.config)?);
        let stop = CancellationToken::new();
        let sent = state.metrics.settled.get_or_create(&StateLabel { state: "sent" }).clone();
        let goal = u64::try_from(self.options.alerts)?;
        let started = Instant::now();
        let ended = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let running = tokio::spawn(async move { worker.run(ended).await });
        let done = async {
            while sent.get() < goal {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, done).await.context("the worker stopped short");
        let took = started.elapsed();
        stop.cancel();
        running.await??;
        done.map(|()| took)
    }

    async fn idealise(&self) -> anyhow::Result<Duration> {
        let (before, after) = (r#"{"message":{"data":{"alert_id":""#, r#""}}}"#);
        let padding = self.message_bytes.saturating_sub(before.len() + UUID_BYTES + after.len());
        let body = (before.to_owned(), format!("{after}{:padding$}", ""));
        let url = format!("{}/v1/projects/p/messages:send", self.sink.base());
        let post = Post { url, body, concurrency: self.options.concurrency };
        let started = Instant::now();
        let settled = tokio::time::timeout(PATIENCE, ideal::drain(&self.url, &post)).await??;
        ensure!(settled == self.options.alerts, "the ideal loop settled {settled}");
        Ok(started.elapsed())
    }

    fn cpu(&self) -> [Duration; 3] {
        let of = |pid: Option<u32>| pid.and_then(family_cpu).unwrap_or_default();
        [own_cpu(), of(self.lab.postmaster()), of(self.sink.pid())]
    }

    fn show(&self, number: usize, side: &str, round: Round) {
        let each = |total: Duration| total.as_secs_f64() * 1e6 / self.options.alerts as f64;
        let speed = self.options.alerts as f64 / round.took.as_secs_f64();
        let (own, database, sink) = (each(round.own_cpu), each(round.database_cpu), each(round.sink_cpu));
        println!("{number:>6} {side:>12} {speed:>10.0} {own:>11.1} {database:>10.1} {sink:>10.1}");
    }
}

#[derive(diesel::QueryableByName)]
struct Left {
    #[diesel(sql_type = Int8)]
    left: i64,
}

impl Left {
    /// How many alerts are due and not sent.
    async fn of(conn: &mut AsyncPgConnection) -> anyhow::Result<i64> {
        let sql = "SELECT count(*) AS left FROM alerts WHERE due_at <= now() AND state <> 'sent'";
        let row: Self = diesel::sql_query(sql).get_result(conn).await?;
        Ok(row.left)
    }
}

/// A service account whose tokens the sink grants.
fn credentials(sink: &str) -> anyhow::Result<String> {
    let key = KeyPair::generate(KeySize::Rsa2048)?;
    let pem = STANDARD.encode(key.as_der()?.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
    let account = json!({
        "type": "service_account", "project_id": "p", "client_email": "push@p.example", "private_key_id": "k",
        "private_key": pem, "token_uri": format!("{sink}/token"),
    });
    Ok(account.to_string())
}
