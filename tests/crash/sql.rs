//! Asking a database that may be away: text in, text out, and a new connection whenever the last one is gone.

use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A row's columns as text.
pub type Row = Vec<Option<String>>;

pub struct Sql {
    url: String,
    client: Mutex<Option<Client>>,
}

impl Sql {
    pub fn new(url: String) -> Self {
        Self { url, client: Mutex::new(None) }
    }

    pub async fn run(&self, sql: &str) -> anyhow::Result<()> {
        self.rows(sql).await.map(drop)
    }

    pub async fn rows(&self, sql: &str) -> anyhow::Result<Vec<Row>> {
        let mut slot = self.client.lock().await;
        if slot.as_ref().is_none_or(Client::is_closed) {
            let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
            tokio::spawn(connection);
            *slot = Some(client);
        }
        let asked = slot.as_ref().context("a connection")?.simple_query(sql);
        let messages = match tokio::time::timeout(Duration::from_secs(10), asked).await {
            Ok(Ok(messages)) => messages,
            Ok(Err(error)) => {
                if error.as_db_error().is_none() {
                    *slot = None;
                }
                let said = error.as_db_error().map(ToString::to_string).unwrap_or_default();
                return Err(error).context(said);
            }
            Err(_) => {
                *slot = None;
                anyhow::bail!("no answer from the database");
            }
        };
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
            }
            _ => None,
        });
        Ok(rows.collect())
    }

    /// The same, as often as it takes until the database answers.
    pub async fn insist(&self, sql: &str) -> anyhow::Result<Vec<Row>> {
        let started = Instant::now();
        loop {
            match self.rows(sql).await {
                Ok(rows) => return Ok(rows),
                Err(error) if started.elapsed() > Duration::from_secs(20) => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}
