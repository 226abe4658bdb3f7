//! Bringing the schema up to the code, and telling whether it is. One process migrates at a time.

use anyhow::Context;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use secrecy::SecretString;

use super::roles;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations");
/// Advisory lock held while migrating ("mend" as ASCII).
const LOCK: i64 = 0x6d65_6e64;
/// Append-only tables with a partition a month.
const PARTITIONED: [&str; 2] = ["attempts", "audit"];

/// How the database's schema relates to this binary's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationState {
    /// All migrations of this binary have run.
    Current,
    /// Some have not.
    Behind {
        /// Names of those that have not run.
        missing: Vec<String>,
    },
}

/// Runs what has not run yet and returns the names of it. Safe to call from several processes at once.
pub async fn migrate(url: &SecretString, extra_ca: Option<&str>) -> anyhow::Result<Vec<String>> {
    let mut conn = roles::open_as_owner(url, extra_ca).await?;
    conn.batch_execute(&format!("SELECT pg_advisory_lock({LOCK})")).await.context("waiting for other migrations")?;
    roles::ensure_groups(&mut conn).await?;
    let runtime = tokio::runtime::Handle::current();
    let (conn, ran) = tokio::task::spawn_blocking(move || {
        let _guard = runtime.enter();
        run_pending(conn)
    })
    .await
    .context("the migration task ended early")??;
    let mut conn = conn;
    roles::show_migrations(&mut conn).await?;
    ensure_partitions(&mut conn).await.context("making month partitions")?;
    conn.batch_execute(&format!("SELECT pg_advisory_unlock({LOCK})")).await?;
    Ok(ran)
}

type Wrapped = AsyncConnectionWrapper<AsyncPgConnection>;

fn run_pending(conn: AsyncPgConnection) -> anyhow::Result<(AsyncPgConnection, Vec<String>)> {
    let mut harness = Wrapped::from(conn);
    let ran = harness
        .run_pending_migrations(MIGRATIONS)
        .map_err(|error| anyhow::anyhow!("migrating: {error}"))?
        .iter()
        .map(ToString::to_string)
        .collect();
    Ok((harness.into_inner(), ran))
}

/// Makes this month's partition of every append-only table and the next two's.
pub async fn ensure_partitions(conn: &mut AsyncPgConnection) -> diesel::QueryResult<()> {
    for table in PARTITIONED {
        let sql = format!("SELECT ensure_month_partitions('{table}', clock_timestamp()::date, 3)");
        conn.batch_execute(&sql).await?;
    }
    Ok(())
}

/// Compares what has run with what this binary brings.
pub async fn migration_state(conn: &mut AsyncPgConnection) -> anyhow::Result<MigrationState> {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let exists = "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS present";
    #[derive(diesel::QueryableByName)]
    struct Present {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        present: bool,
    }
    let present: Present = diesel::sql_query(exists).get_result(conn).await?;
    let ran: Vec<Row> = if present.present {
        diesel::sql_query("SELECT version FROM __diesel_schema_migrations").load(conn).await?
    } else {
        Vec::new()
    };
    let ours = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(|error| anyhow::anyhow!("{error}"))?;
    let missing: Vec<String> = ours
        .iter()
        .filter(|migration| !ran.iter().any(|row| row.version == migration.name().version().to_string()))
        .map(|migration| migration.name().to_string())
        .collect();
    Ok(if missing.is_empty() { MigrationState::Current } else { MigrationState::Behind { missing } })
}
