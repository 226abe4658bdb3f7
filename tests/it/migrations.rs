//! Migrations go up, come down without a trace, and leave the schema that `schema.rs` says.

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::db::{Connector, migrate};

use crate::support::{TestDatabase, create_database};

#[derive(QueryableByName, PartialEq, Eq, Debug)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Everything the catalog says about our own tables, columns, constraints, indexes, functions and policies.
const CATALOG: &str = "
    SELECT format('%s.%s %s null=%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
                  coalesce(col_description(c.oid, a.attnum), '')) AS line
      FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     WHERE c.relnamespace = 'public'::regnamespace AND c.relname !~ '^__diesel' AND c.relkind IN ('r', 'p')
    UNION ALL SELECT format('%s: %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint
     WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text !~ '__diesel'
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename !~ '^__diesel'
    UNION ALL SELECT format('%s definer=%s %s', proname, prosecdef, proconfig) FROM pg_proc
     WHERE pronamespace = 'public'::regnamespace AND proname !~ '^diesel'
    UNION ALL SELECT format('%s rls=%s force=%s', relname, relrowsecurity, relforcerowsecurity) FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relname !~ '^__diesel' AND relkind IN ('r', 'p')
    UNION ALL SELECT format('%s: policy %s for %s to %s %s %s', tablename, policyname, cmd, roles, qual, with_check)
      FROM pg_policies WHERE schemaname = 'public'
    ORDER BY 1";

async fn catalog(conn: &mut AsyncPgConnection) -> Vec<String> {
    let lines: Vec<Line> = diesel::sql_query(CATALOG).load(conn).await.unwrap();
    lines.into_iter().map(|line| line.line).collect()
}

fn migration_folders() -> Vec<std::path::PathBuf> {
    let mut folders: Vec<_> = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    folders
}

#[tokio::test]
async fn every_down_undoes_its_up_without_a_trace() {
    let url = create_database(&format!("down_{}", std::process::id()), None).await;
    let mut conn = Connector::new(&url, None).unwrap().open().await.unwrap();
    let mut before = vec![catalog(&mut conn).await];
    for folder in migration_folders() {
        conn.batch_execute(&std::fs::read_to_string(folder.join("up.sql")).unwrap()).await.unwrap();
        before.push(catalog(&mut conn).await);
    }
    for folder in migration_folders().iter().rev() {
        let after = before.pop().unwrap();
        assert_eq!(catalog(&mut conn).await, after);
        conn.batch_execute(&std::fs::read_to_string(folder.join("down.sql")).unwrap()).await.unwrap();
        assert_eq!(catalog(&mut conn).await, *before.last().unwrap(), "{}", folder.display());
    }
}

#[tokio::test]
async fn migrating_twice_and_from_two_processes_runs_each_migration_once() {
    let url = create_database(&format!("twice_{}", std::process::id()), None).await;
    let (one, other) = tokio::join!(migrate(&url, None), migrate(&url, None));
    let ran = one.unwrap().len() + other.unwrap().len();
    assert_eq!(ran, migration_folders().len());
    assert!(migrate(&url, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_column_says_what_it_means() {
    let database = TestDatabase::create().await;
    let mut conn = Connector::new(&database.url, None).unwrap().open().await.unwrap();
    let silent: Vec<Line> = diesel::sql_query(
        "SELECT format('%s.%s', c.relname, a.attname) AS line
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relname !~ '^__diesel' AND col_description(c.oid, a.attnum) IS NULL",
    )
    .load(&mut conn)
    .await
    .unwrap();
    assert_eq!(silent, []);
}

/// `schema.rs`, read as text, against the catalog: same tables, same columns in the same order, same nullability.
#[tokio::test]
async fn schema_rs_is_what_a_migrated_database_has() {
    let database = TestDatabase::create().await;
    let mut conn = Connector::new(&database.url, None).unwrap().open().await.unwrap();
    let columns: Vec<Line> = diesel::sql_query(
        "SELECT format('%s.%s %s%s', c.relname, a.attname, t.typname, CASE WHEN a.attnotnull THEN '' ELSE '?' END) AS line
           FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           JOIN pg_type t ON t.oid = a.atttypid
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
            AND c.relname !~ '^__diesel'
          ORDER BY c.relname COLLATE \"C\", a.attnum",
    )
    .load(&mut conn)
    .await
    .unwrap();
    let catalog: Vec<String> = columns.into_iter().map(|line| line.line).collect();
    assert_eq!(declared_columns(), catalog);
}

fn declared_columns() -> Vec<String> {
    let types = [
        ("Uuid", "uuid"),
        ("Text", "text"),
        ("Timestamptz", "timestamptz"),
        ("Time", "time"),
        ("Date", "date"),
        ("Int4", "int4"),
        ("Int8", "int8"),
        ("Bool", "bool"),
        ("Bytea", "bytea"),
        ("Jsonb", "jsonb"),
        ("Array<Text>", "_text"),
        ("Array<Timestamptz>", "_timestamptz"),
        ("Array<Int8>", "_int8"),
        ("Array<Int4>", "_int4"),
        ("Array<Uuid>", "_uuid"),
    ];
    let mut table = "";
    let mut columns = Vec::new();
    for line in include_str!("../../src/schema.rs").lines().map(str::trim) {
        if let Some((name, rust_type)) = line.strip_suffix(',').and_then(|line| line.split_once(" -> ")) {
            let inner = rust_type.strip_prefix("Nullable<").and_then(|rest| rest.strip_suffix('>'));
            let sql = types.iter().find(|(rust, _)| *rust == inner.unwrap_or(rust_type)).expect(rust_type).1;
            columns.push(format!("{table}.{name} {sql}{}", if inner.is_some() { "?" } else { "" }));
        } else if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with(") {")) {
            table = name;
        }
    }
    columns
}
