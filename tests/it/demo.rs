//! The demo, run as its users run it: on a database it has to itself, once more on that, and where it must not be told.

use std::process::{Output, Stdio};
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::alerts::queue;
use mendline::db::Connector;
use mendline::schema::{alerts, clinics};
use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::support::binary::{mendline, signal};
use crate::support::{TestApp, TestDatabase, create_database, seed};

fn demo(url: &SecretString, pace_ms: &str, data_dir: &tempfile::TempDir) -> Command {
    let mut demo = mendline(data_dir.path(), Some(url.expose_secret()), &["demo", "--exit", "--pace-ms", pace_ms]);
    demo.env_remove("RUST_LOG");
    demo
}

async fn tell(url: &SecretString) -> Output {
    let data_dir = tempfile::tempdir().unwrap();
    tokio::time::timeout(Duration::from_secs(300), demo(url, "0", &data_dir).output()).await.expect("an end").unwrap()
}

async fn connect(url: &SecretString) -> AsyncPgConnection {
    Connector::new(url, None).unwrap().open().await.unwrap()
}

/// Sent, opened, expired, compliance, as the last line has them.
fn figures(last: &str) -> Option<[u32; 4]> {
    let rest = last.strip_prefix("demo: ")?;
    let (sent, rest) = rest.split_once(" alerts sent, ")?;
    let (opened, rest) = rest.split_once(" opened, ")?;
    let (expired, rest) = rest.split_once(" expired, compliance ")?;
    let share = rest.strip_suffix('%')?;
    let numbers: Vec<u32> = [sent, opened, expired, share].iter().filter_map(|text| text.parse().ok()).collect();
    numbers.try_into().ok()
}

