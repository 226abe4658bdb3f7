//! What a stretch of work has cost so far: processor time of the three parts, and what Postgres counts.

use std::time::Duration;

use diesel::sql_types::{Double, Int8, Nullable};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

use super::lab::Lab;
use super::measure::{family_cpu, own_cpu};
use super::sink::Sink;

/// Costs since some beginning, or, subtracted, between two moments.
#[derive(Debug, Clone, Copy, Default)]
pub struct Costs {
    /// Processor time of this process, which sends.
    pub own: Duration,
    /// Of Postgres.
    pub database: Duration,
    /// Of the sink.
    pub sink: Duration,
    /// Bytes of write-ahead log.
    pub wal: f64,
    /// Statements, where Postgres counts them.
    pub statements: Option<i64>,
    /// Those of them that ask or change something, rather than begin or end a transaction or say whose it is.
    pub queries: Option<i64>,
}

#[derive(diesel::QueryableByName)]
struct Wal {
    #[diesel(sql_type = Double)]
    wal: f64,
}

#[derive(diesel::QueryableByName)]
struct Calls {
    #[diesel(sql_type = Nullable<Int8>)]
    calls: Option<i64>,
    #[diesel(sql_type = Nullable<Int8>)]
    queries: Option<i64>,
}

/// Asks Postgres to count statements, if it can.
pub async fn count_statements(conn: &mut AsyncPgConnection) {
    conn.batch_execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").await.ok();
}

impl Costs {
    /// What was used up to now.
    pub async fn now(lab: &Lab, sink: &Sink, conn: &mut AsyncPgConnection) -> anyhow::Result<Self> {
        let wal = "SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal";
        let wal: Wal = diesel::sql_query(wal).get_result(conn).await?;
        let calls = "SELECT sum(calls)::bigint AS calls,
                            sum(calls) FILTER (WHERE query !~* '^(BEGIN|COMMIT|ROLLBACK|SET) ?')::bigint AS queries
                       FROM pg_stat_statements
                      WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let calls: Option<Calls> = diesel::sql_query(calls).get_result(conn).await.ok();
        let of = |pid: Option<u32>| pid.and_then(family_cpu).unwrap_or_default();
        Ok(Self {
            own: own_cpu(),
            database: of(lab.postmaster()),
            sink: of(sink.pid()),
            wal: wal.wal,
            statements: calls.as_ref().and_then(|row| row.calls),
            queries: calls.and_then(|row| row.queries),
        })
    }

    /// What was used since `before`.
    pub fn since(self, before: Self) -> Self {
        Self {
            own: self.own.saturating_sub(before.own),
            database: self.database.saturating_sub(before.database),
            sink: self.sink.saturating_sub(before.sink),
            wal: self.wal - before.wal,
            statements: self.statements.zip(before.statements).map(|(after, before)| after - before),
            queries: self.queries.zip(before.queries).map(|(after, before)| after - before),
        }
    }
}
