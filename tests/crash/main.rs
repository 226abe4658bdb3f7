//! The crash harness: random schedules of kills, outages and people who act meanwhile, against real processes of the real
//! binary, and a judge who knows what may not happen. Run by `script/crash`; `script/test` runs a few of them.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a harness prints, and fails loudly")]
#![allow(clippy::disallowed_methods, reason = "its tasks end with it")]

mod blows;
mod deeds;
mod dice;
mod drain;
mod fleet;
mod journal;
mod judge;
mod lab;
mod people;
mod run;
mod schedule;
mod sink;
mod sql;
mod tally;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use anyhow::Context;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use clap::Parser;
use mendline::auth::Auth;
use mendline::auth::keys::Keys;
use mendline::clock::Clock;
use mendline::config::{Config, Vars};
use serde_json::json;

use lab::Lab;
use tally::Tally;

/// Random schedules of crashes.
#[derive(Debug, Parser)]
struct Cli {
    /// How many schedules.
    #[arg(long, default_value_t = 20)]
    runs: u64,
    /// The first schedule's seed; the others follow it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Schedules at once, each on a cluster of its own.
    #[arg(long, default_value_t = 4)]
    lanes: u64,
    /// Instead: kill one of two workers in mid-drain and measure how soon everything is settled.
    #[arg(long)]
    drain: bool,
    /// Alerts to drain.
    #[arg(long, default_value_t = 3000)]
    alerts: usize,
    /// What cargo's test runners ask: which tests there are, and to run one of them.
    #[arg(long, hide = true)]
    list: bool,
    #[arg(long, hide = true)]
    ignored: bool,
    #[arg(long, hide = true)]
    exact: bool,
    #[arg(long, hide = true)]
    nocapture: bool,
    #[arg(long, hide = true)]
    format: Option<String>,
    #[arg(hide = true)]
    filters: Vec<String>,
}

/// What the runners know this by.
const NAME: &str = "schedules";

/// What all runs share.
pub struct Kit {
    /// Keys, and what processes have to say.
    pub dir: PathBuf,
    /// Of all processes.
    pub keys: Keys,
    /// Issues people's tokens.
    pub auth: Arc<Auth>,
    private_key: String,
}

impl Kit {
    fn new() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("mendline-crash-logs-{}", std::process::id()));
        std::fs::create_dir_all(&dir)?;
        let vars = [("MENDLINE_DATA_DIR", dir.display().to_string()), ("MENDLINE_BIND", "127.0.0.1:0".to_owned())];
        let vars = vars.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let config = Config::read(Vars::from_map(vars)).map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
        let keys = Keys::load(&config)?;
        let auth = Arc::new(Auth::new(&keys, &config.http.public_url));
        let key = KeyPair::generate(KeySize::Rsa2048)?;
        let private_key = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(key.as_der()?.as_ref())
        );
        Ok(Self { dir, keys, auth, private_key })
    }

    /// A service account whose tokens the sink grants.
    pub fn credentials(&self, sink: &str) -> String {
        json!({
            "type": "service_account", "project_id": "p", "client_email": "push@p.example", "private_key_id": "k",
            "private_key": self.private_key, "token_uri": format!("{sink}/token"),
        })
        .to_string()
    }
}

/// The machine's time.
pub fn now() -> DateTime<Utc> {
    Clock::system().now()
}

/// The machine's time in microseconds.
pub fn micros_now() -> i64 {
    now().timestamp_micros()
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.list {
        if !cli.ignored {
            println!("{NAME}: test");
        }
        return ExitCode::SUCCESS;
    }
    if cli.ignored || !(cli.filters.is_empty() || cli.filters.iter().any(|filter| NAME.contains(filter.as_str()))) {
        return ExitCode::SUCCESS;
    }
    lab::sweep();
    let done = async {
        match cli.drain {
            true => drain::run(cli.alerts).await,
            false => schedules(&cli).await,
        }
    };
    let done = tokio::select! {
        done = done => done,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("crash: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all schedules; true if nothing happened that may not.
async fn schedules(cli: &Cli) -> anyhow::Result<bool> {
    let started = Instant::now();
    let kit = Arc::new(Kit::new()?);
    let (next, tally) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Tally::default())));
    let (runs, first) = (cli.runs, cli.seed);
    let lanes = (0..cli.lanes.clamp(1, runs.max(1))).map(|lane| {
        let (kit, next, tally) = (Arc::clone(&kit), Arc::clone(&next), Arc::clone(&tally));
        tokio::spawn(async move {
            let mut lab = Lab::open(usize::try_from(lane)?).await.context("a lane's cluster")?;
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= runs {
                    lab.count_refusals();
                    return anyhow::Ok(lab.own_disk.then_some(lab.refused_for_space));
                }
                let seed = first + number;
                let verdict =
                    run::run(&kit, &mut lab, seed).await.with_context(|| format!("the run of seed {seed}"))?;
                tally.lock().unwrap().add(seed, &verdict);
                if (number + 1) % 50 == 0 {
                    println!("schedule {}, after {:.0} s", number + 1, started.elapsed().as_secs_f64());
                }
                if !verdict.violations.is_empty() {
                    println!(
                        "seed {seed}: replay with script/crash --runs 1 --seed {seed}; logs in {}/run_{seed}",
                        kit.dir.display()
                    );
                    verdict.violations.iter().for_each(|violation| println!("  {violation}"));
                    verdict.struck.iter().for_each(|struck| println!("  after {struck:?}"));
                }
            }
        })
    });
    let mut disk = None;
    for lane in futures_util::future::join_all(lanes).await {
        if let Some(refused) = lane?? {
            disk = Some(disk.unwrap_or(0) + refused);
        }
    }
    let tally = tally.lock().unwrap();
    tally.show(started.elapsed(), disk);
    if tally.failed.is_empty() {
        std::fs::remove_dir_all(&kit.dir).ok();
    }
    Ok(tally.failed.is_empty())
}