#[tokio::test]
async fn the_story_can_be_told_again_on_its_own_database_where_nothing_of_the_first_is_sent_any_more() {
    let database = TestDatabase::create().await;
    for time in 1..=2 {
        let told = tell(&database.url).await;
        let (out, err) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert!(told.status.success(), "time {time}: {out}\n{err}");
        let [sent, opened, expired, share] = figures(out.lines().last().unwrap()).unwrap_or_else(|| panic!("{out}"));
        assert!(sent > 30 && opened > 20 && opened < sent, "time {time}: {out}");
        assert!(expired == 0 && (50..100).contains(&share), "time {time}: {out}");
        assert!(out.contains("triage says urgent") && out.contains("Clara resolves the flag"), "time {time}: {out}");
        for told in [
            "(with \"",
            "switches \"outdoors\" on",
            "Pia lands in New York",
            "Pia lands in Berlin",
            "second session: everything begins anew",
            "session 2 of 3: ",
        ] {
            assert!(out.contains(told), "time {time}, {told}: {out}");
        }
        assert_eq!(err, "", "time {time}: nothing to complain about");
    }
    let mut conn = connect(&database.url).await;
    let told: Vec<uuid::Uuid> =
        clinics::table.order(clinics::created_at).select(clinics::id).load(&mut conn).await.unwrap();
    assert_eq!(told.len(), 2);
    let live = alerts::table.filter(alerts::clinic_id.eq(told[0]));
    let live = live.filter(alerts::state.eq_any(["scheduled", "sending", "no_device"]));
    assert_eq!(live.count().get_result::<i64>(&mut conn).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_withdrawn_is_not_sent_even_if_a_worker_died_over_it() {
    let app = TestApp::start().await;
    let (gone, here) = (seed::person(&app).await, seed::person(&app).await);
    let (now, hour) = (app.care.now(), chrono::TimeDelta::hours(1));
    seed::due_now(&app, gone, "m:a").await;
    let dead = 7;
    let claimed = seed::run(&app, async |conn| queue::claim_due(conn, now, 1, dead, 60).await).await;
    assert_eq!(claimed.claims.len(), 1);
    let plan = [seed::owed(&app, "m:a", chrono::TimeDelta::zero(), hour), seed::owed(&app, "m:b", hour, hour)];
    seed::plan(&app, gone, &plan).await;
    seed::plan(&app, here, &[seed::owed(&app, "m:c", hour, hour)]).await;

    let withdrawn = seed::run(&app, async |conn| queue::withdraw(conn, gone.clinic_id, now).await).await;
    assert_eq!(withdrawn, 2);
    seed::run(&app, async |conn| queue::rescue(conn, now).await).await;
    let states: Vec<String> = seed::alerts(&app).await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["cancelled", "cancelled", "scheduled"]);
}

#[derive(QueryableByName, PartialEq, Eq, Debug)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// Every table with its columns, and how many rows it holds.
async fn contents(url: &SecretString) -> Vec<Line> {
    let sql = "
        SELECT format('%s.%s(%s) %s', schemaname, tablename,
            (SELECT string_agg(attname || ' ' || atttypid::regtype, ', ' ORDER BY attnum) FROM pg_attribute
              WHERE attrelid = format('%I.%I', schemaname, tablename)::regclass AND attnum > 0),
            query_to_xml(format('SELECT count(*) FROM %I.%I', schemaname, tablename), false, true, '')) AS line
          FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1";
    diesel::sql_query(sql).load(&mut connect(url).await).await.unwrap()
}

#[tokio::test]
async fn a_database_that_is_not_the_demos_is_refused_and_left_as_it_is() {
    let app = TestApp::start().await;
    app.clinic().await;
    // As a binary of last month left it: there would be something to migrate.
    let mut conn = connect(&app.database.url).await;
    conn.batch_execute("DELETE FROM __diesel_schema_migrations WHERE version LIKE '%5'").await.unwrap();
    let shop = create_database(&format!("shop_{}", std::process::id()), None).await;
    connect(&shop).await.batch_execute("CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)").await.unwrap();
    let other = create_database(&format!("other_{}", std::process::id()), None).await;
    let diesel = "CREATE TABLE clinics (id int); CREATE TABLE __diesel_schema_migrations (version text PRIMARY KEY)";
    connect(&other).await.batch_execute(diesel).await.unwrap();

    for (url, reason) in [
        (&app.database.url, "1 clinics that no demo made"),
        (&shop, "not mendline's (it holds orders)"),
        (&other, "not mendline's (it holds clinics)"),
    ] {
        let before = contents(url).await;
        let refused = tell(url).await;
        let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{complaint}");
        assert!(complaint.starts_with("mendline: DATABASE_URL: ") && complaint.contains(reason), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(refused.stdout.is_empty());
        assert_eq!(contents(url).await, before, "{reason}");
    }
}

#[tokio::test]
async fn whoever_looks_around_after_the_story_is_given_a_login_of_every_role() {
    let (database, data_dir) = (TestDatabase::create().await, tempfile::tempdir().unwrap());
    let mut serving = mendline(data_dir.path(), Some(database.url.expose_secret()), &["demo", "--pace-ms", "0"]);
    let mut serving = serving.env_remove("RUST_LOG").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stdout.take().unwrap()).lines();
    let mut out = Vec::new();
    while out.last().is_none_or(|line: &String| !line.starts_with("Try ")) {
        out.push(lines.next_line().await.unwrap().unwrap_or_else(|| panic!("it ended: {out:#?}")));
    }
    let base = out.iter().find_map(|line| line.strip_prefix("  API")).unwrap().trim();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut roles = Vec::new();
    for line in out.iter().skip_while(|line| !line.starts_with("Log in as")) {
        if let [.., email, password] = line.split_whitespace().collect::<Vec<_>>()[..]
            && email.contains('@')
        {
            let proof = serde_json::json!({ "email": email, "password": password });
            let answer = client.post(format!("{base}/v1/auth/login")).json(&proof).send().await.unwrap();
            let answer: serde_json::Value = answer.json().await.unwrap();
            roles.push(answer["user"]["membership"]["role"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned());
        }
    }
    assert_eq!(roles, ["administrator", "clinician", "patient"], "{out:#?}");
    signal(&serving, Signal::SIGINT);
    let ended =
        tokio::time::timeout(Duration::from_secs(30), serving.wait_with_output()).await.expect("an end").unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
async fn an_interrupted_story_ends_with_one_line() {
    let database = TestDatabase::create().await;
    let data_dir = tempfile::tempdir().unwrap();
    let mut telling = demo(&database.url, "60000", &data_dir);
    let mut telling = telling.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(telling.stdout.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().expect("a story").contains("Pia accepts") {}
    signal(&telling, Signal::SIGINT);
    let ended =
        tokio::time::timeout(Duration::from_secs(30), telling.wait_with_output()).await.expect("an end").unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "mendline: stopped before the story's end\n");
}
