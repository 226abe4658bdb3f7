//! The end of a clinic: closed for everybody at once, open again if that is taken back, and erased with everything of it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use diesel::QueryableByName;
use diesel::sql_types::{Int8, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::clinics::removal::{self, Opening, RemovalError};
use mendline::clock::{Clock, Clocks};
use mendline::db::Connector;
use mendline::domain::role::Role;
use mendline::journal::{Erased, Journal};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::binary::mendline;
use crate::support::people::PASSWORD;
use crate::support::{TestApp, seed};

const HERE: &str = "00000000-0000-4000-8000-00000000000a";
const THERE: &str = "00000000-0000-4000-8000-00000000000b";

/// What stays of a clinic that is gone, each with its reason.
const STAYS: [(&str, &str); 2] = [
    ("audit", "who did what stays its years; everybody in it is an id that names nobody"),
    ("audit_seals", "what the trail held of each day: digests of the above"),
];

#[derive(QueryableByName)]
struct Rows {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Int8)]
    rows: i64,
}

/// How many rows each table of the catalogue that knows clinics has of this one.
async fn rows_of(conn: &mut AsyncPgConnection, clinic: &str) -> BTreeMap<String, i64> {
    let tables = "SELECT c.relname::text AS name, 0::bigint AS rows FROM pg_class AS c
          JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'clinic_id' AND NOT a.attisdropped
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
    let mut names: Vec<String> =
        diesel::sql_query(tables).load::<Rows>(conn).await.unwrap().into_iter().map(|row| row.name).collect();
    names.sort();
    assert!(names.len() > 30, "the whole catalogue");
    let mut found = BTreeMap::new();
    for name in names {
        let sql = format!("SELECT '{name}' AS name, count(*) AS rows FROM {name} WHERE clinic_id = '{clinic}'");
        found.insert(name, diesel::sql_query(sql).get_result::<Rows>(conn).await.unwrap().rows);
    }
    for (name, column) in [("clinics", "id"), ("users", "id"), ("devices", "user_id"), ("protocol_texts", "version_id")]
    {
        let sql = format!("SELECT '{name}' AS name, count(*) AS rows FROM {name} WHERE {column} = '{clinic}'");
        found.insert(name.to_owned(), diesel::sql_query(sql).get_result::<Rows>(conn).await.unwrap().rows);
    }
    found
}

#[tokio::test]
async fn nothing_is_left_of_an_erased_clinic_in_any_table_and_nothing_is_missing_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::at(Some(dir.path())).unwrap();
    let app = TestApp::start().await;
    let mut owner = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    for clinic in [HERE, THERE] {
        let everything = include_str!("support/everything.sql").replace("{id}", clinic);
        owner.batch_execute(&everything).await.unwrap();
    }
    // One of them is known there too.
    let both = Uuid::new_v4();
    let member = |clinic: &str| {
        format!(
            "INSERT INTO memberships (clinic_id, id, user_id, role, created_at)
             VALUES ('{clinic}', gen_random_uuid(), '{both}', 'clinician', now());"
        )
    };
    app.sql(&format!(
        "INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
         VALUES ('{both}', 'both@example.org', '', 'Both', 'UTC', 'en', now(), 1, now()); {} {}",
        member(HERE),
        member(THERE)
    ))
    .await;
    let (before, there) = (rows_of(&mut owner, HERE).await, rows_of(&mut owner, THERE).await);
    let empty: Vec<&String> = before.iter().filter(|(_, rows)| **rows == 0).map(|(name, _)| name).collect();
    assert!(empty.is_empty(), "give them a row in everything.sql: {empty:?}");

    let (db, clocks) = (&app.state.worker_db, &app.state.clocks);
    let here: Uuid = HERE.parse().unwrap();
    let taken = dir.path().join("export");
    let exported = removal::export(db, clocks, here, &taken).await.unwrap();
    let read = |file: &str| std::fs::read_to_string(taken.join(file)).unwrap();
    for (file, lines) in [("clinics.jsonl", 1), ("users.jsonl", 2), ("check_ins.jsonl", 1), ("protocol_texts.jsonl", 1)]
    {
        let text = read(file);
        assert_eq!(text.lines().count(), lines, "{file}");
        assert!(!text.contains("password") && !text.contains(THERE), "{file}: {text}");
    }
    let files: Vec<_> = std::fs::read_dir(&taken).unwrap().map(|file| file.unwrap().path()).collect();
    let lines = files.iter().map(|file| std::fs::read_to_string(file).unwrap().lines().count()).sum();
    assert_eq!((exported.files, exported.rows), (files.len(), lines));
    assert!(removal::export(db, clocks, here, &taken).await.is_err(), "nothing is written over");

    let closing = removal::close(db, clocks, here, "C").await.unwrap();
    assert_eq!((closing.members, closing.alerts), (2, 1));
    let at = |moment| Clocks { wall: Clock::manual(moment), ..clocks.clone() };
    let early = at(closing.erase_at - TimeDelta::seconds(1));
    assert_eq!(removal::erase_due(db, &early, &journal).await.unwrap(), 0);
    assert_eq!(removal::erase_due(db, &at(closing.erase_at), &journal).await.unwrap(), 1);

    let mut left = rows_of(&mut owner, HERE).await;
    for (name, _) in STAYS {
        assert!(left.remove(name).is_some_and(|rows| rows > 0), "{name} does not stay: drop it from the list");
    }
    left.retain(|_, rows| *rows > 0);
    assert!(left.is_empty(), "left of the clinic: {left:?}");
    assert_eq!(rows_of(&mut owner, THERE).await, there);
    assert_eq!(
        app.count(&format!("SELECT count(*) FROM users WHERE id = '{both}'")).await,
        1,
        "who belongs elsewhere stays"
    );
    let written: Vec<Erased> =
        Journal::read(dir.path()).unwrap().entries.into_iter().map(|entry| entry.erased).collect();
    let written: BTreeSet<Erased> = written.into_iter().collect();
    assert_eq!(
        written,
        BTreeSet::from([Erased::Login { id: here }, Erased::Clinic { id: here }]),
        "who belonged to no other clinic has a line of their own"
    );
    // Once more, as after a restore: nothing happens.
    assert!(!seed::run(&app, async |conn| removal::erase(conn, clocks, here).await).await);
    assert_eq!(rows_of(&mut owner, THERE).await, there);
}

