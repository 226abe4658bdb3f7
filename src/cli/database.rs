//! Which database a command works on: the configured one, our own private cluster, or that of a mendline that runs.

use anyhow::Context;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{Connector, Db, MigrationState, Scope, migrate, migration_state};
use crate::embedded::{self, DATABASE, Durability, Embedded, EmbeddedError};
use crate::protocols::{check_registered, register_built_ins};

/// A database to work on, and the private cluster behind it if we started one.
#[derive(Debug)]
pub struct Database {
    url: SecretString,
    migrate_url: SecretString,
    embedded: Option<Embedded>,
    joined: bool,
}

impl Database {
    /// The configured database; else the private cluster, started; else, if another process runs it, joined.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        if let Some(url) = &config.database.url {
            let migrate_url = config.database.migrate_url.clone().unwrap_or_else(|| url.clone());
            return Ok(Self { url: url.clone(), migrate_url, embedded: None, joined: false });
        }
        let (data_dir, bin_dir) = (config.data_dir.clone(), config.database.bin_dir.clone());
        let started =
            tokio::task::spawn_blocking(move || Embedded::start(&data_dir, bin_dir.as_deref(), Durability::Safe))
                .await
                .context("starting the private database")?;
        match started {
            Ok(embedded) => {
                let url = SecretString::from(embedded.url(DATABASE));
                Ok(Self { url: url.clone(), migrate_url: url, embedded: Some(embedded), joined: false })
            }
            Err(EmbeddedError::Owned(data_dir)) => {
                let url = SecretString::from(embedded::join(&data_dir)?);
                Ok(Self { url: url.clone(), migrate_url: url, embedded: None, joined: true })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether another process owns the cluster: then it is not ours to serve from or to migrate.
    pub fn is_joined(&self) -> bool {
        self.joined
    }

    /// Runs the migrations that have not run yet, registers the built-in protocols, and names what was new.
    pub async fn migrate(&self, config: &Config) -> anyhow::Result<Vec<String>> {
        if self.joined {
            return Ok(Vec::new());
        }
        let extra_ca = config.database.extra_ca.as_deref();
        let mut ran = migrate(&self.migrate_url, extra_ca).await?;
        let mut conn = Connector::new(&self.migrate_url, extra_ca)?.open().await.context("registering protocols")?;
        ran.extend(register_built_ins(&mut conn, Clock::system().now()).await?);
        Ok(ran)
    }

    /// A pool of connections to it.
    pub fn connect(&self, config: &Config) -> anyhow::Result<Db> {
        Db::connect(&self.url, config.database.pool_size, config.database.extra_ca.as_deref())
    }

    /// Migrates where that is ours to do (embedded, or in development); in production the schema must be current.
    pub async fn prepare(&self, config: &Config) -> anyhow::Result<Db> {
        if !config.is_production() {
            for name in self.migrate(config).await.context("migrating")? {
                tracing::info!(migration = name, "migrated");
            }
        }
        self.connect_current(config).await
    }

    /// A pool of connections to it, if its schema and its protocols are this binary's.
    pub async fn connect_current(&self, config: &Config) -> anyhow::Result<Db> {
        let db = self.connect(config)?;
        let state = db
            .scoped(Scope::System, async |conn| migration_state(conn).await.map_err(Unready))
            .await
            .map_err(|error| error.0.context("reading the schema's state"))?;
        match state {
            MigrationState::Current => {
                db.scoped(Scope::System, async |conn| check_registered(conn).await.map_err(|e| Unready(e.into())))
                    .await
                    .map_err(|error| error.0.context("DATABASE_URL"))?;
                Ok(db)
            }
            MigrationState::Behind { missing } => anyhow::bail!(
                "DATABASE_URL: the schema is behind this binary ({} missing): run `mendline migrate`",
                missing.join(", ")
            ),
        }
    }

    /// Stops the private cluster, if it is ours.
    pub async fn close(self) -> anyhow::Result<()> {
        if let Some(embedded) = self.embedded {
            tokio::task::spawn_blocking(move || embedded.stop()).await.context("stopping the private database")??;
        }
        Ok(())
    }
}

struct Unready(anyhow::Error);

impl From<crate::db::DbError> for Unready {
    fn from(error: crate::db::DbError) -> Self {
        Self(error.into())
    }
}
