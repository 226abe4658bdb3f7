//! What the README tells a reader to type works, and its table of settings is the one that the code reads.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use chrono::SecondsFormat;
use diesel_async::SimpleAsyncConnection;
use mendline::config::Config;
use mendline::db::Connector;
use secrecy::ExposeSecret;

use crate::support::binary::three_logins;
use crate::support::{TestApp, TestDatabase};

const README: &str = include_str!("../../README.md");
/// Conventions of the system that stand behind a default, not settings of ours.
const CONVENTIONS: [&str; 3] = ["HOME", "PATH", "XDG_DATA_HOME"];

/// The shell of the README: what stands between the fences marked `sh`.
fn walk_through() -> String {
    let blocks: Vec<&str> = README.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 1, "one walk-through");
    blocks[0].to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walk_through_works_as_it_is_printed() {
    let app = TestApp::start().await;
    let mut shell = tokio::process::Command::new("bash");
    shell.arg("-c").arg(walk_through()).stdin(Stdio::null()).kill_on_drop(true);
    shell
        .env("BASE", app.url(""))
        .env("MENDLINE", env!("CARGO_BIN_EXE_mendline"))
        .env("NOW", app.care.now().to_rfc3339_opts(SecondsFormat::Secs, true))
        .env("MENDLINE_DATA_DIR", &app.config.data_dir)
        .env_remove("MENDLINE_ENV");
    three_logins(&mut shell, app.database.url.expose_secret());
    let ran = tokio::time::timeout(Duration::from_secs(120), shell.output()).await.expect("an end").expect("bash");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    for shown in ["until 2026-", "accepted", "urgent: ", "Noor, urgent_flag", "acknowledged"] {
        assert!(out.contains(shown), "{shown:?} is not shown:\n{out}");
    }
}

#[test]
fn the_table_of_settings_names_what_the_code_reads() {
    let read: BTreeSet<&str> = Config::names().into_iter().filter(|name| !CONVENTIONS.contains(name)).collect();
    let told: BTreeSet<&str> = README.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(told, read, "left: the README's table; right: what is read");
}

#[test]
fn papers_and_deployment_name_no_setting_that_does_not_exist() {
    let known: BTreeSet<&str> =
        README.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).chain(["MENDLINE"]).collect();
    let texts = [
        README,
        include_str!("../../docs/OPERATIONS.md"),
        include_str!("../../docs/SECURITY.md"),
        include_str!("../../Dockerfile"),
        include_str!("../../compose.yaml"),
    ];
    let words = texts.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_uppercase() && c != '_'));
    let unknown: BTreeSet<&str> = words.filter(|word| word.starts_with("MENDLINE") && !known.contains(word)).collect();
    assert!(unknown.is_empty(), "not in the README's table: {unknown:?}");
}

#[test]
fn every_metric_is_explained_to_operators() {
    let source = include_str!("../../src/telemetry.rs");
    let metrics: Vec<&str> =
        source.split("registry.register(").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
    assert!(metrics.len() > 8, "the metrics were not found: {metrics:?}");
    let told = include_str!("../../docs/OPERATIONS.md");
    let untold: Vec<_> = metrics.into_iter().filter(|name| !told.contains(&format!("`mendline_{name}"))).collect();
    assert!(untold.is_empty(), "not in docs/OPERATIONS.md: {untold:?}");
}

#[tokio::test]
async fn what_operators_are_told_to_ask_the_database_can_be_asked() {
    let database = TestDatabase::create().await;
    let mut conn = Connector::new(&database.url, None).unwrap().open().await.unwrap();
    let told = include_str!("../../docs/OPERATIONS.md");
    let blocks: Vec<&str> = told.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 3, "the queries were not found");
    for block in blocks {
        let nobody = format!("'{}'", uuid::Uuid::nil());
        let sql = ["clinic", "patient", "alert"]
            .iter()
            .fold(block.to_owned(), |sql, name| sql.replace(&format!(":'{name}'"), &nobody));
        conn.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }
}

#[test]
fn every_paper_that_a_paper_points_to_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut papers: Vec<_> = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name)).into();
    for dir in ["docs", "docs/adr"] {
        let found = std::fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().path());
        papers.extend(found.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    let mut missing = Vec::new();
    for paper in &papers {
        let text = std::fs::read_to_string(paper).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            if !link.is_empty() && !link.contains("://") && !paper.parent().unwrap().join(link).exists() {
                missing.push(format!("{}: {link}", paper.display()));
            }
        }
    }
    assert!(papers.len() > 8, "the papers were not found");
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
