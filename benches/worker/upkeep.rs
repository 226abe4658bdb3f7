//! What the database does for each row of `alerts`, done for all of them at once.

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};

/// The keys and indexes of `alerts`, as statements that make them anew. Row by row, ten million rows would take an hour.
pub struct Upkeep(Vec<String>);

#[derive(QueryableByName)]
struct Definition {
    #[diesel(sql_type = Text)]
    remove: String,
    #[diesel(sql_type = Text)]
    make: String,
}

impl Upkeep {
    /// From here on, rows are only stored.
    pub async fn set_aside(conn: &mut AsyncPgConnection) -> anyhow::Result<Self> {
        let definitions: Vec<Definition> = diesel::sql_query(
            "SELECT format('ALTER TABLE alerts DROP CONSTRAINT %I', conname) AS remove,
                    format('ALTER TABLE alerts ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)) AS make
               FROM pg_constraint WHERE conrelid = 'alerts'::regclass AND contype IN ('p', 'u', 'f')
             UNION ALL
             SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)
               FROM pg_index AS i LEFT JOIN pg_constraint AS c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
              WHERE i.indrelid = 'alerts'::regclass AND c.oid IS NULL",
        )
        .load(conn)
        .await?;
        for definition in &definitions {
            conn.batch_execute(&definition.remove).await?;
        }
        conn.batch_execute("ALTER TABLE alerts DISABLE TRIGGER USER").await?;
        Ok(Self(definitions.into_iter().map(|definition| definition.make).collect()))
    }

    /// Makes indexes and queue of what is stored, and leaves the tables as autovacuum would.
    pub async fn catch_up(self, conn: &mut AsyncPgConnection) -> anyhow::Result<()> {
        conn.batch_execute("SET maintenance_work_mem = '1GB'").await?;
        for make in self.0 {
            conn.batch_execute(&make).await?;
        }
        conn.batch_execute(
            "INSERT INTO alert_queue (at, clinic_id, alert_id)
             SELECT next_attempt_at, clinic_id, id FROM alerts WHERE state = 'scheduled';
             ALTER TABLE alerts ENABLE TRIGGER USER;",
        )
        .await?;
        conn.batch_execute("VACUUM ANALYZE").await?;
        conn.batch_execute("CHECKPOINT").await?;
        Ok(())
    }
}
