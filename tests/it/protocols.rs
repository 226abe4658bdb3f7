//! Protocol versions: registered once, never changed, read once.

use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use mendline::clock::Clock;
use mendline::db::Connector;
use mendline::domain::protocol::{File, builtin, load};
use mendline::protocols::{
    Catalogue, CatalogueError, Published, RegisterError, check_registered, content_hash, register, register_built_ins,
};
use uuid::Uuid;

use crate::support::TestDatabase;

async fn open(database: &TestDatabase) -> AsyncPgConnection {
    Connector::new(&database.url, None).unwrap().open().await.unwrap()
}

/// Publishes the built-in protocol once more under a key of its own, as a clinic would its own version.
async fn publish_copy(conn: &mut AsyncPgConnection, id: Uuid) {
    let sql = format!(
        "INSERT INTO protocol_versions
         SELECT '{id}', 'own-plan', 1, content_hash, replace(structure, 'key = \"conservative\"', 'key = \"own-plan\"'),
                base_locale, registered_at FROM protocol_versions WHERE key = 'conservative';
         INSERT INTO protocol_texts
         SELECT '{id}', locale, t.content_hash, texts, reviewed, t.registered_at
           FROM protocol_texts t JOIN protocol_versions v ON v.id = version_id WHERE key = 'conservative';"
    );
    conn.batch_execute(&sql).await.unwrap();
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
    conn.batch_execute("UPDATE protocol_versions SET content_hash = sha256('another')").await.unwrap();
    for refused in [
        register_built_ins(&mut conn, Clock::system().now()).await.unwrap_err(),
        check_registered(&mut conn).await.unwrap_err(),
    ] {
        assert!(matches!(&refused, RegisterError::Changed { key, number: 1 } if key == "conservative"), "{refused}");
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
        let published = Published { id, content_hash: content_hash(&version).unwrap(), version: version.into() };
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
    conn.batch_execute("DELETE FROM protocol_texts; DELETE FROM protocol_versions").await.unwrap();
    assert_eq!(catalogue.version(&mut conn, id).await.unwrap(), version);
    assert_eq!(catalogue.numbered("own-plan", 1).unwrap().id, id);

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
