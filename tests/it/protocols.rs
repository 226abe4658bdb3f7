//! Protocol versions: registered once, never changed, read once.

use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::clock::Clock;
use mendline::db::Connector;
use mendline::domain::protocol::{File, Kind, builtin, load};
use mendline::domain::role::Role;
use mendline::protocols::{
    Catalogue, CatalogueError, Published, RegisterError, check_registered, content_hash, register, register_built_ins,
};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Staged, TestApp, TestDatabase, send};

async fn open(database: &TestDatabase) -> AsyncPgConnection {
    Connector::new(&database.url, None).unwrap().open().await.unwrap()
}

/// Publishes the built-in protocol once more under a key of its own, as a clinic would its own version.
async fn publish_copy(conn: &mut AsyncPgConnection, id: Uuid) {
    publish_copy_as(conn, id, "own-plan").await;
}

async fn publish_copy_as(conn: &mut AsyncPgConnection, id: Uuid, key: &str) {
    let sql = format!(
        "INSERT INTO protocol_versions
         SELECT '{id}', '{key}', 1, content_hash,
                replace(replace(structure, 'key = \"conservative\"', 'key = \"{key}\"'),
                    E'\\nversion = ' || version || E'\\n', E'\\nversion = 1\\n'),
                base_locale, registered_at FROM protocol_versions WHERE key = 'conservative';
         INSERT INTO protocol_texts
         SELECT '{id}', locale, t.content_hash, texts, reviewed, t.registered_at
           FROM protocol_texts t JOIN protocol_versions v ON v.id = version_id WHERE key = 'conservative';"
    );
    conn.batch_execute(&sql).await.unwrap();
}

/// Lets this connection change what was published, as no statement of ours may.
async fn tamper(conn: &mut AsyncPgConnection) {
    conn.batch_execute("SET session_replication_role = replica").await.unwrap();
}

async fn count(conn: &mut AsyncPgConnection, table: &str) -> i64 {
    #[derive(diesel::QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        n: i64,
    }
    let row: Row = diesel::sql_query(format!("SELECT count(*) AS n FROM {table}")).get_result(conn).await.unwrap();
    row.n
}

#[tokio::test]
async fn built_in_versions_are_registered_once_however_often_and_by_however_many() {
    let database = TestDatabase::create().await;
    let (mut one, mut other) = (open(&database).await, open(&database).await);
    check_registered(&mut one).await.unwrap();
    tamper(&mut one).await;
    one.batch_execute("DELETE FROM protocol_texts; DELETE FROM protocol_versions").await.unwrap();
    let missing = check_registered(&mut one).await.unwrap_err();
    assert!(missing.to_string().contains("mendline migrate"), "{missing}");

    let now = Clock::system().now();
    let (first, second) = tokio::join!(register_built_ins(&mut one, now), register_built_ins(&mut other, now));
    let built_in = builtin().unwrap();
    assert_eq!(first.unwrap().len() + second.unwrap().len(), built_in.len());
    assert_eq!(register_built_ins(&mut one, now).await.unwrap(), Vec::<String>::new());
    assert_eq!(count(&mut one, "protocol_versions").await, i64::try_from(built_in.len()).unwrap());
    let texts: usize = built_in.iter().map(|built_in| built_in.version.texts.len()).sum();
    assert_eq!(count(&mut one, "protocol_texts").await, i64::try_from(texts).unwrap());
    check_registered(&mut one).await.unwrap();
}

#[tokio::test]
async fn other_content_under_a_registered_number_is_refused_by_name() {
    let database = TestDatabase::create().await;
    let mut conn = open(&database).await;
    tamper(&mut conn).await;
    conn.batch_execute("UPDATE protocol_versions SET content_hash = sha256('another')").await.unwrap();
    for refused in [
        register_built_ins(&mut conn, Clock::system().now()).await.unwrap_err(),
        check_registered(&mut conn).await.unwrap_err(),
    ] {
        assert!(matches!(&refused, RegisterError::Changed { key, number: 2 } if key == "conservative"), "{refused}");
    }
}

