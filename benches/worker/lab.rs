//! A private Postgres cluster on disk, synced as any other, and mendlines to run on it. It goes when it is dropped.

use std::path::PathBuf;

use anyhow::Context;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use mendline::app::State;
use mendline::clock::{Clock, Clocks};
use mendline::config::{Config, Vars};
use mendline::db::{Connector, Db, migrate};
use mendline::embedded::{Durability, Embedded};
use mendline::protocols::register_built_ins;
use secrecy::SecretString;

pub struct Lab {
    cluster: Option<Embedded>,
    dir: PathBuf,
}

impl Lab {
    pub async fn open() -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("mendline-bench-{}", std::process::id()));
        let mut lab = Self { cluster: None, dir: dir.clone() };
        #[expect(clippy::disallowed_methods, reason = "the binaries may be given, as for the server")]
        let bin_dir = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
        let start = move || Embedded::start(&dir, bin_dir.as_deref(), Durability::Safe);
        lab.cluster = Some(tokio::task::spawn_blocking(start).await.context("starting a database")??);
        Ok(lab)
    }

    fn url(&self, database: &str) -> SecretString {
        SecretString::from(self.cluster.as_ref().map(|cluster| cluster.url(database)).unwrap_or_default())
    }

    /// A new database with everything that `mendline migrate` puts there.
    pub async fn database(&self, name: &str) -> anyhow::Result<SecretString> {
        connect(&self.url("postgres")).await?.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let url = self.url(name);
        migrate(&url, None).await?;
        register_built_ins(&mut connect(&url).await?, Clock::system().now()).await?;
        Ok(url)
    }

    /// Settings of a server in development, on free ports.
    pub fn config(&self, settings: &[(&str, String)]) -> anyhow::Result<Config> {
        let base = [
            ("MENDLINE_DATA_DIR", self.dir.display().to_string()),
            ("MENDLINE_BIND", "127.0.0.1:0".to_owned()),
            ("MENDLINE_OPS_BIND", "127.0.0.1:0".to_owned()),
        ];
        let vars = base.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Config::read(Vars::from_map(vars)).map_err(|faults| anyhow::anyhow!("{faults:?}"))
    }

    /// A server's state in real time, with a pool of its own.
    pub fn state(&self, config: &Config, url: &SecretString) -> anyhow::Result<State> {
        State::build(config, Db::connect(url, config.database.pool_size, None)?, Clocks::system())
    }

    /// The process that all of the database's processes descend from.
    pub fn postmaster(&self) -> Option<u32> {
        let pid_file = std::fs::read_to_string(self.dir.join("postgres/postmaster.pid")).ok()?;
        pid_file.lines().next()?.trim().parse().ok()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        drop(self.cluster.take());
        std::fs::remove_dir_all(&self.dir).ok();
    }
}

/// A connection of one's own, whose statements may take as long as they like.
pub async fn connect(url: &SecretString) -> anyhow::Result<AsyncPgConnection> {
    let mut conn = Connector::new(url, None)?.open().await?;
    conn.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0").await?;
    Ok(conn)
}