#[tokio::test]
async fn a_closed_clinic_is_closed_for_everybody_at_once_and_opens_again_as_it_was() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let (clinician, patient) = (app.clinician_of(&clinic).await, app.patient_of(&clinic).await);
    app.treat(&clinician.token, patient.patient(), app.care.now()).await;
    let owed = "SELECT count(*) FROM alerts WHERE state = 'scheduled'";
    let planned = app.count(owed).await;
    assert!(planned > 0);
    let code = app.invite(&clinic, &json!({ "role": "clinician" })).await;
    // The patient is known at another clinic as well.
    let other = app.clinic().await;
    let elsewhere = app.stage_membership(patient.user_id, other.id, Role::Patient).await;

    let (db, clocks, id) = (&app.state.worker_db, &app.state.clocks, clinic.id);
    let mistaken = removal::close(db, clocks, id, "clinic").await;
    assert!(matches!(mistaken, Err(RemovalError::OtherName)), "{mistaken:?}");
    let closing = removal::close(db, clocks, id, "Clinic").await.unwrap();
    assert_eq!(closing.members, 3);
    for person in [&clinic.admin, &clinician, &patient] {
        app.get("/v1/me", &person.token).await.expect(401);
        app.post("/v1/auth/refresh", "", json!({ "refresh_token": person.refresh_token })).await.expect(401);
    }
    let log_in = async |email: &str| {
        let body = json!({ "email": email, "password": PASSWORD });
        app.post("/v1/auth/login", "", body).await
    };
    assert!(!log_in(&clinician.email).await.status.is_success(), "nobody gets in who belongs to no other clinic");
    // Every token of theirs is called back: one may say the closed clinic whose session is elsewhere by now.
    app.get("/v1/me", &elsewhere.token).await.expect(401);
    let there = log_in(&patient.email).await.expect(200);
    assert_eq!(there["user"]["membership"]["clinic_id"], json!(other.id));
    app.get("/v1/me", there["tokens"]["access_token"].as_str().unwrap()).await.expect(200);
    let joined =
        app.post("/v1/auth/register", "", crate::support::people::registration(&code, "new@example.org")).await;
    assert!(!joined.status.is_success(), "nobody joins");
    assert_eq!(app.count(owed).await, 0);
    assert!(matches!(removal::close(db, clocks, id, "Clinic").await, Err(RemovalError::Closed)));

    let late = Clocks { wall: Clock::manual(closing.erase_at), ..clocks.clone() };
    assert!(matches!(removal::open(db, &late, id).await, Err(RemovalError::Over)));
    assert_eq!(removal::open(db, clocks, id).await.unwrap(), Opening { members: 3, reports: 0 });
    assert!(matches!(removal::open(db, clocks, id).await, Err(RemovalError::Open)));
    let clinician = app.log_in(&clinician).await;
    app.get("/v1/me", &clinician.token).await.expect(200);
    app.drain_worker().await;
    assert_eq!(app.count(owed).await, planned, "what its patients are owed is planned anew");
}

#[tokio::test]
async fn the_operator_names_the_clinic_twice() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let id = clinic.id.to_string();
    let dir = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let mut command =
            mendline(dir.path(), Some(app.database.url.expose_secret()), &[&["admin"], arguments].concat());
        let output = command.output().await.unwrap();
        let answer = serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default();
        (answer, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (_, said) = run(&["remove-clinic", "--clinic", &id, "--confirm", "Another", "--json"]).await;
    assert!(said.contains("the clinic is called otherwise"), "{said}");
    let (_, said) = run(&["keep-clinic", "--clinic", &id, "--json"]).await;
    assert!(said.contains("the clinic is not closed"), "{said}");
    let (closed, said) = run(&["remove-clinic", "--clinic", &id, "--confirm", "Clinic", "--json"]).await;
    assert_eq!((&closed["clinic_id"], &closed["members"]), (&json!(id), &json!(1)), "{said}");
    let (kept, said) = run(&["keep-clinic", "--clinic", &id, "--json"]).await;
    assert_eq!((&kept["members"], &kept["reports_told_again"]), (&json!(1), &json!(0)), "{said}");
    let (_, said) = run(&["remove-clinic", "--clinic", HERE, "--confirm", "Clinic"]).await;
    assert!(said.contains("there is no such clinic"), "{said}");
}
