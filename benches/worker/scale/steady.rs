//! Minutes of continuous load on the large database, to see whether vacuum keeps up: alerts become due, are claimed and
//! settled, plans are moved, and in every other minute somebody else removes what is past its retention, so that it shows
//! whether removing it slows the claims down.

use std::time::{Duration, Instant};

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use mendline::alerts::{queue, store};
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;

use super::super::lab;
use super::super::measure::{median, verdict};
use super::super::seed;
use super::fill::{self, Population};
use super::{BATCH, NUMBER, now, recipient};

/// How often a batch becomes due: twice what a million running treatments owe at their worst, and more.
const TICK: Duration = Duration::from_millis(500);
/// Plans that are moved in each tick.
const REPLANS: usize = 10;
/// How often a batch of what is past its retention is removed: in a minute seven times what a million running treatments
/// leave behind in the hour from one tidying to the next.
const ERASE_EVERY: Duration = Duration::from_secs(1);
/// What ended before so many days ago is past its retention here.
const KEEP: TimeDelta = TimeDelta::days(14);
/// A table keeps itself in order if the dead rows of later minutes are not more than this many times those of earlier.
const TARGET: f64 = 1.5;

#[derive(Debug, QueryableByName)]
struct Table {
    #[diesel(sql_type = BigInt)]
    dead: i64,
    #[diesel(sql_type = BigInt)]
    vacuums: i64,
    #[diesel(sql_type = BigInt)]
    bytes: i64,
}

/// What one minute was like.
struct Minute {
    claims: Vec<f64>,
    most_dead: i64,
    removed: usize,
}

/// Works for so many minutes; says minute by minute how many dead rows there were and what a claim cost.
pub async fn run(
    url: &SecretString,
    conn: &mut AsyncPgConnection,
    people: &Population,
    minutes: u64,
) -> anyhow::Result<()> {
    if minutes == 0 {
        return Ok(());
    }
    println!("\n{minutes} minutes with {BATCH} alerts and {REPLANS} moved plans every {} ms:", TICK.as_millis());
    let before = table(conn).await?;
    let (mut person, mut history, mut with, mut without) = (0, Vec::new(), Vec::new(), Vec::new());
    for minute in 0..minutes {
        let ends = Instant::now() + Duration::from_secs(60);
        let mut this = Minute { claims: Vec::new(), most_dead: 0, removed: 0 };
        let over = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "awaited below")]
        let eraser = (minute % 2 == 1).then(|| tokio::spawn(erase(url.clone(), over.clone())));
        while Instant::now() < ends {
            let tick = Instant::now();
            become_due(conn, now(), people.count(), person).await?;
            let started = Instant::now();
            let claimed = queue::claim_due(conn, now(), BATCH, NUMBER, 3600).await?;
            this.claims.push(started.elapsed().as_secs_f64() * 1e3);
            queue::settle(conn, &fill::batch(&claimed.claims, now())).await?;
            ensure!(queue::look(conn, now()).await?.rescued == 0, "settled alerts were rescued");
            for _ in 0..REPLANS {
                person += 7919;
                let moved = TimeDelta::minutes(i64::try_from(person % 97)?);
                let patient = people.nth(person);
                let wake_before = now() + TimeDelta::seconds(1);
                queue::replace_plan(conn, recipient(patient), &patient.plan(now(), moved), now(), wake_before, 3)
                    .await?;
            }
            this.most_dead = this.most_dead.max(table(conn).await?.dead);
            tokio::time::sleep(TICK.saturating_sub(tick.elapsed())).await;
        }
        over.cancel();
        if let Some(eraser) = eraser {
            this.removed = eraser.await??;
        }
        this.claims.sort_by(f64::total_cmp);
        println!(
            "  minute {:>2}: at most {:>8} dead rows; claims p50 {:.2} ms, p99 {:.2} ms; {} alerts removed",
            minute + 1,
            this.most_dead,
            median(this.claims.iter().copied()),
            this.claims.get(this.claims.len() * 99 / 100).copied().unwrap_or(f64::NAN),
            this.removed
        );
        history.push(this.most_dead);
        let (of_minute, most) = (median(this.claims.iter().copied()), this.claims.last().copied().unwrap_or(f64::NAN));
        if minute % 2 == 1 { with.push((of_minute, most)) } else { without.push((of_minute, most)) }
    }
    let typical = |minutes: &[(f64, f64)]| median(minutes.iter().map(|minute| minute.0));
    let slowest = |minutes: &[(f64, f64)]| minutes.iter().map(|minute| minute.1).fold(0.0, f64::max);
    println!(
        "a claim while old alerts are removed: {:.2} ms, {:.2} ms at most; otherwise {:.2} ms, {:.2} ms at most",
        typical(&with),
        slowest(&with),
        typical(&without),
        slowest(&without)
    );
    let after = table(conn).await?;
    let (early, late) = history.split_at(history.len() / 2);
    let most = |minutes: &[i64]| minutes.iter().copied().max().unwrap_or(0);
    let bounded = after.vacuums > before.vacuums && as_f64(most(late)) <= TARGET * as_f64(most(early)).max(1.0);
    println!(
        "{} vacuums; the table and its indexes grew from {} to {} MB",
        after.vacuums - before.vacuums,
        before.bytes >> 20,
        after.bytes >> 20
    );
    println!("dead rows bounded: {}", verdict(bounded));
    Ok(())
}

/// Removes what is past its retention, as a worker does, until the minute is over; returns how much that was.
async fn erase(url: SecretString, over: CancellationToken) -> anyhow::Result<usize> {
    let mut conn = lab::connect(&url).await?;
    let mut removed = 0;
    while !over.is_cancelled() {
        removed += store::prune_alerts(&mut conn, now() - KEEP).await?;
        over.run_until_cancelled(tokio::time::sleep(ERASE_EVERY)).await;
    }
    Ok(removed)
}

/// A batch of people who are owed something now.
async fn become_due(
    conn: &mut AsyncPgConnection,
    now: DateTime<Utc>,
    people: usize,
    from: usize,
) -> anyhow::Result<()> {
    let id = seed::alert_id("person", "key");
    diesel::sql_query(format!(
        "INSERT INTO alerts (clinic_id, id, recipient_kind, recipient_id, dedupe_key, category, urgent, due_at,
             next_attempt_at, expires_at, state, plan_revision, superseded, claim_no, tries)
         SELECT md5('clinic')::uuid, {id}, 'patient', person, key,
                'routine', false, $1, $1, $1 + interval '1 day', 'scheduled', 1, false, 0, 0
           FROM generate_series(1, $4) AS n,
                LATERAL (SELECT md5('patient' || 1 + ($3 + n * 7919) % $2)::uuid, 'f:' || gen_random_uuid() || n) AS fresh (person, key)"
    ))
    .bind::<Timestamptz, _>(now)
    .bind::<BigInt, _>(i64::try_from(people)?)
    .bind::<BigInt, _>(i64::try_from(from)?)
    .bind::<BigInt, _>(i64::try_from(BATCH)?)
    .execute(conn)
    .await?;
    Ok(())
}

async fn table(conn: &mut AsyncPgConnection) -> anyhow::Result<Table> {
    let sql = "SELECT n_dead_tup AS dead, autovacuum_count AS vacuums, pg_total_relation_size(relid) AS bytes
                 FROM pg_stat_user_tables WHERE relname = 'alerts'";
    Ok(diesel::sql_query(sql).get_result(conn).await?)
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "counts of rows, for a ratio")]
fn as_f64(count: i64) -> f64 {
    count as f64
}
