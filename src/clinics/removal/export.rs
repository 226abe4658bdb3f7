//! Everything of a clinic as files, for its administrators to keep before it is erased: a file of JSON lines for each table, a line
//! for each row, as the table has it. What opens something stays behind: hashes of codes and tokens, sealed addresses.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use uuid::Uuid;

use super::store;
use crate::audit::{self, Entry};
use crate::clock::Clocks;
use crate::db::{Db, Scope};

/// How much was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files: tables that hold anything of the clinic.
    pub files: usize,
    /// Lines in all of them.
    pub rows: usize,
}

/// Writes it into a new directory, which only its owner may enter, as all of it was at one moment.
pub async fn export(db: &Db, clocks: &Clocks, clinic_id: Uuid, dir: &Path) -> anyhow::Result<Exported> {
    db.scoped(Scope::System, async |conn| {
        conn.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SET LOCAL statement_timeout = 0").await?;
        store::find(conn, clinic_id).await.context("there is no such clinic")?;
        DirBuilder::new().mode(0o700).create(dir).with_context(|| format!("making {}", dir.display()))?;
        let mut exported = Exported::default();
        for table in store::list_tables(conn).await? {
            let rows = write(conn, clinic_id, &table, dir).await.with_context(|| table.clone())?;
            exported.files += usize::from(rows > 0);
            exported.rows += rows;
        }
        audit::record(conn, clocks, Entry::by_operator(clinic_id, "clinic.export", "clinic", clinic_id)).await?;
        Ok(exported)
    })
    .await
}

/// One table into one file, which is made with its first row.
async fn write(conn: &mut AsyncPgConnection, clinic_id: Uuid, table: &str, dir: &Path) -> anyhow::Result<usize> {
    let path = dir.join(format!("{table}.jsonl"));
    let mut file: Option<BufWriter<File>> = None;
    let rows = store::each_row(conn, clinic_id, table, |line| {
        let file = match &mut file {
            Some(file) => file,
            none => {
                none.insert(BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?))
            }
        };
        writeln!(file, "{line}")
    })
    .await?;
    if let Some(file) = file {
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    }
    Ok(rows)
}
