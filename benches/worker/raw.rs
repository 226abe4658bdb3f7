//! Rows copied as the database's own bytes: read once, then inserted again under other ids by a prepared statement with
//! binary parameters, which is the least that inserting them can cost.

use std::error::Error;

use actix_web::web::BytesMut;
use anyhow::Context;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

/// A value of any type, as it travels.
#[derive(Debug, Clone)]
struct Raw(Option<Vec<u8>>);

impl<'a> FromSql<'a> for Raw {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Raw {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A uuid, as it travels.
#[derive(Debug)]
pub struct Id(pub Uuid);

impl<'a> FromSql<'a> for Id {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Uuid::from_slice(raw)?))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }
}

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::UUID
    }

    to_sql_checked!();
}

/// Some rows of one table, and the statement that inserts as many.
pub struct Rows {
    columns: Vec<String>,
    values: Vec<Raw>,
    insert: Statement,
}

impl Rows {
    /// The rows of `table` whose `column` is `id`, less what the database computes by itself.
    pub async fn read(client: &Client, table: &str, column: &str, id: Uuid) -> anyhow::Result<Self> {
        let id = Raw(Some(id.as_bytes().to_vec()));
        let stored = "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
                       WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''";
        let stored: String = client.query_one(stored, &[&table]).await?.get(0);
        let rows = client.query(&format!("SELECT {stored} FROM {table} WHERE {column} = $1"), &[&id]).await?;
        let columns = rows.first().with_context(|| format!("no row of {table}"))?.columns();
        let columns: Vec<String> = columns.iter().map(|column| column.name().to_owned()).collect();
        let tuples: Vec<String> = (0..rows.len())
            .map(|row| {
                let binds = (1..=columns.len()).map(|column| format!("${}", row * columns.len() + column));
                format!("({})", binds.collect::<Vec<_>>().join(", "))
            })
            .collect();
        let sql = format!("INSERT INTO {table} ({}) VALUES {}", columns.join(", "), tuples.join(", "));
        let insert = client.prepare(&sql).await?;
        let values = rows.iter().flat_map(|row| (0..row.len()).map(|column| row.get(column))).collect();
        Ok(Self { columns, values, insert })
    }

    /// How many they are.
    pub fn count(&self) -> usize {
        self.values.len() / self.columns.len()
    }

    /// The same rows under other ids, each by the column it stands in and what it was.
    #[must_use]
    pub fn under(&self, rename: impl Fn(&str, Uuid) -> Uuid) -> Self {
        let kinds = self.insert.params();
        let renamed = self.values.iter().zip(self.columns.iter().cycle()).zip(kinds).map(|((value, column), kind)| {
            let id = value.0.as_ref().filter(|_| *kind == Type::UUID).and_then(|bytes| Uuid::from_slice(bytes).ok());
            id.map_or_else(|| value.clone(), |id| Raw(Some(rename(column, id).as_bytes().to_vec())))
        });
        Self { columns: self.columns.clone(), values: renamed.collect(), insert: self.insert.clone() }
    }

    /// Inserts them.
    pub async fn insert(&self, client: &Client) -> anyhow::Result<()> {
        let binds: Vec<&(dyn ToSql + Sync)> = self.values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
        client.execute(&self.insert, &binds).await?;
        Ok(())
    }
}
