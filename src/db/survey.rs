//! What kind of server a connection has met: for whoever checks an installation.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bool, Int4, Int8, Timestamptz};
use diesel::{QueryResult, QueryableByName};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

/// A server as a connection sees it.
#[derive(Debug, Clone, QueryableByName)]
pub struct Survey {
    /// Such as 170002.
    #[diesel(sql_type = Int4)]
    pub version: i32,
    /// The server's clock.
    #[diesel(sql_type = Timestamptz)]
    pub now: DateTime<Utc>,
    /// Whether this very connection is encrypted.
    #[diesel(sql_type = Bool)]
    pub tls: bool,
    /// Whether it goes over the network at all.
    #[diesel(sql_type = Bool)]
    pub network: bool,
    /// Connections that the server lets such a role have.
    #[diesel(sql_type = Int4)]
    pub connections: i32,
    /// Connections that there are now, to all databases of the server.
    #[diesel(sql_type = Int8)]
    pub in_use: i64,
    /// Whether what was committed survives a power cut.
    #[diesel(sql_type = Bool)]
    pub fsync: bool,
    /// Whether a torn page does.
    #[diesel(sql_type = Bool)]
    pub full_page_writes: bool,
    /// Whether a commit waits for the disk.
    #[diesel(sql_type = Bool)]
    pub synchronous_commit: bool,
    /// Whether dead rows are tidied up.
    #[diesel(sql_type = Bool)]
    pub autovacuum: bool,
    /// Whether it takes no writes: a standby.
    #[diesel(sql_type = Bool)]
    pub read_only: bool,
}

/// Looks around.
pub async fn survey(conn: &mut AsyncPgConnection) -> QueryResult<Survey> {
    let sql = "
        SELECT current_setting('server_version_num')::int AS version, clock_timestamp() AS now,
               coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls,
               inet_server_addr() IS NOT NULL AS network,
               current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                   AS connections,
               (SELECT sum(numbackends)::bigint FROM pg_stat_database) AS in_use,
               current_setting('fsync')::bool AS fsync, current_setting('full_page_writes')::bool AS full_page_writes,
               current_setting('synchronous_commit') <> 'off' AS synchronous_commit,
               current_setting('autovacuum')::bool AS autovacuum,
               pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS read_only";
    diesel::sql_query(sql).get_result(conn).await
}
