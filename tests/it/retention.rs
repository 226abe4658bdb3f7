//! What goes by age: every table of the catalogue belongs to a class that operators are told, and what has no other test goes
//! when its time is over and not before.

use std::collections::{BTreeMap, BTreeSet};

use diesel::QueryableByName;
use diesel::sql_types::Text;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mendline::db::Connector;

use crate::support::TestApp;
use crate::worker_maintenance::{count, work_until_none};

const OPERATIONS: &str = include_str!("../../docs/OPERATIONS.md");
const CLASSES: [&str; 6] = ["by age", "by use", "with the record", "with the clinic", "with the login", "for good"];
/// Tables that nobody but the migrations writes.
const NOT_OURS: [&str; 1] = ["__diesel_schema_migrations"];

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// Class and reason of each table, as operators read it.
fn told() -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let table = OPERATIONS.split("### Table by table").nth(1).expect("the table").split("\n\n").nth(2).unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[name, class, why] = cells.as_slice() else { panic!("three cells: {line}") };
        (name.trim_matches('`'), (class, why))
    })
    .collect()
}

#[tokio::test]
async fn every_table_of_the_catalogue_has_a_class_of_retention_or_a_reason_to_stay() {
    let app = TestApp::start().await;
    let mut owner = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let names: Vec<Name> = diesel::sql_query(
        "SELECT relname::text AS name FROM pg_class
          WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
    )
    .load(&mut owner)
    .await
    .unwrap();
    let there: BTreeSet<&str> =
        names.iter().map(|row| row.name.as_str()).filter(|name| !NOT_OURS.contains(name)).collect();
    assert!(there.len() > 40, "the whole catalogue");
    let told = told();
    let named: BTreeSet<&str> = told.keys().copied().collect();
    assert_eq!(
        named, there,
        "left: docs/OPERATIONS.md, right: the catalogue. Say when the table's rows go, or why they stay"
    );
    for (name, (class, why)) in told {
        assert!(CLASSES.contains(&class) && !why.is_empty(), "{name}: {class}, {why}");
    }
}

#[tokio::test]
async fn what_nobody_can_use_any_more_goes_when_a_worker_starts() {
    let app = TestApp::start().await;
    let clinic = "00000000-0000-4000-8000-00000000000a";
    app.sql(&include_str!("support/everything.sql").replace("{id}", clinic)).await;
    let invitation = |name: &str, ended_days_ago: i32| {
        format!(
            "INSERT INTO invitations (clinic_id, id, code_hash, role, created_at, expires_at)
             VALUES ('{clinic}', gen_random_uuid(), sha256('{name}'), 'clinician', now() - interval '60 days',
                     now() - interval '{ended_days_ago} days');"
        )
    };
    let receipt = |name: &str, hours_ago: i32| {
        format!(
            "INSERT INTO receipts VALUES ('{clinic}', 'nobody', '{name}', '{clinic}', '{clinic}', 1,
                 now() - interval '{hours_ago} hours', now());"
        )
    };
    let care = app.care.now().to_rfc3339();
    let snooze = |name: &str, days_ago: i32| {
        format!(
            "INSERT INTO snoozes VALUES ('{clinic}', '{clinic}', '{name}', 1,
                 '{care}'::timestamptz - interval '{days_ago} days');"
        )
    };
    let mut owner = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    for (old, fresh) in [
        (invitation("old", 31), invitation("new", 29)),
        (receipt("old", 49), receipt("new", 47)),
        (snooze("old", 91), snooze("new", 89)),
    ] {
        owner.batch_execute(&format!("{old} {fresh}")).await.unwrap();
    }
    let old = "(SELECT 1 FROM invitations WHERE code_hash = sha256('old') UNION ALL SELECT 1 FROM receipts WHERE receipt_id = 'old'
          UNION ALL SELECT 1 FROM snoozes WHERE dedupe_key = 'old') AS old";
    assert_eq!(count(&app, old).await, 3);
    work_until_none(&app, old).await;
    assert_eq!(count(&app, &old.replace("'old'", "'new'")).await, 3, "what can still be used stays");
}
