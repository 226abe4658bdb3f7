//! The way to the database: pools, TLS, timeouts, migrations, and [`Db::scoped`], through which alone a slice gets a
//! connection; a worker's loops have one of their own, [`Db::dedicated`]. A pooled connection is driven by the runtime that opened the pool, never by an HTTP worker thread.

mod connect;
mod dedicated;
pub(crate) mod hot;
pub(crate) mod lock;
mod migrate;
mod roles;
mod survey;

use std::time::Duration;

use anyhow::Context;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

pub use connect::Connector;
pub use dedicated::Dedicated;
pub use migrate::{MigrationState, ensure_partitions, migrate, migration_state};
pub use roles::{Group, Standing, let_groups_log_in, open_as_owner, standing};
pub use survey::{Survey, survey};

/// How long a request waits for a free connection.
const POOL_WAIT: Duration = Duration::from_secs(5);
/// How many may wait for each connection: more than come at once as a rule, and few enough that a request which asks several
/// times is answered while somebody still waits for it. Whoever comes when there are more is asked to come again at once,
/// before the line, and the memory that it takes, grows with the load.
pub const LINE: usize = 8;

/// On whose behalf the database is asked. Row-level security reads it from the settings that [`Db::scoped`] sets for the
/// length of one transaction: what a query forgets to ask for is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Before anybody is known: no table shows anything but built-in protocols. Who is behind a key is asked of the
    /// database's functions; what follows [enters](enter) the scope of whoever was found.
    Identity,
    /// One person at every clinic: their login, sessions, devices and preferences, and which records are theirs.
    User(Uuid),
    /// One clinic's data, and the logins of its members.
    Clinic(Uuid),
    /// The worker and the operator's commands: all clinics. Nothing to the API's role.
    System,
}

impl Scope {
    /// The statement that opens a transaction in this scope. Only typed ids go into its text.
    fn begin(self) -> String {
        format!("BEGIN; {}", self.settings("SET LOCAL"))
    }

    /// The statement that puts a whole session into this scope.
    fn enter(self) -> String {
        self.settings("SET")
    }

    fn settings(self, set: &str) -> String {
        match self {
            Self::Identity => format!("{set} mendline.scope = 'identity'"),
            Self::System => format!("{set} mendline.scope = 'system'"),
            Self::User(id) => format!("{set} mendline.scope = 'user'; {set} mendline.user_id = '{id}'"),
            Self::Clinic(id) => format!("{set} mendline.scope = 'clinic'; {set} mendline.clinic_id = '{id}'"),
        }
    }
}

/// Goes on in another scope for the rest of the transaction, or until the next call.
pub async fn enter(conn: &mut AsyncPgConnection, scope: Scope) -> diesel::QueryResult<()> {
    conn.batch_execute(&scope.settings("SET LOCAL")).await
}

/// What a transaction holds from its first moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Nothing.
    None,
    /// The patient's row, by clinic and patient.
    Patient(Uuid, Uuid),
    /// The row of the patient whose treatment this is, by clinic and treatment.
    PatientOf(Uuid, Uuid),
}

impl Lock {
    /// The statement that takes it. Only typed ids go into its text.
    fn take(self) -> String {
        match self {
            Self::None => String::new(),
            Self::Patient(clinic, patient) => format!("; {}", lock::patient(clinic, patient)),
            Self::PatientOf(clinic, treatment) => format!(
                "; SELECT 1 FROM patients WHERE clinic_id = '{clinic}' AND id = (SELECT patient_id FROM treatments
                     WHERE clinic_id = '{clinic}' AND id = '{treatment}') FOR UPDATE"
            ),
        }
    }
}

/// Why a scoped piece of work did not happen.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection could be had in time.
    #[error("no database connection: {0}")]
    Unavailable(String),
    /// The database refused a statement.
    #[error(transparent)]
    Query(#[from] diesel::result::Error),
}

/// The database, as everybody but the migrations sees it. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: Pool<AsyncPgConnection>,
    connector: Connector,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db").field("status", &self.pool.status()).finish_non_exhaustive()
    }
}

