//! `lateness`: from an alert's due moment to the sink, at a steady rate among many alerts that are not due; and what the
//! worker costs once there is nothing to do.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use mendline::clock::Clock;
use mendline::telemetry::StateLabel;
use mendline::worker::Worker;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::account;
use super::costs::{self, Costs};
use super::lab::{self, Lab};
use super::measure::{percentile, verdict};
use super::seed::{self, Due};
use super::sink::Sink;

/// What half of all alerts, and all but one in a hundred, may be late by, in milliseconds.
const TARGETS: (f64, f64) = (2.0, 8.0);
/// How long after seeding the first alert is due.
const LEAD: TimeDelta = TimeDelta::seconds(5);

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Alerts due per second.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// For how many seconds.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Alerts in the table that are not due.
    #[arg(long, default_value_t = 1_000_000)]
    future: usize,
    /// For how long the idle worker is watched, in seconds.
    #[arg(long, default_value_t = 20)]
    idle_seconds: u64,
}

#[derive(diesel::QueryableByName)]
struct DueRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    due_at: DateTime<Utc>,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let (lab, sink) = (Lab::open().await?, Sink::start(0).await?);
    let url = lab.database("lateness").await?;
    let config = lab.config(&account::settings(sink.base(), 256)?)?;
    let mut conn = lab::connect(&url).await?;
    costs::count_statements(&mut conn).await;
    let state = lab.state(&config, &url)?;
    let count = usize::try_from(options.rate * options.seconds)?;
    seed::people(&mut conn, &state.keys, count).await?;
    println!("{} alerts a second due among {} that are not, for {} s", options.rate, options.future, options.seconds);
    let every = TimeDelta::seconds(1) / i32::try_from(options.rate)?;
    // Filling the table takes its time, so it is filled first and moved to the right moments after.
    seed::alerts(&mut conn, Due { count, from: Clock::system().now(), every }, options.future).await?;
    let shift = "UPDATE alerts SET due_at = due_at + d, next_attempt_at = due_at + d, expires_at = expires_at + d
                   FROM (SELECT $1 - min(due_at) AS d FROM alerts) AS s WHERE due_at < (SELECT min(due_at) FROM alerts)
                        + interval '50 minutes'";
    let from = Clock::system().now() + LEAD;
    diesel::sql_query(shift).bind::<Timestamptz, _>(from).execute(&mut conn).await?;
    let due = "SELECT id, due_at FROM alerts WHERE due_at < $1";
    let due: Vec<DueRow> =
        diesel::sql_query(due).bind::<Timestamptz, _>(from + TimeDelta::minutes(50)).load(&mut conn).await?;
    ensure!(due.len() == count, "{} alerts are due, not {count}", due.len());
    ensure!(Clock::system().now() < from, "seeding took too long");

    let worker = Worker::new(state.worker_parts(&config)?);
    let (stop, sent) =
        (CancellationToken::new(), state.metrics.settled.get_or_create(&StateLabel { state: "sent" }).clone());
    let ended = stop.clone();
    #[expect(clippy::disallowed_methods, reason = "awaited below")]
    let running = tokio::spawn(async move { worker.run(ended).await });
    Clock::system().sleep_until(from).await;
    let before = Costs::now(&lab, &sink, &mut conn).await?;
    let goal = u64::try_from(count)?;
    let done = async {
        while sent.get() < goal {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let patience = Duration::from_secs(u64::from(options.seconds) + 30);
    tokio::time::timeout(patience, done).await.context("the worker stopped short")?;
    let busy = Costs::now(&lab, &sink, &mut conn).await?.since(before);
    let seen = sink.arrivals().await?;
    ensure!(seen.messages == count, "{} messages for {count} alerts", seen.messages);
    report(&due, &seen.arrivals)?;
    show("busy", busy, f64::from(options.seconds));

    let before = Costs::now(&lab, &sink, &mut conn).await?;
    tokio::time::sleep(Duration::from_secs(options.idle_seconds)).await;
    let idle = Costs::now(&lab, &sink, &mut conn).await?.since(before);
    show("idle", idle, options.idle_seconds as f64);
    stop.cancel();
    running.await?
}

fn report(due: &[DueRow], arrivals: &HashMap<Uuid, i64>) -> anyhow::Result<()> {
    let late = due.iter().map(|row| {
        let arrived = arrivals.get(&row.id).context("an alert never arrived")?;
        Ok((arrived - row.due_at.timestamp_micros()) as f64 / 1e3)
    });
    let mut late = late.collect::<anyhow::Result<Vec<f64>>>()?;
    late.sort_by(f64::total_cmp);
    let early = late.iter().filter(|late| **late < 0.0).count();
    let (p50, p90, p99) = (percentile(&late, 0.5), percentile(&late, 0.9), percentile(&late, 0.99));
    let most = percentile(&late, 1.0);
    println!("late by (ms): p50 {p50:.2}, p90 {p90:.2}, p99 {p99:.2}, most {most:.2}; early: {early}");
    let met = p50 <= TARGETS.0 && p99 <= TARGETS.1;
    println!("target: p50 at most {} ms, p99 at most {} ms: {}", TARGETS.0, TARGETS.1, verdict(met));
    ensure!(early == 0, "{early} alerts were sent early");
    Ok(())
}

fn show(what: &str, costs: Costs, seconds: f64) {
    let share = |time: Duration| time.as_secs_f64() * 100.0 / seconds;
    let rate = |calls: Option<i64>| calls.map_or("?".to_owned(), |calls| format!("{:.1}", calls as f64 / seconds));
    println!(
        "{what}: {} statements a second, {} of them queries; worker {:.2} % of a core, Postgres {:.2} %",
        rate(costs.statements),
        rate(costs.queries),
        share(costs.own),
        share(costs.database)
    );
}
