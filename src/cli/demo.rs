//! The demo as a command: a private throw-away database unless `DATABASE_URL` says otherwise, servers, the story.

use std::net::TcpListener;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::Database;
use super::serve::{Part, run_parts};
use crate::config::Config;
use crate::demo::Demo;

/// Tells the story; serves on afterwards unless `exit`.
pub async fn run(config: &Config, exit: bool) -> anyhow::Result<()> {
    anyhow::ensure!(!config.is_production(), "MENDLINE_ENV: the demo is not for production");
    let mut config = config.clone();
    let scratch = if config.database.url.is_none() { Some(scratch()?) } else { None };
    if let Some(dir) = &scratch {
        config.data_dir.clone_from(dir);
    }
    let database = Database::open(&config).await?;
    let told = tell(&mut config, exit, &database).await;
    let closed = database.close().await;
    if let Some(dir) = &scratch {
        std::fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
    }
    told.and(closed)
}

async fn tell(config: &mut Config, exit: bool, database: &Database) -> anyhow::Result<()> {
    let db = database.prepare(config).await?;
    for bind in [&mut config.http.bind, &mut config.http.ops_bind] {
        // Somebody may be serving there already: any other port will do for a demo.
        if TcpListener::bind(*bind).is_err() {
            bind.set_port(0);
        }
    }
    let demo = Demo::prepare(config, db, exit).await?;
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

/// A directory of our own that the database's user may enter.
fn scratch() -> anyhow::Result<std::path::PathBuf> {
    let dir = std::env::temp_dir().join(format!("mendline-demo-{}", std::process::id()));
    std::fs::create_dir(&dir).with_context(|| format!("making {}", dir.display()))?;
    Ok(dir)
}
