//! What stands behind a protocol version, and what another one would change, over HTTP.

use std::collections::BTreeSet;

use mendline::domain::protocol::{ProtocolVersion, builtin, disagreements};
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestApp, send};

async fn staffed() -> (TestApp, String, String) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let (clinician, patient) = (app.stage(clinic, Role::Clinician).await, app.stage(clinic, Role::Patient).await);
    (app, clinician.token, patient.token)
}

fn default() -> &'static ProtocolVersion {
    &builtin().unwrap()[0].version
}

/// The path of the default protocol's newest version.
fn version() -> String {
    format!("/v1/protocols/{}/versions/{}", default().key(), default().number())
}

/// Publishes the default protocol once more as `own-plan`, with one text of its structure and one of its words replaced.
async fn publish(app: &TestApp, structure: (&str, &str), words: (&str, &str)) {
    let (id, key, number) = (Uuid::new_v4(), default().key(), default().number());
    let quoted = |text: &str| format!("$q${text}$q$");
    let [find, with, said, says] = [structure.0, structure.1, words.0, words.1].map(quoted);
    app.sql(&format!(
        "INSERT INTO protocol_versions
         SELECT '{id}', 'own-plan', 7, content_hash, replace(replace(replace(structure, $q$key = \"{key}\"$q$,
                $q$key = \"own-plan\"$q$), $q$version = {number}$q$, 'version = 7'), {find}, {with}), base_locale, registered_at
           FROM protocol_versions WHERE key = '{key}' AND version = {number};
         INSERT INTO protocol_texts
         SELECT '{id}', locale, t.content_hash, replace(texts, {said}, {says}), reviewed, t.registered_at
           FROM protocol_texts t JOIN protocol_versions v ON v.id = version_id
          WHERE key = '{key}' AND version = {number} AND locale = v.base_locale;"
    ))
    .await;
}

fn list<'a>(value: &'a Value, name: &str) -> &'a Vec<Value> {
    value[name].as_array().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn find<'a>(entries: &'a [Value], name: &str, word: &str) -> &'a Value {
    entries.iter().find(|entry| entry[name] == word).unwrap_or_else(|| panic!("{word} is not among {entries:#?}"))
}

#[tokio::test]
async fn every_disagreement_is_told_with_all_voices_and_what_the_version_makes_of_it() {
    let (app, clinician, _) = staffed().await;
    let told = app.get(&format!("{}/disagreements", version()), &clinician).await.expect(200);
    assert_eq!(told["protocol"], json!({ "key": default().key(), "version": default().number() }));
    let expected = disagreements(default());
    assert_eq!(list(&told, "items").len(), expected.len());
    for (told, expected) in list(&told, "items").iter().zip(&expected) {
        assert_eq!((&told["id"], &told["topic"]), (&json!(expected.id), &json!(expected.fact.value)));
        assert_eq!(list(told, "positions").len(), expected.voices.len(), "{}", expected.id);
        let keys = |name: &str| -> Vec<&str> { list(told, name).iter().map(|e| e["key"].as_str().unwrap()).collect() };
        assert_eq!(keys("carried_by"), expected.items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>());
        assert_eq!(keys("rules"), expected.rules.iter().map(|rule| rule.key.as_str()).collect::<Vec<_>>());
    }

    let make_up = find(list(&told, "items"), "id", "C01");
    assert!(make_up["default_decision"].as_str().unwrap().contains("72 hours"), "{make_up}");
    let voice = find(list(make_up, "positions"), "source", "blog_care");
    assert_eq!(
        (&voice["grade"], &voice["says"], &voice["at"]),
        (&json!("blog"), &json!("24 hours"), &json!(["L168, L228"]))
    );
    assert!(voice["title"].as_str().is_some_and(|title| !title.is_empty()));
    let carried = find(list(make_up, "carried_by"), "key", "make_up");
    assert_eq!(carried["window"]["to"], "PT72H");
    assert_eq!(
        (&carried["soft"], &carried["range"]),
        (&json!({ "to": "P7D" }), &json!({ "min": "PT24H", "max": "P5D" }))
    );
    assert_eq!((&carried["stance"], &carried["product_decision"]), (&json!("longest_wait_softly"), &json!(false)));
    assert!(carried["title"].is_string() && carried["why"].is_string());
    let grades: BTreeSet<&str> = list(&told, "items")
        .iter()
        .flat_map(|item| list(item, "positions"))
        .map(|voice| voice["grade"].as_str().unwrap())
        .collect();
    assert_eq!(grades, BTreeSet::from(["blog", "clinic", "manufacturer"]));
}

#[tokio::test]
async fn a_version_that_waits_less_shows_it_beside_the_same_voices() {
    let (app, clinician, _) = staffed().await;
    let (long, short) = ("\"PT72H\" }\nsoft = { to = \"P7D\" }", "\"PT24H\" }\nsoft = { to = \"PT48H\" }");
    publish(&app, (long, short), ("", "")).await;
    let told = app.get("/v1/protocols/own-plan/versions/7/disagreements", &clinician).await.expect(200);
    let make_up = find(list(&told, "items"), "id", "C01");
    let carried = find(list(make_up, "carried_by"), "key", "make_up");
    assert_eq!((&carried["window"]["to"], &carried["stance"]), (&json!("PT24H"), &json!("shorter_wait")));
    assert_eq!(list(make_up, "positions").len(), 3);
}

