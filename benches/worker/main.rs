//! What the whole system costs, beside the least that the same work could cost. Run by `script/bench`.
//!
//! `worker` drains due alerts, `lateness` sends them one by one at their moments, `kill` kills a worker half-way, `claim` takes a
//! batch out of a small and a large queue, `treatments` registers treatments, `worklist` reads a large clinic's,
//! `enumeration` compares logins of known and unknown addresses, `audit` looks that are recorded and looks that are not. Most
//! run both sides in turn on one private Postgres with its default durability, so that only ratios of one run count. A benchmark fails
//! where work was lost or done twice, never because a machine was slow.
#![allow(clippy::print_stdout, reason = "a benchmark prints what it found")]

mod account;
mod audit;
mod claim;
mod costs;
mod drain;
mod enumeration;
mod ideal;
mod kill;
mod lab;
mod lateness;
mod measure;
mod raw;
mod recipe;
mod scale;
mod seed;
mod sink;
mod treatments;
mod upkeep;
mod worklist;

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
    /// From the due moment to the push service, at a steady rate among many alerts that are not due; then an idle worker.
    Lateness(lateness::Options),
    /// One of two workers killed half-way through: how soon it is noticed and made good.
    Kill(kill::Options),
    /// One claim among few and among many alerts that are not due yet.
    Claim(claim::Options),
    /// The queue's statements in a small and a huge database, then minutes of load on the huge one.
    Scale(scale::Options),
    /// Registering a treatment over HTTP beside inserting the same rows.
    Treatments(treatments::Options),
    /// A page of a large clinic's worklist, sorted by compliance.
    Worklist(worklist::Options),
    /// Whether a login tells, by its answer or by its time, which addresses are known.
    Enumeration(enumeration::Options),
    /// A look at a record that is recorded, beside one that is not.
    Audit(audit::Options),
    /// Fills the database of DATABASE_URL, for measuring a server of one's own.
    Seed(recipe::Options),
    /// The push service that the others send to, as a process of its own.
    Sink(sink::Options),
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    mendline::cli::raise_open_files();
    let benchmark = async {
        match Cli::parse().benchmark {
            Benchmark::Worker(options) => drain::run(options).await,
            Benchmark::Lateness(options) => lateness::run(options).await,
            Benchmark::Kill(options) => kill::run(options).await,
            Benchmark::Claim(options) => claim::run(options).await,
            Benchmark::Scale(options) => scale::run(options).await,
            Benchmark::Treatments(options) => treatments::run(options).await,
            Benchmark::Worklist(options) => worklist::run(options).await,
            Benchmark::Enumeration(options) => enumeration::run(options).await,
            Benchmark::Audit(options) => audit::run(options).await,
            Benchmark::Seed(options) => recipe::run(options).await,
            Benchmark::Sink(options) => sink::serve(options).await,
        }
    };
    tokio::select! {
        done = benchmark => done,
        // What was started is stopped by being dropped.
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}
