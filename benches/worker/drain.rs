//! `worker`: the real worker with the real FCM provider drains due alerts, beside the ideal loop on the same database.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use diesel_async::AsyncPgConnection;
use mendline::clock::Clock;
use mendline::config::Config;
use mendline::telemetry::StateLabel;
use mendline::worker::Worker;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::account;
use super::costs::{self, Costs};
use super::ideal::{self, Post};
use super::lab::{self, Lab};
use super::measure::{median, peak_memory, verdict};
use super::seed::{self, Due};
use super::sink::Sink;

/// The share of the ideal loop's speed that the worker should reach.
const TARGET: f64 = 0.6;
/// The processor time that an alert may cost, here and in Postgres together, in microseconds.
const CPU_TARGET: f64 = 35.0;
/// A round that takes longer has stopped.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Alerts that are due, one device each.
    #[arg(long, default_value_t = 100_000)]
    alerts: usize,
    /// Alerts in the table that are not due.
    #[arg(long, default_value_t = 0)]
    future: usize,
    /// How often each side drains them.
    #[arg(long, default_value_t = 3)]
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
    costs: Costs,
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
    println!("{:>6} {:>8} {:>10} {:>32} {:>10} {:>11}", "", "", "", "cpu us per alert", "WAL bytes", "statements");
    println!(
        "{:>6} {:>8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>11}",
        "round", "side", "alerts/s", "sender", "database", "sink", "per alert", "per 1000"
    );
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
    let cpu = worker.iter().map(|round| (round.costs.own + round.costs.database).as_secs_f64() * 1e6 / alerts as f64);
    let cpu = median(cpu);
    let (worker, ideal) = (speed(&worker), speed(&ideal));
    let ratio = worker / ideal;
    println!("median: worker {worker:.0} alerts/s, ideal loop {ideal:.0} alerts/s, none lost, none sent twice");
    println!("ratio {ratio:.2} (target: at least {TARGET}): {}", verdict(ratio >= TARGET));
    println!(
        "worker and Postgres {cpu:.1} us per alert (target: at most {CPU_TARGET}): {}",
        verdict(cpu <= CPU_TARGET)
    );
    println!("peak memory of this process, which is the sender, the ideal loop and the seeding: {}", peak_memory());
    Ok(())
}

impl Bench {
    async fn prepare(options: Options) -> anyhow::Result<Self> {
        let (lab, sink) = (Lab::open().await?, Sink::start(options.delay_ms).await?);
        let url = lab.database("drain").await?;
        let config = lab.config(&account::settings(sink.base(), options.concurrency)?)?;
        let mut conn = lab::connect(&url).await?;
        costs::count_statements(&mut conn).await;
        let state = lab.state(&config, &url)?;
        seed::people(&mut conn, &state.keys, options.alerts).await?;
        Ok(Self { options, lab, sink, url, config, conn, message_bytes: 0 })
    }

    /// Fills the queue and drains it, by the worker or by the ideal loop. Fails if anything was not sent once.
    async fn round(&mut self, by_worker: bool) -> anyhow::Result<Round> {
        let Options { alerts, future, .. } = self.options;
        if by_worker {
            let due = Due { count: alerts, from: Clock::system().now(), every: TimeDelta::zero() };
            seed::alerts(&mut self.conn, due, future).await?;
        } else {
            ideal::seed(&self.url, alerts, future).await?;
        }
        let before = Costs::now(&self.lab, &self.sink, &mut self.conn).await?;
        let took = if by_worker { self.work().await? } else { self.idealise().await? };
        let costs = Costs::now(&self.lab, &self.sink, &mut self.conn).await?.since(before);
        let seen = self.sink.seen().await?;
        let left = seed::unsent(&mut self.conn).await?;
        ensure!(!by_worker || left == 0, "{left} alerts were not sent");
        ensure!(seen.alerts == alerts, "the push service saw {} of {alerts} alerts", seen.alerts);
        ensure!(seen.messages == alerts, "{} alerts were sent twice", seen.messages - alerts);
        if by_worker {
            self.message_bytes = seen.bytes / seen.messages.max(1);
        }
        Ok(Round { took, costs })
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

    fn show(&self, number: usize, side: &str, round: Round) {
        let alerts = self.options.alerts as f64;
        let each = |total: Duration| total.as_secs_f64() * 1e6 / alerts;
        let Costs { own, database, sink, wal, statements, queries: _ } = round.costs;
        let (speed, own, database, sink) = (alerts / round.took.as_secs_f64(), each(own), each(database), each(sink));
        let statements = statements.map_or("?".to_owned(), |calls| format!("{:.1}", calls as f64 * 1e3 / alerts));
        println!(
            "{number:>6} {side:>8} {speed:>10.0} {own:>10.1} {database:>10.1} {sink:>10.1} {:>10.0} {statements:>11}",
            wal / alerts
        );
    }
}
