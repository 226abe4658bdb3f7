//! `scale`: what the queue's statements cost in a database that stores a hundred times as many alerts. They must follow
//! what is due or whose plan it is, never what is stored.
//!
//! Two databases are filled alike but for the number of people; each person has as many finished alerts as future ones.
//! Claim, settle, rescue, look, enqueue, replan and inbox are then asked of both in turn. `fill.rs` makes the rows; `steady.rs` goes
//! on writing to the larger one for minutes, and watches whether vacuum keeps up.

mod fill;
mod steady;

use std::time::Instant;

use anyhow::ensure;
use chrono::{DateTime, TimeDelta, Utc};
use diesel_async::AsyncPgConnection;
use mendline::alerts::queue::{self, Owed, PlannedState, Recipient, RecipientKind};
use mendline::alerts::store;
use mendline::auth::keys::Keys;
use mendline::clock::Clock;
use mendline::db::{Db, Dedicated, Group, Scope};
use mendline::embedded::url_as;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::lab::{self, Lab};
use super::measure::{median, verdict};
use fill::{EACH, Person, Population};

/// The most that a statement may cost among many, compared with the same among few.
const TARGET: f64 = 1.3;
/// Rows per claim and settle.
const BATCH: usize = 500;
/// Rounds that do not count.
const WARM_UP: usize = 10;
/// The worker that claims and settles: it holds its place for as long as this runs.
const NUMBER: i32 = 1;
/// A worker that is gone.
const GONE: i32 = 2;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Future alerts, and as many finished ones, on the small side.
    #[arg(long, default_value_t = 100_000)]
    few: usize,
    /// Future alerts, and as many finished ones, on the large side. Ten million take some 12 GB of disk while it runs.
    #[arg(long, default_value_t = 10_000_000)]
    many: usize,
    /// Memory for Postgres' own cache: whoever stores twenty million alerts gives their database a quarter of a usual
    /// machine's.
    #[arg(long, default_value = "4GB")]
    shared_buffers: String,
    /// How often each statement is asked on each side.
    #[arg(long, default_value_t = 60)]
    rounds: usize,
    /// How many minutes of continuous load follow, to see vacuum keep up; 0 for none.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
}

/// One database, asked as a server asks it, and how long each statement took there, in milliseconds.
struct Side {
    /// Where [`NUMBER`] has its place.
    _place: AsyncPgConnection,
    url: SecretString,
    worker: Dedicated,
    api: Db,
    people: Population,
    took: [Vec<f64>; STATEMENTS.len()],
}

const STATEMENTS: [&str; 8] = [
    "claim of 500",
    "devices of 500",
    "settle of 500",
    "rescue of 500",
    "look",
    "enqueue",
    "replan of a plan",
    "inbox",
];

pub async fn run(options: Options) -> anyhow::Result<()> {
    let lab = Lab::with_buffers(&options.shared_buffers).await?;
    let keys = Keys::load(&lab.config(&[])?)?;
    // Each round settles one claim and has another rescued, which must wait before it is tried again.
    let due = (options.rounds + WARM_UP) * BATCH * 2;
    let mut few = Side::fill(&lab, &keys, "few", options.few, due).await?;
    let mut many = Side::fill(&lab, &keys, "many", options.many, due).await?;
    for round in 0..options.rounds + WARM_UP {
        // Whoever comes first finds colder caches.
        let sides = if round % 2 == 0 { [&mut few, &mut many] } else { [&mut many, &mut few] };
        for side in sides {
            side.round(round).await?;
        }
    }
    println!("\nmedian of {} each, in milliseconds:", options.rounds);
    println!("{:<18}{:>12}{:>12}{:>8}", "future + finished", 2 * options.few, 2 * options.many, "ratio");
    for (statement, (few, many)) in STATEMENTS.iter().zip(few.took.iter().zip(&many.took)) {
        let of = |took: &[f64]| median(took.iter().skip(WARM_UP).copied());
        let (few, many) = (of(few), of(many));
        let ratio = many / few;
        println!("{statement:<18}{few:>12.3}{many:>12.3}{ratio:>8.2}  {}", verdict(ratio <= TARGET));
    }
    println!("(target: at most {TARGET})");
    let Side { url, worker, people, .. } = &mut many;
    worker.run(async |conn| steady::run(url, conn, people, options.minutes).await).await
}