impl Db {
    /// A pool of `size` connections that the current runtime drives. Nothing is connected yet.
    pub fn connect(url: &SecretString, size: u32, extra_ca: Option<&str>) -> anyhow::Result<Self> {
        let connector = Connector::new(url, extra_ca)?;
        let runtime = tokio::runtime::Handle::current();
        let mut manager = ManagerConfig::default();
        manager.recycling_method = RecyclingMethod::Fast;
        let opener = connector.clone();
        manager.custom_setup = Box::new(move |_| {
            let (runtime, opener) = (runtime.clone(), opener.clone());
            Box::pin(async move {
                let opened = runtime.spawn(async move { opener.open().await }).await;
                opened.map_err(|error| diesel::ConnectionError::BadConnection(error.to_string()))?
            })
        });
        let manager = AsyncDieselConnectionManager::new_with_config(url.expose_secret(), manager);
        let pool = Pool::builder(manager)
            .max_size(usize::try_from(size).unwrap_or(16))
            .wait_timeout(Some(POOL_WAIT))
            .create_timeout(Some(POOL_WAIT))
            .recycle_timeout(Some(POOL_WAIT))
            .runtime(deadpool::Runtime::Tokio1)
            .build()
            .context("building the connection pool")?;
        Ok(Self { pool, connector })
    }

    /// Opens connections of its own, for listening and for session locks.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// A connection beside the pool for one task of a worker, in one scope for good.
    pub fn dedicated(&self, scope: Scope) -> Dedicated {
        Dedicated::new(self.connector.clone(), scope)
    }

    /// Connections in the pool and those of them that are free.
    pub fn pool_status(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// Runs `work` in one transaction in `scope`; it commits when `work` succeeds and rolls back when it fails.
    ///
    /// No network call may happen inside.
    pub async fn scoped<T, E, F>(&self, scope: Scope, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
        E: From<DbError>,
    {
        self.scoped_under(scope, Lock::None, work).await
    }

    /// The same under a lock that is taken in the round trip that begins the transaction. What `work` reads is what the
    /// lock has waited for, since its statements come later.
    pub async fn scoped_under<T, E, F>(&self, scope: Scope, lock: Lock, work: F) -> Result<T, E>
    where
        F: AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
        E: From<DbError>,
    {
        let mut open = Open { conn: Some(self.get().await?) };
        let Some(conn) = open.conn.as_mut() else { return Err(DbError::Unavailable("lost".to_owned()).into()) };
        conn.batch_execute(&format!("{}{}", scope.begin(), lock.take())).await.map_err(DbError::Query)?;
        match work(conn).await {
            Ok(value) => {
                conn.batch_execute("COMMIT").await.map_err(DbError::Query)?;
                open.finish();
                Ok(value)
            }
            Err(error) => {
                if conn.batch_execute("ROLLBACK").await.is_ok() {
                    open.finish();
                }
                Err(error)
            }
        }
    }

    async fn get(&self) -> Result<Object<AsyncPgConnection>, DbError> {
        let status = self.pool.status();
        if status.waiting >= status.max_size.saturating_mul(LINE) {
            return Err(DbError::Unavailable(format!("{} wait for a connection already", status.waiting)));
        }
        self.pool.get().await.map_err(|error| DbError::Unavailable(error.to_string()))
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbError> {
        let mut conn = self.get().await?;
        conn.batch_execute("SELECT 1").await.map_err(DbError::Query)
    }
}

/// The database as each of the two roles sees it.
#[derive(Debug, Clone)]
pub struct Access {
    /// As the API does.
    pub api: Db,
    /// As workers and the operator's commands do.
    pub worker: Db,
}

/// A connection that may have a transaction open. If its future is dropped (the client hung up), even while it waits for a
/// lock to begin with, the connection is closed instead of going back to the pool.
struct Open {
    conn: Option<Object<AsyncPgConnection>>,
}

impl Open {
    /// The transaction is over: the connection goes back to the pool.
    fn finish(mut self) {
        drop(self.conn.take());
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            drop(Object::take(conn));
        }
    }
}