#[tokio::test]
async fn what_another_version_changes_is_told_in_days_and_hours() {
    let (app, clinician, _) = staffed().await;
    let title = &default().base_texts().items["make_up"].title;
    let (title, other) = (format!("title = \"{title}\""), "title = \"Anything that covers\"".to_owned());
    let (long, short) = ("\"PT72H\" }\nsoft = { to = \"P7D\" }", "\"PT48H\" }\nsoft = { to = \"P5D\" }");
    publish(&app, (long, short), (&title, &other)).await;
    let path = format!("{}/diff?with=own-plan@7", version());
    let answer = app.get(&path, &clinician).await;
    assert_eq!(answer.headers["content-language"], "en");
    assert_eq!(answer.headers["cache-control"], "private, no-cache");
    let tag = answer.headers["etag"].to_str().unwrap().to_owned();
    let there = answer.expect(200);
    assert_eq!(there["from"], json!({ "key": default().key(), "version": default().number() }));
    assert_eq!(there["to"], json!({ "key": "own-plan", "version": 7 }));
    let make_up = find(list(&there, "items"), "key", "make_up");
    assert_eq!((&make_up["kind"], &make_up["fate"]), (&json!("restriction"), &json!("changed")));
    assert_eq!(make_up["title"], "Anything that covers");
    let changes = list(make_up, "changes");
    assert_eq!(
        *find(changes, "aspect", "closes"),
        json!({ "aspect": "closes", "before": "PT72H", "after": "PT48H", "by": "-PT24H" })
    );
    assert_eq!(find(changes, "aspect", "soft_closes")["by"], "-PT48H");
    assert!(find(changes, "aspect", "title").get("by").is_none());

    let (key, number) = (default().key(), default().number());
    let back = format!("/v1/protocols/own-plan/versions/7/diff?with={key}@{number}");
    let back = app.get(&back, &clinician).await.expect(200);
    let make_up = find(list(&back, "items"), "key", "make_up");
    assert_eq!(find(list(make_up, "changes"), "aspect", "closes")["by"], "PT24H");

    let request = app.request(Method::GET, &path, &clinician).header("if-none-match", tag);
    assert_eq!(send(request).await.status, 304);
}

#[tokio::test]
async fn a_version_does_not_differ_from_itself() {
    let (app, clinician, _) = staffed().await;
    let name = format!("{}@{}", default().key(), default().number());
    let told = app.get(&format!("{}/diff?with={name}", version()), &clinician).await.expect(200);
    for (section, entries) in told.as_object().unwrap().iter().filter(|(_, value)| value.is_array()) {
        assert_eq!(entries, &json!([]), "{section}");
    }
}

#[tokio::test]
async fn what_cannot_be_compared_is_pointed_at() {
    let (app, clinician, patient) = staffed().await;
    let diff = format!("{}/diff", version());
    for query in [
        "",
        "?with=",
        "?with=conservative",
        "?with=@1",
        "?with=conservative@x",
        "?with=conservative@0",
        "?with=conservative@99",
        "?with=nobodys@1",
        "?with=a%00b@1",
        "?with=conservative@1@",
        "?with=x@99999999999",
    ] {
        let problem = app.get(&format!("{diff}{query}"), &clinician).await.expect(400);
        assert_eq!(problem["errors"][0]["pointer"], "with", "{query}: {problem}");
    }
    let unknown = app.get(&format!("{diff}?with=conservative@1&colour=red"), &clinician).await.expect(400);
    assert_eq!(unknown["errors"][0]["pointer"], "colour");
    for path in ["/v1/protocols/conservative/versions/99", "/v1/protocols/nobodys/versions/1"] {
        for end in ["disagreements", "diff?with=conservative@1"] {
            assert_eq!(app.get(&format!("{path}/{end}"), &clinician).await.problem(404), "not_found", "{path}/{end}");
        }
    }
    for path in [format!("{}/disagreements", version()), format!("{diff}?with=conservative@1")] {
        assert_eq!(app.get(&path, &patient).await.problem(403), "forbidden");
    }
}

#[tokio::test]
async fn a_plan_that_follows_one_voice_says_how_it_differs_from_the_careful_one() {
    let (app, clinician, _) = staffed().await;
    let told = app.get(&format!("{}/diff?with=hour-by-hour@1", version()), &clinician).await.expect(200);
    let exercise = find(list(&told, "items"), "key", "exercise");
    assert_eq!(
        *find(list(exercise, "changes"), "aspect", "closes"),
        json!({ "aspect": "closes", "before": "PT72H", "after": "PT24H", "by": "-PT48H" })
    );
    let visit = find(list(&told, "items"), "key", "loose_skin_visit");
    assert_eq!((&visit["fate"], &visit["kind"]), (&json!("added"), &json!("follow_up")));

    let path = "/v1/protocols/hour-by-hour/versions/1/disagreements";
    let told = app.get(path, &clinician).await.expect(200);
    let sport = find(list(&told, "items"), "id", "C14");
    let carried = find(list(sport, "carried_by"), "key", "exercise");
    assert_eq!((&carried["window"]["to"], &carried["stance"]), (&json!("PT24H"), &json!("shorter_wait")));
}
