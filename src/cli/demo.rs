//! The demo as a command: a private throw-away database unless `DATABASE_URL` says otherwise, servers, the story.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::Database;
use super::serve::{Part, run_parts};
use crate::config::Config;
use crate::db::Group;
use crate::demo::{Demo, Telling, refuse_foreign};

/// How the demo is told.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// End after the story
    #[arg(long)]
    exit: bool,
    /// Pause after each event of the story
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(..=60_000))]
    pace_ms: u64,
}

/// Tells the story; serves on afterwards unless told to exit.
pub async fn run(config: &Config, options: Options) -> anyhow::Result<()> {
    anyhow::ensure!(!config.is_production(), "MENDLINE_ENV: the demo is not for production");
    let mut config = config.clone();
    let scratch = if config.database.url.is_none() { Some(Scratch::make()?) } else { None };
    if let Some(scratch) = &scratch {
        config.data_dir.clone_from(&scratch.0);
    }
    let database = Database::open(&config).await?;
    let told = tell(&mut config, options, &database).await;
    let closed = database.close().await;
    told.and(closed)
}

async fn tell(config: &mut Config, options: Options, database: &Database) -> anyhow::Result<()> {
    refuse_foreign(&database.connect_as_owner(config)?).await?;
    let access = database.prepare(config, &[Group::Api, Group::Worker]).await?;
    for bind in [&mut config.http.bind, &mut config.http.ops_bind] {
        // Somebody may be serving there already: any other port will do for a demo.
        if TcpListener::bind(*bind).is_err() {
            bind.set_port(0);
        }
    }
    let telling = Telling { pace: Duration::from_millis(options.pace_ms), exit: options.exit };
    let demo = Demo::prepare(config, access, telling).await?;
    let state = demo.state().clone();
    let stop = CancellationToken::new();
    let ended = stop.clone();
    let story = move |addresses: super::serve::Addresses| -> Part {
        Box::pin(async move {
            let api = addresses.api.context("the demo needs the API")?;
            demo.run(format!("http://{api}"), format!("http://{}", addresses.ops), ended).await
        })
    };
    run_parts(config, &state, true, story, stop).await
}

/// A directory of the demo's own that the database's user may enter, gone with the demo.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> anyhow::Result<Self> {
        let name = format!("mendline-demo-{}", uuid::Uuid::new_v4().simple());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
        let scratch = Self(dir);
        let open = fs::Permissions::from_mode(0o711);
        fs::set_permissions(&scratch.0, open).with_context(|| format!("opening {}", scratch.0.display()))?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, dir = %self.0.display(), "removing the demo's directory");
        }
    }
}
