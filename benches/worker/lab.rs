//! A private Postgres cluster on disk, synced as any other, and mendlines to run on it. It goes when it is dropped.

use std::path::{Path, PathBuf};

use anyhow::Context;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::app::State;
use mendline::clock::{Clock, Clocks};
use mendline::config::{Config, Vars};
use mendline::db::{Access, Connector, Db, Group, let_groups_log_in, migrate, open_as_owner};
use mendline::embedded::{DATABASE, Durability, Embedded, url_as};
use mendline::protocols::register_built_ins;
use secrecy::{ExposeSecret, SecretString};

/// What the database's directories are called, before the number of the process that runs it.
const DIR: &str = "mendline-bench-";
/// Postgres' own default would not hold a million alerts and their indexes, and reading pages again and again would be
/// all that is measured. Whoever has so many gives their database more than this.
const SHARED_BUFFERS: &str = "512MB";

/// The setting that says where a server keeps its keys.
pub const DATA_DIR: &str = "MENDLINE_DATA_DIR";

/// What one caller may ask is not what is measured: a few stand for many.
pub const UNLIMITED: [(&str, &str); 8] = [
    ("MENDLINE_RATE_PATIENT", "0"),
    ("MENDLINE_RATE_CLINICIAN", "0"),
    ("MENDLINE_RATE_ADMINISTRATOR", "0"),
    ("MENDLINE_RATE_ANONYMOUS", "0"),
    ("MENDLINE_RATE_TOKEN", "0"),
    ("MENDLINE_RATE_COSTLY", "0"),
    ("MENDLINE_RATE_COSTLY_CLINIC", "0"),
    ("MENDLINE_RATE_COSTLY_NODE", "0"),
];

pub struct Lab {
    cluster: Option<Embedded>,
    dir: PathBuf,
}

impl Lab {
    pub async fn open() -> anyhow::Result<Self> {
        Self::with_buffers(SHARED_BUFFERS).await
    }

    /// With so much memory for Postgres, as its configuration says it.
    pub async fn with_buffers(buffers: &str) -> anyhow::Result<Self> {
        sweep();
        let dir = std::env::temp_dir().join(format!("{DIR}{}", std::process::id()));
        let mut lab = Self { cluster: Some(start(&dir).await?), dir };
        let mut conn = connect(&lab.url(DATABASE)).await?;
        conn.batch_execute(&format!("ALTER SYSTEM SET shared_buffers = '{buffers}'")).await?;
        // Counts statements, where the installation has it.
        let counter = "SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements'";
        if diesel::sql_query(counter).execute(&mut conn).await? > 0 {
            conn.batch_execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'").await?;
        }
        drop(conn);
        if let Some(cluster) = lab.cluster.take() {
            tokio::task::spawn_blocking(|| cluster.stop()).await??;
        }
        lab.cluster = Some(start(&lab.dir).await?);
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
        let mut owner = open_as_owner(&url, None).await?;
        register_built_ins(&mut owner, Clock::system().now()).await?;
        let_groups_log_in(&mut owner).await?;
        Ok(url)
    }

    /// Settings of a server in development, on free ports.
    pub fn config(&self, settings: &[(&str, String)]) -> anyhow::Result<Config> {
        let base = [
            (DATA_DIR, self.dir.display().to_string()),
            ("MENDLINE_BIND", "127.0.0.1:0".to_owned()),
            ("MENDLINE_OPS_BIND", "127.0.0.1:0".to_owned()),
        ];
        let unlimited = UNLIMITED.map(|(name, value)| (name, value.to_owned()));
        let given = unlimited.iter().chain(&base).chain(settings);
        let vars = given.map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Config::read(Vars::from_map(vars)).map_err(|faults| anyhow::anyhow!("{faults:?}"))
    }

    /// A server's state in real time, with pools of its own: as the API and as the worker, never as the owner.
    pub fn state(&self, config: &Config, url: &SecretString) -> anyhow::Result<State> {
        let pool = |group: Group| {
            let url = SecretString::from(url_as(group.name(), url.expose_secret()));
            Db::connect(&url, config.database.pool_size, None)
        };
        State::build(config, Access { api: pool(Group::Api)?, worker: pool(Group::Worker)? }, Clocks::system())
    }

    /// Where the keys are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The process that all of the database's processes descend from.
    pub fn postmaster(&self) -> Option<u32> {
        let pid_file = std::fs::read_to_string(self.dir.join("postgres/postmaster.pid")).ok()?;
        pid_file.lines().next()?.trim().parse().ok()
    }
}

async fn start(dir: &Path) -> anyhow::Result<Embedded> {
    #[expect(clippy::disallowed_methods, reason = "the binaries may be given, as for the server")]
    let bin_dir = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
    let dir = dir.to_owned();
    let start = move || Embedded::start(&dir, bin_dir.as_deref(), Durability::Safe);
    Ok(tokio::task::spawn_blocking(start).await.context("starting a database")??)
}

/// Removes what benchmarks that were killed left behind.
fn sweep() {
    for entry in std::fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let ours = entry.file_name().to_string_lossy().starts_with(DIR);
        let lock = std::fs::File::open(entry.path().join("lock"));
        if ours && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            std::fs::remove_dir_all(entry.path()).ok();
        }
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
    let settings =
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET mendline.scope = 'system'";
    conn.batch_execute(settings).await?;
    Ok(conn)
}