#[tokio::test]
async fn a_translation_may_come_later_and_be_corrected_but_the_base_texts_stay_as_published() {
    let database = TestDatabase::create().await;
    let mut conn = open(&database).await;
    let built_in = &builtin().unwrap()[0];
    let id = Catalogue::new().unwrap().latest(built_in.version.key()).unwrap().id;
    let now = Clock::system().now();
    let english = built_in.files.texts[0].text;
    for name in ["Sorgsam", "Sorgfältig"] {
        let german = format!("# {name}\n{english}").replacen("locale = \"en\"", "locale = \"de\"", 1);
        let english = format!("# a comment\n{english}");
        let mut files = built_in.files.clone();
        files.texts = vec![
            File { name: "conservative/en.toml", text: &english },
            File { name: "conservative/de.toml", text: &german },
        ];
        let version = load(&files).unwrap_or_else(|faults| panic!("{faults:?}"));
        let closing = mendline::domain::closing::ClosingWeights::of(&version).into();
        let content_hash = content_hash(&version).unwrap();
        let published = Published { id, content_hash, version: version.into(), closing, origin: None };
        assert!(!register(&mut conn, &published, &files, now).await.unwrap());

        assert_eq!(count(&mut conn, &format!("protocol_texts WHERE locale = 'de' AND texts LIKE '%{name}%'")).await, 1);
        assert_eq!(count(&mut conn, "protocol_texts WHERE locale = 'en' AND texts LIKE '# a comment%'").await, 0);
    }
    assert_eq!(count(&mut conn, "protocol_texts WHERE locale = 'de'").await, 1);
}

#[tokio::test]
async fn a_stored_version_is_read_once_and_then_known_to_every_clone_of_the_catalogue() {
    let database = TestDatabase::create().await;
    let mut conn = open(&database).await;
    let catalogue = Catalogue::new().unwrap();
    let id = Uuid::from_u128(1);
    publish_copy(&mut conn, id).await;

    assert!(catalogue.cached(id).is_none());
    let version = catalogue.clone().version(&mut conn, id).await.unwrap();
    assert_eq!((version.key(), version.number()), ("own-plan", 1));
    tamper(&mut conn).await;
    conn.batch_execute("DELETE FROM protocol_texts; DELETE FROM protocol_versions").await.unwrap();
    assert_eq!(catalogue.version(&mut conn, id).await.unwrap(), version);
    assert_eq!(catalogue.numbered(Uuid::nil(), "own-plan", 1).unwrap().id, id);

    let built_in = catalogue.latest("conservative").unwrap();
    assert_eq!(catalogue.version(&mut conn, built_in.id).await.unwrap(), built_in.version);
    assert!(catalogue.latest("own-plan").is_none());
}

#[tokio::test]
async fn a_version_that_is_unknown_or_unreadable_says_which_it_is() {
    let database = TestDatabase::create().await;
    let mut conn = open(&database).await;
    let catalogue = Catalogue::new().unwrap();
    let id = Uuid::from_u128(2);
    let unknown = catalogue.version(&mut conn, id).await.unwrap_err();
    assert!(matches!(unknown, CatalogueError::Unknown(of) if of == id));

    publish_copy(&mut conn, id).await;
    tamper(&mut conn).await;
    let harm = format!("UPDATE protocol_versions SET structure = structure || E'\\nnovelty = 1' WHERE id = '{id}'");
    conn.batch_execute(&harm).await.unwrap();
    let unreadable = catalogue.version(&mut conn, id).await.unwrap_err().to_string();
    assert!(unreadable.contains("own-plan version 1") && unreadable.contains("novelty"), "{unreadable}");
}

/// The hashes that were recorded beside each built-in protocol, by version number.
fn recorded(key: &str) -> toml::Table {
    let path = format!("{}/protocols/{key}/published.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    text.parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn no_built_in_version_changes_without_a_new_number() {
    for built_in in builtin().unwrap() {
        let (key, number) = (built_in.version.key(), built_in.version.number());
        let hash: String = content_hash(&built_in.version).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        let known = recorded(key)
            .get("versions")
            .and_then(|versions| versions.get(number.to_string())?.as_str().map(str::to_owned));
        assert_eq!(
            known.as_deref(),
            Some(hash.as_str()),
            "protocols/{key} is not what was recorded as version {number}.\n\
             If that version was ever released, give the changed one the next number in protocol.toml, then run\n    \
             cargo run -- protocol record protocols/{key}\n\
             If it was not, replace its record:\n    \
             cargo run -- protocol record protocols/{key} --unreleased\n"
        );
    }
}

async fn staffed() -> (TestApp, Staged, Staged) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let (clinician, patient) = (app.stage(clinic, Role::Clinician).await, app.stage(clinic, Role::Patient).await);
    (app, clinician, patient)
}

async fn get_with(app: &TestApp, path: &str, token: &str, header: (&str, &str)) -> Answer {
    send(app.request(Method::GET, path, token).header(header.0, header.1)).await
}

