//! What is known of a person: every column of the catalogue stands in one of the lists, and an erasure does what they say.
//! Tried on a clinic that has everything, beside another one that has everything and keeps it.

use std::collections::BTreeSet;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use mendline::db::Connector;
use mendline::erasure::{erase, purge};
use mendline::personal_data::{Goes, Table, Whose, tables};
use uuid::Uuid;

use crate::support::{TestApp, seed};

const HERE: &str = "00000000-0000-4000-8000-00000000000a";
const THERE: &str = "00000000-0000-4000-8000-00000000000b";
const EVERYTHING: &str = include_str!("support/everything.sql");
/// Words that are the login's and the record's alone, in every place that takes words.
const MARKED: &str = include_str!("support/marked.sql");

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

async fn lines(app: &TestApp, sql: &str) -> BTreeSet<String> {
    let mut owner: AsyncPgConnection = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let lines: Vec<Line> =
        diesel::sql_query(sql).load(&mut owner).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    lines.into_iter().map(|line| line.line).collect()
}

/// Every table of ours, without partitions.
const TABLES: &str =
    "pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname <> '__diesel_schema_migrations'";

async fn all_tables(app: &TestApp) -> BTreeSet<String> {
    lines(app, &format!("SELECT relname::text AS line FROM {TABLES}")).await
}

/// Rows of a table that hold a text anywhere.
async fn holding(app: &TestApp, table: &str, text: &str) -> i64 {
    app.count(&format!("SELECT count(*) FROM {table} AS t WHERE t::text LIKE '%{text}%'")).await
}

/// Tables that hold a text anywhere.
async fn tables_holding(app: &TestApp, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for table in all_tables(app).await {
        if holding(app, &table, text).await > 0 {
            found.push(table);
        }
    }
    found
}

/// The rows of a table that are HERE's, whom it is about.
fn own_rows(table: &Table) -> String {
    let condition = match (table.whose, table.goes) {
        (Whose::Login(condition) | Whose::Record(condition), _) => condition.to_owned(),
        (Whose::Nobodys, Goes::WithLogin) => "t.user_id = '$login'".to_owned(),
        (Whose::Nobodys, _) => "t.clinic_id = '$clinic'".to_owned(),
    };
    let condition = ["$login", "$clinic", "$patient"].iter().fold(condition, |sql, name| sql.replace(name, HERE));
    format!("SELECT count(*) FROM {} AS t WHERE {condition}", table.name)
}

#[tokio::test]
async fn every_column_of_every_table_stands_in_one_list() {
    let app = TestApp::start().await;
    let columns = "SELECT relname || '.' || attname AS line FROM pg_attribute AS a JOIN (SELECT c.oid, relname FROM";
    let there =
        lines(&app, &format!("{columns} {TABLES}) AS c ON c.oid = a.attrelid WHERE attnum > 0 AND NOT attisdropped"))
            .await;
    let listed: Vec<String> =
        tables().flat_map(|table| table.columns().map(move |column| format!("{}.{column}", table.name))).collect();
    let known: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(listed.len(), known.len(), "some column stands in two lists");
    let unlisted: Vec<_> = there.difference(&known).collect();
    assert!(unlisted.is_empty(), "say in src/personal_data what becomes of {unlisted:#?}");
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(gone.is_empty(), "there is no {gone:#?}");
    for table in tables() {
        assert!(!matches!(table.goes, Goes::Stays("")), "{}: why does it stay?", table.name);
        assert!(table.withheld.iter().all(|(why, columns)| !why.is_empty() && !columns.is_empty()), "{}", table.name);
        assert!(table.cleared.iter().all(|cleared| table.columns().any(|column| column == *cleared)), "{}", table.name);
        let given = !(table.shown.is_empty() && table.noted.is_empty());
        assert_eq!(given, table.whose != Whose::Nobodys, "{}: who is given what is shown?", table.name);
    }
}

#[tokio::test]
async fn nothing_is_left_of_what_is_to_go_with_the_login_or_with_the_record_and_nobody_else_loses_anything() {
    let app = TestApp::start().await;
    for id in [HERE, THERE] {
        app.sql(&EVERYTHING.replace("{id}", id)).await;
    }
    app.sql(&MARKED.replace("{id}", HERE)).await;
    let mut theirs = Vec::new();
    for table in all_tables(&app).await {
        theirs.push((holding(&app, &table, THERE).await, table));
    }
    for table in tables().filter(|table| table.goes == Goes::WithLogin || table.goes == Goes::WithRecord) {
        assert!(app.count(&own_rows(table)).await > 0, "{} is empty: nothing would be tried", table.name);
    }
    assert!(tables_holding(&app, "of-the-login").await.len() >= 5, "the marks were not found");
    let marked = tables_holding(&app, "of-the-record").await;
    assert!(marked.len() >= 9, "{marked:?}");
    let (id, clocks) = (HERE.parse::<Uuid>().unwrap(), app.state.clocks.clone());

    assert!(seed::run(&app, async |conn| erase(conn, &clocks, id).await).await);
    assert!(!seed::run(&app, async |conn| erase(conn, &clocks, id).await).await, "once is enough");
    for table in tables() {
        if table.goes == Goes::WithLogin {
            assert_eq!(app.count(&own_rows(table)).await, 0, "{} goes with the login", table.name);
        }
        for column in table.cleared {
            let left = format!("{} AND t.{column} IS NOT NULL", own_rows(table));
            assert_eq!(app.count(&left).await, 0, "{}.{column} is emptied", table.name);
        }
    }
    assert_eq!(tables_holding(&app, "of-the-login").await, Vec::<String>::new());
    assert_eq!(tables_holding(&app, "of-the-record").await, marked, "the clinic keeps its record");
    assert_eq!(
        app.count(&format!("SELECT count(*) FROM memberships WHERE user_id = '{HERE}' AND removed_at IS NULL")).await,
        0
    );

    assert!(seed::run(&app, async |conn| purge(conn, &clocks, id, id).await).await);
    assert!(!seed::run(&app, async |conn| purge(conn, &clocks, id, id).await).await, "once is enough");
    for table in tables().filter(|table| table.goes == Goes::WithRecord) {
        assert_eq!(app.count(&own_rows(table)).await, 0, "{} goes with the record", table.name);
    }
    assert_eq!(tables_holding(&app, "of-the-record").await, Vec::<String>::new());
    for (before, table) in theirs {
        assert_eq!(holding(&app, &table, THERE).await, before, "{table}: rows of somebody else went or came");
    }
    assert!(app.count(&format!("SELECT count(*) FROM audit WHERE clinic_id = '{HERE}'")).await > 3, "the trail stays");
}