impl Side {
    async fn fill(lab: &Lab, keys: &Keys, name: &str, future: usize, due: usize) -> anyhow::Result<Self> {
        let started = Instant::now();
        let url = lab.database(name).await?;
        let (mut conn, mut place) = (lab::connect(&url).await?, lab::connect(&url).await?);
        ensure!(queue::register_worker(&mut place, NUMBER).await?, "somebody else works here");
        let people = fill::alerts(&mut conn, keys, now(), future, due).await?;
        let as_group =
            |group: Group| Db::connect(&SecretString::from(url_as(group.name(), url.expose_secret())), 1, None);
        let (worker, api) = (as_group(Group::Worker)?.dedicated(Scope::System), as_group(Group::Api)?);
        let (rows, took) = (2 * future + due, started.elapsed().as_secs());
        println!("{name}: {rows} alerts of {} people, filled in {took} s", people.count());
        Ok(Self { _place: place, url, worker, api, people, took: Default::default() })
    }

    async fn round(&mut self, round: usize) -> anyhow::Result<()> {
        let [claim, devices, settle, rescue, look, enqueue, replan, inbox] = &mut self.took;
        // Another person each time, far from the last one.
        let person = self.people.nth(round * 7919);
        let worker = async |conn: &mut AsyncPgConnection| {
            queue::claim_due(conn, now(), BATCH, GONE, 3600).await?;
            let rescued = timed(rescue, queue::look(conn, now())).await?.rescued;
            ensure!(rescued == BATCH, "{rescued} alerts were rescued");
            let claimed = timed(claim, queue::claim_due(conn, now(), BATCH, NUMBER, 3600)).await?;
            ensure!(claimed.claims.len() == BATCH, "a claim brought {} alerts", claimed.claims.len());
            let found = timed(devices, store::list_devices(conn, &claimed.claims, now())).await?;
            ensure!(found.len() == BATCH, "{} devices were found", found.len());
            let batch = fill::batch(&claimed.claims, now());
            let settled = timed(settle, queue::settle(conn, &batch)).await?;
            ensure!(settled.len() == BATCH, "{} alerts were settled", settled.len());
            let rescued = timed(look, queue::look(conn, now())).await?.rescued;
            ensure!(rescued == 0, "{rescued} settled alerts were rescued");
            Ok::<_, anyhow::Error>(())
        };
        self.worker.run(worker).await?;

        let api = async |conn: &mut AsyncPgConnection| {
            let one = owed(format!("f:{}:0", Uuid::new_v4()), now() + TimeDelta::hours(1));
            let fresh = timed(enqueue, queue::enqueue(conn, recipient(person), &one, now())).await?;
            ensure!(fresh, "an alert under a new key was owed already");

            let plan = person.plan(now(), TimeDelta::zero());
            let wake_before = now() + TimeDelta::seconds(1);
            let moved =
                timed(replan, queue::replace_plan(conn, recipient(person), &plan, now(), wake_before, 2)).await?;
            ensure!(moved == plan.len(), "{moved} of {} alerts were moved", plan.len());

            let page = timed(inbox, store::list_inbox(conn, person.reader(), now(), None, 50)).await?;
            ensure!(page.len() >= EACH / 2, "an inbox holds {} alerts", page.len());
            Ok::<_, anyhow::Error>(())
        };
        self.api.scoped(Scope::Clinic(person.clinic), api).await
    }
}

async fn timed<T, E>(took: &mut Vec<f64>, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let started = Instant::now();
    let result = work.await;
    took.push(started.elapsed().as_secs_f64() * 1e3);
    result
}

fn now() -> DateTime<Utc> {
    Clock::system().now()
}

fn recipient(person: Person) -> Recipient {
    Recipient { clinic_id: person.clinic, kind: RecipientKind::Patient, id: person.id }
}

fn owed(dedupe_key: String, due_at: DateTime<Utc>) -> Owed {
    Owed {
        dedupe_key,
        category: "routine",
        urgent: false,
        treatment_id: None,
        flag_id: None,
        device_id: None,
        protocol_version_id: None,
        item_key: None,
        day_index: None,
        seq: None,
        due_at,
        expires_at: due_at + TimeDelta::hours(2),
        state: PlannedState::Scheduled,
    }
}
