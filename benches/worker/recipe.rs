//! `seed`: fills an empty database for anybody's own measurement, and says how to point a server at a sink.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use chrono::TimeDelta;
use diesel_async::RunQueryDsl;
use mendline::auth::keys::Keys;
use mendline::clock::Clock;
use mendline::config::Config;
use mendline::db::migrate;
use mendline::protocols::register_built_ins;

use super::seed::{self, Due};
use super::{account, lab};

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Alerts that fall due, one person and device each.
    #[arg(long, default_value_t = 100_000)]
    due: usize,
    /// In how many seconds the first of them is due.
    #[arg(long, default_value_t = 0)]
    in_seconds: i64,
    /// How many are due each second; 0: all at once.
    #[arg(long, default_value_t = 0)]
    rate: i32,
    /// Alerts that are due within six weeks.
    #[arg(long, default_value_t = 0)]
    future: usize,
    /// The base URL of the sink.
    #[arg(long, default_value = "http://127.0.0.1:9999")]
    sink: String,
    /// Where to write a service account that the sink grants tokens to.
    #[arg(long, default_value = "fcm-sink.json")]
    credentials: PathBuf,
}

/// The database, the keys and all else are the environment's, as for the server.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let config = Config::from_environment().map_err(|faults| anyhow::anyhow!("{faults:?}"))?;
    let database = &config.database;
    let url = database.migrate_url.clone().or(database.url.clone());
    let url = url.context("MENDLINE_MIGRATE_URL or DATABASE_URL says which database to fill")?;
    migrate(&url, None).await?;
    let mut conn = lab::connect(&url).await?;
    let clinics = diesel::sql_query("SELECT FROM clinics LIMIT 1").execute(&mut conn).await?;
    ensure!(clinics == 0, "this database is somebody's: give an empty one");
    register_built_ins(&mut conn, Clock::system().now()).await?;
    seed::people(&mut conn, &Keys::load(&config)?, options.due).await?;
    let from = Clock::system().now() + TimeDelta::seconds(options.in_seconds);
    let every = if options.rate > 0 { TimeDelta::seconds(1) / options.rate } else { TimeDelta::zero() };
    seed::alerts(&mut conn, Due { count: options.due, from, every }, options.future).await?;
    let [(_, credentials), ..] = account::settings(&options.sink, 1)?;
    std::fs::write(&options.credentials, credentials)?;
    println!("{} alerts are due from {from} on, {} later.", options.due, options.future);
    println!(
        "Now, with the same DATABASE_URL and keys:\n  MENDLINE_FCM_CREDENTIALS={} MENDLINE_FCM_BASE_URL={} mendline worker",
        options.credentials.display(),
        options.sink
    );
    println!("What has arrived: curl {}/seen", options.sink);
    Ok(())
}
