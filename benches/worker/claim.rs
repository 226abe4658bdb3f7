//! `claim`: what a batch costs among few and among many alerts that are not due yet. It must not depend on them.
//!
//! Finding the rows and changing them does not. Upkeep of the table's two keys does, a little: they are random, so that
//! the many's lie far apart in memory, while those of a table of a few thousand rows fit into a processor's cache. So
//! the ratio falls with the number of due alerts, which both sides have: 1.2 at 20,000, about 1.45 at 5,000 (`--due`).

use std::time::Instant;

use anyhow::ensure;
use chrono::TimeDelta;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use mendline::alerts::queue::{self, Claim};
use mendline::auth::keys::Keys;
use mendline::clock::Clock;

use super::lab::{self, Lab};
use super::measure::{median, verdict};
use super::seed;

/// The most that a claim among many may cost, compared with one among few.
const TARGET: f64 = 1.3;
/// Rows per claim.
const BATCH: usize = 500;
/// No worker has this number; nobody rescues while this runs.
const NUMBER: i32 = 1;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Alerts that are not due, on one side.
    #[arg(long, default_value_t = 10_000)]
    few: usize,
    /// Alerts that are not due, on the other.
    #[arg(long, default_value_t = 1_000_000)]
    many: usize,
    /// Alerts that are due, on both sides; when all are claimed, they are put back and the table is vacuumed.
    #[arg(long, default_value_t = 20_000)]
    due: usize,
    /// How often all that is due is claimed.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
}

/// One queue and how long its claims took, in milliseconds.
struct Side {
    conn: AsyncPgConnection,
    claimed: Vec<Claim>,
    took: Vec<f64>,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    ensure!(options.due >= BATCH && options.due.is_multiple_of(BATCH), "--due must be a multiple of {BATCH}");
    let lab = Lab::open().await?;
    let keys = Keys::load(&lab.config(&[])?)?;
    println!("filling a queue with {} and another with {} alerts that are not due", options.few, options.many);
    let mut few = Side::fill(&lab, &keys, "few", options.due, options.few).await?;
    let mut many = Side::fill(&lab, &keys, "many", options.due, options.many).await?;
    // The first round only warms up.
    for round in 0..=options.rounds {
        for claim in 0..options.due / BATCH {
            // Whoever comes first finds colder caches.
            let sides = if claim % 2 == 0 { [&mut few, &mut many] } else { [&mut many, &mut few] };
            for side in sides {
                side.claim().await?;
            }
        }
        for side in [&mut few, &mut many] {
            side.put_back().await?;
            if round == 0 {
                side.took.clear();
            }
        }
    }
    let claims = few.took.len();
    let (few, many) = (median(few.took), median(many.took));
    println!("claiming {BATCH} due alerts, median of {claims} claims each:");
    println!("  among {:>9} not due: {few:.3} ms", options.few);
    println!("  among {:>9} not due: {many:.3} ms", options.many);
    let ratio = many / few;
    println!("ratio {ratio:.2} (target: at most {TARGET}): {}", verdict(ratio <= TARGET));
    Ok(())
}

impl Side {
    async fn fill(lab: &Lab, keys: &Keys, name: &str, due: usize, future: usize) -> anyhow::Result<Self> {
        let mut conn = lab::connect(&lab.database(name).await?).await?;
        seed::people(&mut conn, keys, 1).await?;
        let due = seed::Due { count: due, from: Clock::system().now(), every: TimeDelta::zero() };
        seed::alerts(&mut conn, due, future).await?;
        Ok(Self { conn, claimed: Vec::new(), took: Vec::new() })
    }

    async fn claim(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        let claimed = queue::claim_due(&mut self.conn, Clock::system().now(), BATCH, NUMBER, 3600).await?;
        self.took.push(started.elapsed().as_secs_f64() * 1e3);
        ensure!(claimed.claims.len() == BATCH, "a claim brought {} alerts", claimed.claims.len());
        self.claimed.extend(claimed.claims);
        Ok(())
    }

    /// Makes everything due again, so that every round finds the same queue.
    async fn put_back(&mut self) -> anyhow::Result<()> {
        let over = self.claimed.iter().map(|claim| claim.claim_id).collect();
        let released = queue::release(&mut self.conn, &self.claimed, over, Clock::system().now()).await?;
        ensure!(released == self.claimed.len(), "{released} of {} claims were given back", self.claimed.len());
        self.claimed.clear();
        self.conn.batch_execute("VACUUM alerts").await?;
        Ok(())
    }
}
