//! A connection of one's own, for a loop that asks the same few things again and again: its scope is set once, every
//! statement stays prepared, and one statement is one transaction and one round trip. Opened when it is needed, and anew
//! after a failure.

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};

use super::{Connector, DbError, Scope};
use crate::failpoint;

/// What such loops ask are batches joined with the keys of large tables, whose size the planner cannot know: it is told.
const PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = off; SET enable_mergejoin = off; \
                     SET jit = off";

/// See the module's words.
pub struct Dedicated {
    connector: Connector,
    scope: Scope,
    conn: Option<AsyncPgConnection>,
}

impl Dedicated {
    pub(super) fn new(connector: Connector, scope: Scope) -> Self {
        Self { connector, scope, conn: None }
    }

    /// Runs `work` without a transaction around it: each of its statements is its own.
    pub async fn run<T, E: From<DbError>>(
        &mut self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        // Whoever fails, or is dropped half-way, leaves no connection behind that might have something open.
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => self.open().await?,
        };
        let done = work(&mut conn).await?;
        self.conn = Some(conn);
        Ok(done)
    }

    /// Runs `work`, whose one statement is one transaction. A crash test may hold it at `place`, before it is committed: for
    /// that alone the transaction is opened by hand.
    pub async fn at_once<T, E: From<DbError>>(
        &mut self,
        place: &'static str,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        if failpoint::is_armed(place) { self.transaction(work).await } else { self.run(work).await }
    }

    /// Runs `work` in one transaction.
    pub async fn transaction<T, E: From<DbError>>(
        &mut self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run(async |conn| {
            conn.batch_execute("BEGIN").await.map_err(DbError::Query)?;
            let done = work(conn).await?;
            conn.batch_execute("COMMIT").await.map_err(DbError::Query)?;
            Ok(done)
        })
        .await
    }

    async fn open(&self) -> Result<AsyncPgConnection, DbError> {
        let mut conn = self.connector.open().await.map_err(|error| DbError::Unavailable(error.to_string()))?;
        conn.batch_execute(&format!("{}; {PLANS}", self.scope.enter())).await?;
        Ok(conn)
    }
}
