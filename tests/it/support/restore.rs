//! A database as a backup brings it back, and what is done before servers start on it.

use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mendline::after_restore::{AfterRestoreError, Report, follow_up};
use mendline::clock::Clocks;
use mendline::db::{Connector, Db, Group};
use mendline::journal::Entry;
use secrecy::{ExposeSecret, SecretString};

use super::{admin_url, as_group, create_database};

/// Runs SQL that is about databases and not in one.
pub async fn admin(sql: &str) {
    Connector::new(&admin_url(), None).unwrap().open().await.unwrap().batch_execute(sql).await.unwrap();
}

/// What Postgres calls the database.
pub fn name_of(url: &SecretString) -> String {
    url.expose_secret().rsplit('/').next().unwrap().split('?').next().unwrap().to_owned()
}

/// The database as it is at this moment, under another name, as if everything were lost that comes after. Nobody comes to the
/// first one any more.
pub async fn brought_back(lost: &SecretString) -> SecretString {
    let name = name_of(lost);
    admin(&format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await;
    admin(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;
    create_database(&format!("back_{name}"), Some(&name)).await
}

/// Returns once nobody of the server is connected any more: a connection that was dropped ends a moment later.
pub async fn alone(url: &SecretString) {
    let mut conn = Connector::new(url, None).unwrap().open().await.unwrap();
    let others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'mendline%'";
    while diesel::sql_query(others).execute(&mut conn).await.unwrap() > 0 {
        tokio::task::yield_now().await;
    }
}

/// What the command does, by these clocks and this journal.
pub async fn after_restore(
    url: &SecretString,
    clocks: &Clocks,
    journal: &[Entry],
) -> Result<Report, AfterRestoreError> {
    let db = Db::connect(&as_group(url, Group::Worker), 1, None).unwrap();
    let followed = follow_up(&db, clocks, None, journal).await;
    drop(db);
    if followed.is_ok() {
        alone(url).await;
    }
    followed
}
