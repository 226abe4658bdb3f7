//! Where the demo may happen: in an empty database, or in one that holds nothing but earlier demos.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::alerts::queue;
use crate::db::{Db, DbError, Scope};
use crate::escalation::store as escalation;
use crate::schema::clinics;

/// What a database looks like from outside.
#[derive(Debug, QueryableByName)]
struct Outside {
    /// A table that no migration of ours can have made, since none has run here.
    #[diesel(sql_type = Nullable<Text>)]
    strange: Option<String>,
    /// Whether there is a table of clinics as we know it.
    #[diesel(sql_type = Bool)]
    clinics: bool,
}

/// Tables belong to us if our table of clinics is among them; those that extensions bring belong to nobody.
const OUTSIDE: &str = "
    WITH ours AS (
        SELECT EXISTS (
            SELECT 1 FROM pg_attribute
             WHERE attrelid = to_regclass('clinics') AND attname = 'demo' AND atttypid = 'bool'::regtype
        ) AND to_regclass('__diesel_schema_migrations') IS NOT NULL AS clinics
    )
    SELECT ours.clinics, (
        SELECT min(c.oid::regclass::text) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
         WHERE NOT ours.clinics AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname <> '__diesel_schema_migrations'
           AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
           AND NOT EXISTS (SELECT 1 FROM pg_depend AS d
                            WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
    ) AS strange
      FROM ours";

/// Refuses a database that holds anything which no demo made, by looking alone: it may not even have our tables.
pub async fn refuse_foreign(db: &Db) -> anyhow::Result<()> {
    let (strange, real) = db
        .scoped(Scope::System, async |conn| {
            let outside: Outside = diesel::sql_query(OUTSIDE).get_result(conn).await?;
            let real = if outside.clinics { real_clinics(conn).await? } else { 0 };
            Ok::<_, DbError>((outside.strange, real))
        })
        .await?;
    let advice = "unset DATABASE_URL, or name an empty database";
    if let Some(table) = strange {
        anyhow::bail!("DATABASE_URL: this database is not mendline's (it holds {table}): {advice}");
    }
    anyhow::ensure!(real == 0, "DATABASE_URL: this database holds {real} clinics that no demo made: {advice}");
    Ok(())
}

async fn real_clinics(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    clinics::table.filter(clinics::demo.eq(false)).count().get_result(conn).await
}

/// Withdraws what earlier demos still owe.
pub(super) async fn clear(db: &Db, now: DateTime<Utc>) -> Result<(), DbError> {
    db.scoped(Scope::System, async |conn| {
        for clinic_id in clinics::table.filter(clinics::demo).select(clinics::id).load(conn).await? {
            escalation::delete_all(conn, clinic_id).await?;
            queue::withdraw(conn, clinic_id, now).await?;
        }
        Ok(())
    })
    .await
}
