//! What the whole system costs, beside the least that the same work could cost. Run by `script/bench`.
//!
//! `worker` drains due alerts, `claim` takes a batch out of a small and a large queue, `treatments` registers treatments.
//! Each runs both sides in turn on one private Postgres with its default durability, so that only ratios of one run
//! count. A benchmark fails where work was lost or done twice, never because a machine was slow.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it found")]

mod claim;
mod drain;
mod ideal;
mod lab;
mod measure;
mod raw;
mod scale;
mod seed;
mod sink;
mod treatments;

use clap::{Parser, Subcommand};

/// Benchmarks of the whole system.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    benchmark: Benchmark,
    /// What cargo tells every benchmark.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Alerts a second, from due to settled, beside a loop that only claims, posts and settles.
    Worker(drain::Options),
    /// One claim among few and among many alerts that are not due yet.
    Claim(claim::Options),
    /// The queue's statements in a small and a huge database, then minutes of load on the huge one.
    Scale(scale::Options),
    /// Registering a treatment over HTTP beside inserting the same rows.
    Treatments(treatments::Options),
    /// The push service that the others send to, as a process of its own.
    #[command(hide = true)]
    Sink(sink::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let benchmark = async {
        match Cli::parse().benchmark {
            Benchmark::Worker(options) => drain::run(options).await,
            Benchmark::Claim(options) => claim::run(options).await,
            Benchmark::Scale(options) => scale::run(options).await,
            Benchmark::Treatments(options) => treatments::run(options).await,
            Benchmark::Sink(options) => sink::serve(options).await,
        }
    };
    tokio::select! {
        done = benchmark => done,
        // What was started is stopped by being dropped.
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}
