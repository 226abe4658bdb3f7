//! Which database a command works on: the configured one, our own private cluster, or that of a mendline that runs.

use anyhow::Context;
use diesel_async::AsyncPgConnection;
use secrecy::SecretString;

use crate::clock::Clock;
use crate::config::Config;
use crate::db::{
    Access, Db, Group, MigrationState, Scope, Standing, let_groups_log_in, migrate, migration_state, open_as_owner,
    standing,
};
use crate::embedded::{self, DATABASE, Durability, Embedded, EmbeddedError};
use crate::protocols::{check_registered, register_built_ins};

/// A database to work on, and the private cluster behind it if we started one.
#[derive(Debug)]
pub struct Database {
    api_url: SecretString,
    worker_url: SecretString,
    owner_url: SecretString,
    embedded: Option<Embedded>,
    joined: bool,
}

impl Database {
    /// The configured database; else the private cluster, started; else, if another process runs it, joined.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        if let Some(configured) = Self::configured(config) {
            return Ok(configured);
        }
        let (data_dir, bin_dir) = (config.data_dir.clone(), config.database.bin_dir.clone());
        let started =
            tokio::task::spawn_blocking(move || Embedded::start(&data_dir, bin_dir.as_deref(), Durability::Safe))
                .await
                .context("starting the private database")?;
        match started {
            Ok(embedded) => {
                let url = embedded.url(DATABASE);
                Ok(Self { embedded: Some(embedded), ..Self::private(&url, false) })
            }
            Err(EmbeddedError::Owned(data_dir)) => Ok(Self::private(&embedded::join(&data_dir)?, true)),
            Err(error) => Err(error.into()),
        }
    }

    /// The configured database; else the private cluster, if another process runs it. Nothing is started.
    pub fn find(config: &Config) -> Result<Self, EmbeddedError> {
        match Self::configured(config) {
            Some(configured) => Ok(configured),
            None => Ok(Self::private(&embedded::join(&config.data_dir)?, true)),
        }
    }

    fn configured(config: &Config) -> Option<Self> {
        let url = config.database.url.as_ref()?;
        let or_same = |other: &Option<SecretString>| other.clone().unwrap_or_else(|| url.clone());
        let (worker_url, owner_url) = (or_same(&config.database.worker_url), or_same(&config.database.migrate_url));
        Some(Self { api_url: url.clone(), worker_url, owner_url, embedded: None, joined: false })
    }

    /// A private cluster, where the groups log in themselves.
    fn private(owner_url: &str, joined: bool) -> Self {
        let url_of = |group: Group| SecretString::from(embedded::url_as(group.name(), owner_url));
        let (api_url, worker_url) = (url_of(Group::Api), url_of(Group::Worker));
        Self { api_url, worker_url, owner_url: SecretString::from(owner_url), embedded: None, joined }
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
        let mut ran = migrate(&self.owner_url, extra_ca).await?;
        let mut conn = open_as_owner(&self.owner_url, extra_ca).await.context("registering protocols")?;
        ran.extend(register_built_ins(&mut conn, Clock::system().now()).await?);
        if self.embedded.is_some() {
            let_groups_log_in(&mut conn).await.context("letting the private database's roles log in")?;
        }
        Ok(ran)
    }

    /// Pools of connections to it. Nothing is connected yet.
    pub fn connect(&self, config: &Config) -> anyhow::Result<Access> {
        let pool = |url| Db::connect(url, config.database.pool_size, config.database.extra_ca.as_deref());
        Ok(Access { api: pool(&self.api_url)?, worker: pool(&self.worker_url)? })
    }

    /// Two connections as the owner, for a look at a database that may not be ours yet.
    pub fn connect_as_owner(&self, config: &Config) -> anyhow::Result<Db> {
        Db::connect(&self.owner_url, 2, config.database.extra_ca.as_deref())
    }

    /// Migrates where that is ours to do (embedded, or in development); in production the schema must be current.
    pub async fn prepare(&self, config: &Config, groups: &[Group]) -> anyhow::Result<Access> {
        if !config.is_production() {
            for name in self.migrate(config).await.context("migrating")? {
                tracing::info!(migration = name, "migrated");
            }
        }
        self.connect_current(config, groups).await
    }

    /// Pools of connections to it, if its schema and its protocols are this binary's and the logins of these groups are
    /// what they should be.
    pub async fn connect_current(&self, config: &Config, groups: &[Group]) -> anyhow::Result<Access> {
        let access = self.connect(config)?;
        for group in groups {
            let (db, scope, variable) = match group {
                Group::Api => (&access.api, Scope::Identity, "DATABASE_URL"),
                Group::Worker if config.database.worker_url.is_some() => {
                    (&access.worker, Scope::System, "MENDLINE_WORKER_URL")
                }
                Group::Worker => (&access.worker, Scope::System, "DATABASE_URL"),
            };
            let look = async |conn: &mut AsyncPgConnection| {
                self.check_login(config, *group, &standing(conn).await?)?;
                match migration_state(conn).await? {
                    MigrationState::Current => Ok::<_, Unready>(check_registered(conn).await?),
                    MigrationState::Behind { missing } => Err(Unready(anyhow::anyhow!(
                        "the schema is behind this binary ({} missing): run `mendline migrate`",
                        missing.join(", ")
                    ))),
                }
            };
            db.scoped(scope, look).await.map_err(|error| error.0.context(variable))?;
        }
        Ok(access)
    }

    /// Refuses a login in production to which the policies mean nothing, or that is not this group's.
    fn check_login(&self, config: &Config, group: Group, login: &Standing) -> anyhow::Result<()> {
        let is_given = config.database.url.is_some();
        match login.fault(group).filter(|_| is_given) {
            Some((what, remedy)) if config.is_production() => anyhow::bail!("{what}: {remedy}"),
            Some((what, remedy)) => {
                tracing::warn!("{what}, which production refuses: {remedy}")
            }
            None => {}
        }
        Ok(())
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

impl<E: Into<anyhow::Error>> From<E> for Unready {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}