fn items(answer: &Value) -> &Vec<Value> {
    answer["items"].as_array().unwrap()
}

#[tokio::test]
async fn staff_see_which_protocols_there_are_and_which_version_is_current() {
    let (app, clinician, patient) = staffed().await;
    let mut conn = open(&app.database).await;
    publish_copy(&mut conn, Uuid::from_u128(3)).await;
    // What a newer program publishes may be beyond this one.
    publish_copy_as(&mut conn, Uuid::from_u128(4), "from-tomorrow").await;
    tamper(&mut conn).await;
    let harm = "UPDATE protocol_versions SET structure = 'tomorrow = true' WHERE key = 'from-tomorrow'";
    conn.batch_execute(harm).await.unwrap();

    let list = app.get("/v1/protocols", &clinician.token).await.expect(200);
    assert!(list.get("next_cursor").is_none());
    let applies_to = json!({ "areas": ["face"], "modalities": ["microneedling"] });
    let entry = |key: &str, version: i32, name: &str| json!({ "key": key, "version": version, "name": name, "applies_to": applies_to, "current": true, "default": key == "conservative", "own": false });
    let listed = [
        entry("conservative", 2, "Careful"),
        entry("day-by-day", 1, "Day by day"),
        entry("hour-by-hour", 1, "Hour by hour"),
        entry("own-plan", 1, "Careful"),
    ];
    assert_eq!(*items(&list), listed);
    let beyond = app.get("/v1/protocols/from-tomorrow/versions/1", &clinician.token).await;
    assert_eq!(beyond.problem(503), "unavailable");

    assert_eq!(app.get("/v1/protocols", &patient.token).await.problem(403), "forbidden");
    assert_eq!(app.get("/v1/protocols", "").await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn a_version_is_told_whole_with_words_and_evidence() {
    let (app, clinician, patient) = staffed().await;
    let path = "/v1/protocols/conservative/versions/2";
    let told = app.get(path, &clinician.token).await.expect(200);
    let version = &builtin().unwrap()[0].version;
    let hash: String = content_hash(version).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(told["content_hash"], json!(hash));
    assert_eq!((&told["locale"], &told["name"]), (&json!("en"), &json!(version.base_texts().name)));

    let structure = &version.structure;
    for (told, item) in items(&told).iter().zip(&structure.items) {
        let words = &version.base_texts().items[&item.key];
        assert_eq!((&told["key"], &told["title"]), (&json!(item.key), &json!(words.title)));
        assert_eq!(told.get("why"), words.why.as_ref().map(|why| json!(why)).as_ref(), "{}", item.key);
        let ids: Vec<&str> = told["evidence"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect();
        assert_eq!(ids, item.evidence, "{}", item.key);
        assert_eq!(told["reminders"].as_array().unwrap().len(), item.reminders.len(), "{}", item.key);
        assert_eq!(told.get("window"), item.window.as_ref().map(|w| serde_json::to_value(w).unwrap()).as_ref());
    }
    let counts = |name: &str| told[name].as_array().unwrap().len();
    assert_eq!(counts("items"), structure.items.len());
    assert_eq!(counts("phases"), structure.phases.len());
    assert_eq!(counts("triage"), structure.triage.len());
    assert_eq!(counts("check_in"), structure.check_in_fields.len());
    assert_eq!(counts("advice"), version.base_texts().advice.len());
    assert!(told["phases"].as_array().unwrap().iter().all(|phase| phase["title"].is_string()));
    assert!(told["check_in"].as_array().unwrap().iter().all(|field| field["question"].is_string()));

    let make_up = items(&told).iter().find(|item| item["key"] == "make_up").unwrap();
    assert_eq!(make_up["range"], json!({ "min": "PT24H", "max": "P5D" }));
    let disagreement = make_up["evidence"].as_array().unwrap().iter().find(|e| e["id"] == "C01").unwrap();
    assert!(disagreement["positions"].as_array().unwrap().len() > 1, "{disagreement}");
    assert!(disagreement["decision"].is_string());
    let voice = &disagreement["cited"][0];
    assert!(["manufacturer", "clinic", "blog"].contains(&voice["grade"].as_str().unwrap()), "{voice}");
    assert!(voice["title"].is_string() && voice["at"].is_string() && voice["source"].is_string());

    for missing in [
        "/v1/protocols/conservative/versions/3",
        "/v1/protocols/nobodys/versions/1",
        "/v1/protocols/conservative/versions/one",
    ] {
        assert_eq!(app.get(missing, &clinician.token).await.problem(404), "not_found", "{missing}");
    }
    assert_eq!(app.get(path, &patient.token).await.problem(403), "forbidden");
}

#[tokio::test]
async fn a_version_that_was_stored_by_another_program_is_told_as_well() {
    let (app, clinician, _) = staffed().await;
    publish_copy(&mut open(&app.database).await, Uuid::from_u128(5)).await;
    let told = app.get("/v1/protocols/own-plan/versions/1", &clinician.token).await.expect(200);
    assert_eq!((&told["key"], &told["version"]), (&json!("own-plan"), &json!(1)));
}

#[tokio::test]
async fn everybody_may_read_the_questions_and_answers() {
    let (app, clinician, patient) = staffed().await;
    let version = &builtin().unwrap()[0].version;
    let asked = version.structure.items.iter().filter(|item| item.kind == Kind::Faq).count();
    let told = app.get("/v1/faqs", &patient.token).await.expect(200);
    assert_eq!(told["protocol"], json!({ "key": "conservative", "version": 2 }));
    assert_eq!(items(&told).len(), asked);
    for faq in items(&told) {
        let words = &version.base_texts().items[faq["key"].as_str().unwrap()];
        assert_eq!((&faq["question"], &faq["answer"]), (&json!(words.title), &json!(words.body)));
        assert!(!faq["evidence"].as_array().unwrap().is_empty());
    }
    assert_eq!(app.get("/v1/faqs", &clinician.token).await.expect(200), told);
    assert_eq!(app.get("/v1/faqs", "").await.problem(401), "unauthenticated");

    // A protocol that is gone must not leave the clinic's patients without answers.
    app.sql("UPDATE clinics SET default_protocol = 'retired'").await;
    assert_eq!(app.get("/v1/faqs", &patient.token).await.expect(200), told);
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again() {
    let (app, clinician, _) = staffed().await;
    for path in ["/v1/protocols", "/v1/protocols/conservative/versions/2", "/v1/faqs"] {
        let first = app.get(path, &clinician.token).await;
        assert_eq!(first.headers["content-language"], "en");
        assert_eq!(first.headers["cache-control"], "private, no-cache");
        let tag = first.headers["etag"].to_str().unwrap();
        let second = get_with(&app, path, &clinician.token, ("if-none-match", tag)).await;
        assert_eq!((second.status.as_u16(), second.text.as_str()), (304, ""), "{path}");
        assert_eq!(second.headers["etag"], tag);
        assert_eq!(second.headers["cache-control"], "private, no-cache");
        let other = get_with(&app, path, &clinician.token, ("if-none-match", "W/\"another\"")).await;
        assert_eq!(other.expect(200), first.body);
    }
}

/// No translation of a built-in protocol has been reviewed yet: a stored one has.
#[tokio::test]
async fn words_come_in_the_language_that_is_asked_for_once_they_are_reviewed() {
    let (app, clinician, _) = staffed().await;
    let mut conn = open(&app.database).await;
    publish_copy(&mut conn, Uuid::from_u128(6)).await;
    let translate = |locale: &str, reviewed: bool| {
        format!(
            "INSERT INTO protocol_texts SELECT version_id, '{locale}', t.content_hash,
                 replace(replace(replace(texts, 'name = \"Careful\"', 'name = \"{locale}\"'),
                     'locale = \"en\"', 'locale = \"{locale}\"'), 'reviewed = false', 'reviewed = {reviewed}'),
                 {reviewed}, t.registered_at
               FROM protocol_texts t JOIN protocol_versions v ON v.id = version_id WHERE v.key = 'own-plan' AND locale = 'en'"
        )
    };
    app.sql(&translate("fr", true)).await;
    app.sql(&translate("it", false)).await;
    let path = "/v1/protocols/own-plan/versions/1";
    let mut tags = Vec::new();
    for (asked, spoken) in [("fr-CA, en;q=0.5", "fr"), ("it, fr;q=0.5", "fr"), ("it", "en"), ("en", "en")] {
        let answer = get_with(&app, path, &clinician.token, ("accept-language", asked)).await;
        assert_eq!(answer.headers["content-language"], spoken, "{asked}");
        assert!(answer.headers.get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("accept-language")));
        tags.push(answer.headers["etag"].clone());
        let body = answer.expect(200);
        assert_eq!(body["locale"], spoken, "{asked}");
        assert_eq!(body["name"], if spoken == "fr" { "fr" } else { "Careful" });
    }
    assert_eq!((&tags[0], &tags[2]), (&tags[1], &tags[3]));
    assert_ne!(tags[0], tags[2]);
}
