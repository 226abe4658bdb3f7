//! Clinics write protocols: drafts that may be at fault, what is wrong with them, publishing for good.

use std::time::Instant;

use diesel_async::SimpleAsyncConnection;
use mendline::db::Connector;
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Staged, TestApp, send};

/// A part of the careful protocol that can be changed without breaking anything.
const MAKE_UP: &str = "key = \"make_up\"";

async fn staffed() -> (TestApp, Staged, Staged) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let (admin, clinician) = (app.stage(clinic, Role::Administrator).await, app.stage(clinic, Role::Clinician).await);
    (app, admin, clinician)
}

fn text<'a>(draft: &'a Value, field: &str) -> &'a str {
    draft[field].as_str().unwrap()
}

fn path(draft: &Value) -> String {
    format!("/v1/protocol-drafts/{}", text(draft, "id"))
}

#[tokio::test]
async fn a_draft_of_a_built_in_protocol_becomes_the_clinics_own_version() {
    let (app, admin, clinician) = staffed().await;
    let draft = app.draft(&clinician.token, "own-gentle").await;
    assert_eq!((&draft["key"], &draft["number"], &draft["sound"]), (&json!("own-gentle"), &json!(1), &json!(true)));
    let listed = app.get("/v1/protocol-drafts", &clinician.token).await.expect(200);
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["locales"]), (&draft["id"], &json!(["en", "es"])));

    assert_eq!(app.publish(&clinician.token, &draft).await.problem(403), "forbidden");
    let answer = app.publish(&admin.token, &draft).await;
    assert_eq!(answer.headers["location"], "/v1/protocols/own-gentle/versions/1");
    let published = answer.expect(201);
    assert_eq!(published["published_by"], json!(admin.caller.user_id));
    let told = app.get("/v1/protocols/own-gentle/versions/1", &clinician.token).await.expect(200);
    for field in ["key", "version", "content_hash", "own", "published_by", "published_at"] {
        assert_eq!(told[field], published[field], "{field}");
    }
    let built_in = app.get("/v1/protocols/conservative/versions/2", &clinician.token).await.expect(200);
    assert_ne!(told["content_hash"], built_in["content_hash"]);
    assert_eq!((&told["items"], &built_in["own"]), (&built_in["items"], &json!(false)));

    // The draft is the version now: asking again finds it, and nothing is left to edit.
    assert_eq!(app.publish(&admin.token, &draft).await.expect(201), published);
    assert_eq!(app.get(&path(&draft), &admin.token).await.problem(404), "not_found");
    assert_eq!(app.get("/v1/protocol-drafts", &admin.token).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn new_treatments_get_the_newest_version_and_running_ones_keep_theirs() {
    let (app, admin, clinician) = staffed().await;
    let clinic = clinician.caller.clinic_id;
    app.published(&admin.token, "own-gentle", MAKE_UP, MAKE_UP).await;
    let patient = app.stage(clinic, Role::Patient).await;
    let treat = async |days: i64, protocol: Option<&str>| {
        let mut body = json!({ "patient_id": patient.caller.patient_id, "performed_at": app.care.now() - chrono::TimeDelta::days(days) });
        if let Some(protocol) = protocol {
            body["protocol"] = json!(protocol);
        }
        app.post("/v1/treatments", &clinician.token, body).await
    };
    let first = treat(1, Some("own-gentle")).await.expect(201);
    assert_eq!(first["protocol"], json!({ "key": "own-gentle", "version": 1 }));

    // The next version: a copy of the clinic's own keeps its key.
    let next = app.post("/v1/protocol-drafts", &clinician.token, json!({ "from": "own-gentle@1" })).await.expect(201);
    assert_eq!((&next["key"], &next["number"]), (&json!("own-gentle"), &json!(2)));
    app.publish(&admin.token, &next).await.expect(201);
    assert_eq!(treat(3, Some("own-gentle")).await.expect(201)["protocol"]["version"], json!(2));
    let path = format!("/v1/treatments/{}", text(&first, "id"));
    assert_eq!(app.get(&path, &clinician.token).await.expect(200)["protocol"]["version"], json!(1));

    // A course may ask for it; then its sessions get it, unless staff name another.
    let course = json!({ "patient_id": patient.caller.patient_id, "area": "neck", "protocol": "own-gentle" });
    let course = app.post("/v1/courses", &clinician.token, course).await.expect(201);
    assert_eq!(course["protocol"], json!("own-gentle"));
    let session = async |days: i64, more: Value| {
        let mut body = json!({
            "patient_id": patient.caller.patient_id, "performed_at": app.care.now() - chrono::TimeDelta::days(days),
            "area": "neck", "protocol_reason": "agreed with the patient",
        });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        app.post("/v1/treatments", &clinician.token, body).await.expect(201)
    };
    let of_course = session(1, json!({})).await;
    assert_eq!((&of_course["course_id"], &of_course["protocol"]["key"]), (&course["id"], &json!("own-gentle")));
    assert_eq!(session(4, json!({ "protocol": "conservative" })).await["protocol"]["key"], json!("conservative"));

    // It may be the clinic's default; then whoever chooses nothing gets it.
    app.patch("/v1/clinic", &admin.token, json!({ "default_protocol": "own-gentle" })).await.expect(200);
    assert_eq!(treat(5, None).await.expect(201)["protocol"], json!({ "key": "own-gentle", "version": 2 }));
    let list = app.get("/v1/protocols", &clinician.token).await.expect(200);
    let own: Vec<_> = list["items"].as_array().unwrap().iter().filter(|item| item["own"] == true).collect();
    let standing = |index: usize| (&own[index]["version"], &own[index]["current"], &own[index]["default"]);
    assert_eq!(standing(0), (&json!(2), &json!(true), &json!(true)));
    assert_eq!(standing(1), (&json!(1), &json!(false), &json!(false)));
    let faqs = app.get("/v1/faqs", &patient.token).await.expect(200);
    assert_eq!(faqs["protocol"], json!({ "key": "own-gentle", "version": 2 }));
}

#[tokio::test]
async fn another_clinic_neither_sees_nor_uses_what_a_clinic_wrote() {
    let (app, admin, _) = staffed().await;
    let rival_clinic = app.stage_clinic().await;
    let rival = app.stage(rival_clinic, Role::Administrator).await;
    let patient = app.stage(rival_clinic, Role::Patient).await;
    let draft = app.draft(&admin.token, "own-gentle").await;
    app.published(&admin.token, "own-plan", MAKE_UP, MAKE_UP).await;

    for path in [path(&draft), format!("{}/preview?performed_at=2026-03-02T10:00:00Z&time_zone=UTC", path(&draft))] {
        assert_eq!(app.get(&path, &rival.token).await.problem(404), "not_found", "{path}");
    }
    assert_eq!(app.publish(&rival.token, &draft).await.problem(404), "not_found");
    for path in ["", "/disagreements", "/diff?with=conservative@2"] {
        let path = format!("/v1/protocols/own-plan/versions/1{path}");
        assert_eq!(app.get(&path, &admin.token).await.status, 200, "{path}");
        assert_eq!(app.get(&path, &rival.token).await.problem(404), "not_found", "{path}");
    }
    let diff = "/v1/protocols/conservative/versions/2/diff?with=own-plan@1";
    assert_eq!(app.get(diff, &rival.token).await.problem(400), "malformed");
    let list = app.get("/v1/protocols", &rival.token).await.expect(200);
    assert!(list["items"].as_array().unwrap().iter().all(|item| item["own"] == false), "{list}");
    let copy = app.post("/v1/protocol-drafts", &rival.token, json!({ "from": "own-plan@1" })).await;
    assert_eq!(copy.expect(422)["errors"][0]["pointer"], "/from");
    let body =
        json!({ "patient_id": patient.caller.patient_id, "performed_at": app.care.now(), "protocol": "own-plan" });
    assert_eq!(app.post("/v1/treatments", &rival.token, body).await.expect(422)["errors"][0]["pointer"], "/protocol");
    let course = json!({ "patient_id": patient.caller.patient_id, "protocol": "own-plan" });
    let refused = app.post("/v1/courses", &rival.token, course).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/protocol");
    let default = app.patch("/v1/clinic", &rival.token, json!({ "default_protocol": "own-plan" })).await;
    assert_eq!(default.expect(422)["errors"][0]["pointer"], "/default_protocol");

    // The same name at another clinic is another protocol, and counts from one.
    let theirs = app.published(&rival.token, "own-plan", MAKE_UP, MAKE_UP).await;
    assert_eq!(theirs["version"], json!(1));
}

#[tokio::test]
async fn an_impossible_protocol_is_kept_as_a_draft_and_refused_with_every_fault() {
    let (app, admin, _) = staffed().await;
    let draft = app.draft(&admin.token, "own-gentle").await;
    let sound = text(&draft, "structure");
    let item = |body: &str| format!("{sound}\n[[items]]\nkey = \"extra\"\nproduct_decision = true\n{body}\n");
    let index = sound.matches("[[items]]").count();
    let at = |rest: &str| format!("/structure/items/{index}{rest}");
    let cases = [
        ("a cycle of links", item("kind = \"faq\"\nlinks = [\"extra\"]"), at("/links/0"), "links to itself"),
        (
            "a cycle of phases",
            sound.replacen("phases = [", "phases = [\n{ key = \"later\", from = \"P9D\" },", 1),
            "/structure/phases/0".to_owned(),
            "must start with the treatment",
        ),
        (
            "an overlap",
            item(
                "kind = \"routine\"\nwindow = { basis = \"local_day\", from_day = 1, to_day = 2 }\n\
                  recurrence = { kind = \"times\", times = [{ from = \"08:00\", to = \"12:00\" }, { from = \"11:00\", to = \"13:00\" }] }",
            ),
            at("/recurrence"),
            "overlapping windows",
        ),
        (
            "no bound",
            item("kind = \"restriction\"\nwindow = { basis = \"elapsed\" }"),
            at("/window"),
            "needs a bound or a cap",
        ),
        ("an unknown key", item("kind = \"faq\"\ncolour = 1"), at("/colour"), "unknown key"),
        (
            "more than can be done",
            item(
                "kind = \"routine\"\nwindow = { basis = \"local_day\", from_day = 0, to_day = 730 }\n\
                  recurrence = { kind = \"times\", times = [",
            ) + &slots()
                + "] }\n",
            at(""),
            "more than 10000 tasks",
        ),
        ("no TOML", "key = [[[".to_owned(), "/structure".to_owned(), ""),
    ];
    let mut draft = draft.clone();
    for (what, structure, pointer, reason) in cases {
        draft = app.edit_draft(&admin.token, &draft, &structure).await;
        assert_eq!((&draft["sound"], text(&draft, "structure")), (&json!(false), structure.as_str()), "{what}");
        let faults = draft["faults"].as_array().unwrap();
        let found = faults.iter().find(|fault| fault["pointer"] == pointer.as_str());
        let found = found.unwrap_or_else(|| panic!("{what}: no {pointer} in {faults:#?}"));
        assert!(text(found, "detail").contains(reason), "{what}: {found}");
        let refused = app.publish(&admin.token, &draft).await.expect(422);
        let line = format!("line {}: {}", found["line"], text(found, "detail"));
        let told = refused["errors"].as_array().unwrap();
        assert!(told.contains(&json!({ "pointer": pointer, "detail": line })), "{what}: {refused}");
        let preview = format!("{}/preview?performed_at=2026-03-02T10:00:00Z&time_zone=UTC", path(&draft));
        assert_eq!(app.get(&preview, &admin.token).await.problem(422), "invalid", "{what}");
    }
    // Texts are at fault where they stand, too.
    let texts = json!([{ "locale": "en", "toml": "locale = \"en\"\nreviewed = true\nname = \"x\"\nshade = 1\n" }]);
    let body = json!({ "structure": sound, "texts": texts });
    let draft = app.on_seen(Method::PUT, &path(&draft), &admin.token, &draft["version"], body).await.expect(200);
    let faults = draft["faults"].as_array().unwrap();
    let fault = |pointer: &str| faults.iter().any(|fault| fault["pointer"] == pointer);
    assert!(fault("/texts/0/toml/shade") && fault("/texts/0/toml/items"), "{faults:#?}");
    assert_eq!(app.get("/v1/protocols/own-gentle/versions/1", &admin.token).await.problem(404), "not_found");
}

/// A slot of every five minutes.
fn slots() -> String {
    let time = |minutes: usize| format!("{:02}:{:02}", minutes / 60, minutes % 60);
    let slot = |n: usize| format!("{{ from = \"{}\", to = \"{}\" }}", time(n * 5), time(n * 5 + 5));
    (0..280).map(slot).collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn hostile_protocols_cost_little_and_their_faults_are_listed_up_to_a_limit() {
    let (app, admin, _) = staffed().await;
    let draft = app.draft(&admin.token, "own-gentle").await;
    let nested = format!("items = {}{}", "[".repeat(200_000), "]".repeat(200_000));
    let many_keys: String = (0..90_000).map(|n| format!("a{n}=1\n")).collect();
    let cases = [
        ("100,000 items", format!("items = [{}]", "{},".repeat(100_000)), "100000 items are more than the 500"),
        ("100,000 rules", format!("triage = [{}]", "{},".repeat(100_000)), "entries are more than 1000"),
        ("90,000 unknown keys", many_keys, "more faults are not listed"),
        ("a deep nest", nested, ""),
    ];
    let mut draft = draft.clone();
    for (what, structure, reason) in cases {
        let started = Instant::now();
        draft = app.edit_draft(&admin.token, &draft, &structure).await;
        assert!(started.elapsed().as_secs() < 20, "{what}: {:?}", started.elapsed());
        let faults = draft["faults"].as_array().unwrap();
        assert!((1..=101).contains(&faults.len()), "{what}: {}", faults.len());
        assert!(faults.iter().any(|fault| text(fault, "detail").contains(reason)), "{what}: {faults:#?}");
    }

    let files = |structure: String| json!({ "structure": structure, "texts": [] });
    let too_long = app.post("/v1/protocol-drafts", &admin.token, files("#".repeat(1_000_001))).await.expect(422);
    assert!(text(&too_long["errors"][0], "detail").contains("1000001 bytes"), "{too_long}");
    let refused = app.post("/v1/protocol-drafts", &admin.token, files("#".repeat(10_000_000))).await;
    assert_eq!(refused.problem(413), "payload_too_large");
    let nul = app.post("/v1/protocol-drafts", &admin.token, files("key = \"\u{0}\"".to_owned())).await;
    assert_eq!(nul.problem(400), "malformed");
    // What is larger than other operations take is taken here.
    app.post("/v1/protocol-drafts", &admin.token, files("#".repeat(900_000))).await.expect(201);
}

#[tokio::test]
async fn what_is_asked_of_a_new_draft_is_checked() {
    let (app, admin, _) = staffed().await;
    let texts = |locale: &str| json!([{ "locale": locale, "toml": "" }, { "locale": "en", "toml": "" }]);
    let cases = [
        (json!({}), ""),
        (json!({ "from": "conservative@2", "structure": "" }), ""),
        (json!({ "structure": "", "key": "own-plan" }), ""),
        (json!({ "from": "conservative" }), "/from"),
        (json!({ "from": "conservative@9", "key": "own-plan" }), "/from"),
        (json!({ "from": "conservative@2" }), "/key"),
        (json!({ "from": "conservative@2", "key": "gentle" }), "/key"),
        (json!({ "from": "conservative@2", "key": "own-Gentle" }), "/key"),
        (json!({ "structure": "", "texts": texts("english please") }), "/texts/0/locale"),
        (json!({ "structure": "", "texts": texts("en") }), "/texts/1/locale"),
    ];
    for (body, pointer) in cases {
        let refused = app.post("/v1/protocol-drafts", &admin.token, body.clone()).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}: {refused}");
    }
    for n in 0..20 {
        app.draft(&admin.token, &format!("own-{n}")).await;
    }
    let another = json!({ "from": "conservative@2", "key": "own-another" });
    assert_eq!(app.post("/v1/protocol-drafts", &admin.token, another.clone()).await.problem(409), "conflict");
    let listed = app.get("/v1/protocol-drafts", &admin.token).await.expect(200);
    let id = text(&listed["items"][0], "id");
    app.delete(&format!("/v1/protocol-drafts/{id}"), &admin.token).await.expect(204);
    app.post("/v1/protocol-drafts", &admin.token, another).await.expect(201);
}

#[tokio::test]
async fn a_version_has_the_clinics_next_number_and_a_name_of_its_own() {
    let (app, admin, _) = staffed().await;
    let mut draft = app.draft(&admin.token, "own-gentle").await;
    let sound = text(&draft, "structure").to_owned();
    for (find, replace, pointer) in [
        ("key = \"own-gentle\"", "key = \"conservative\"", "/structure/key"),
        ("key = \"own-gentle\"", "key = \"gentle\"", "/structure/key"),
        ("\nversion = 1\n", "\nversion = 2\n", "/structure/version"),
    ] {
        draft = app.edit_draft(&admin.token, &draft, &sound.replacen(find, replace, 1)).await;
        let refused = app.publish(&admin.token, &draft).await.expect(422);
        assert!(refused["errors"].as_array().unwrap().iter().any(|error| error["pointer"] == pointer), "{refused}");
    }
    draft = app.edit_draft(&admin.token, &draft, &sound).await;
    app.publish(&admin.token, &draft).await.expect(201);
    // The same number a second time is nobody's.
    let again = app.draft(&admin.token, "own-gentle").await;
    assert_eq!(again["number"], json!(2));
    let again = app.edit_draft(&admin.token, &again, &sound).await;
    let refused = app.publish(&admin.token, &again).await.expect(422);
    assert!(text(&refused["errors"][0], "detail").contains("the next version of `own-gentle` is 2"), "{refused}");
}

#[tokio::test]
async fn nobody_publishes_or_overwrites_what_somebody_else_has_edited_meanwhile() {
    let (app, admin, clinician) = staffed().await;
    let seen = app.draft(&clinician.token, "own-gentle").await;
    let changed = format!("{}# seen by nobody else\n", text(&seen, "structure"));
    let edited = app.edit_draft(&clinician.token, &seen, &changed).await;
    assert_eq!((&edited["version"], &edited["updated_by"]), (&json!(2), &json!(clinician.caller.user_id)));

    let body = json!({ "structure": "", "texts": [] });
    assert_eq!(app.publish(&admin.token, &seen).await.problem(412), "precondition_failed");
    let stale = app.on_seen(Method::PUT, &path(&seen), &admin.token, &seen["version"], body.clone()).await;
    assert_eq!(stale.problem(412), "precondition_failed");
    let stale = app.on_seen(Method::DELETE, &path(&seen), &admin.token, &seen["version"], json!({})).await;
    assert_eq!(stale.problem(412), "precondition_failed");
    assert_eq!(app.put(&path(&seen), &admin.token, body).await.problem(428), "precondition_required");
    let unseen = send(app.request(Method::POST, &format!("{}/publish", path(&seen)), &admin.token)).await;
    assert_eq!(unseen.problem(428), "precondition_required");

    // Whoever publishes at the same moment publishes the same.
    let (one, other) = tokio::join!(app.publish(&admin.token, &edited), app.publish(&admin.token, &edited));
    let published = one.expect(201);
    assert_eq!(other.expect(201), published);
    assert_eq!(app.publish(&admin.token, &edited).await.expect(201), published);
}

#[tokio::test]
async fn what_was_published_cannot_be_changed_by_anybody() {
    let (app, admin, _) = staffed().await;
    app.published(&admin.token, "own-gentle", MAKE_UP, MAKE_UP).await;
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    for key in ["own-gentle", "conservative"] {
        for statement in [
            format!("UPDATE protocol_versions SET structure = structure || '#' WHERE key = '{key}'"),
            format!("UPDATE protocol_versions SET content_hash = sha256('x') WHERE key = '{key}'"),
            format!("DELETE FROM protocol_versions WHERE key = '{key}'"),
            format!(
                "UPDATE protocol_texts SET texts = '' WHERE locale = 'en'
                    AND version_id = (SELECT id FROM protocol_versions WHERE key = '{key}')"
            ),
            format!(
                "DELETE FROM protocol_texts WHERE locale = 'en'
                    AND version_id = (SELECT id FROM protocol_versions WHERE key = '{key}')"
            ),
        ] {
            let refused = conn.batch_execute(&statement).await.unwrap_err().to_string();
            assert!(refused.contains("never change"), "{statement}: {refused}");
        }
    }
    conn.batch_execute("UPDATE protocol_texts SET texts = texts || '#' WHERE locale = 'es'").await.unwrap();
}

#[tokio::test]
async fn a_preview_shows_a_patients_timeline_before_anybody_gets_it() {
    let (app, admin, clinician) = staffed().await;
    let draft = app.draft(&clinician.token, "own-gentle").await;
    let structure = text(&draft, "structure");
    let from = structure.find(MAKE_UP).unwrap();
    let window = from + structure[from..].find("to = \"").unwrap();
    let end = window + structure[window..].find('}').unwrap();
    let longer = format!("{}to = \"P6D\" {}", &structure[..window], &structure[end..]);
    let draft = app.edit_draft(&clinician.token, &draft, &longer).await;
    assert_eq!(draft["faults"], json!([]));

    let at = "performed_at=2026-03-02T10:00:00Z&time_zone=America/New_York";
    let shown = app.get(&format!("{}/preview?{at}", path(&draft)), &clinician.token).await.expect(200);
    let make_up = |shown: &Value| {
        let items = shown["items"].as_array().unwrap();
        items.iter().find(|item| item["key"] == "make_up").unwrap()["close_at"].clone()
    };
    assert_eq!(make_up(&shown), json!("2026-03-08T10:00:00Z"));
    assert_eq!((&shown["protocol"]["key"], shown.get("treatment_id")), (&json!("own-gentle"), None));
    assert!(shown["tasks"].as_u64().unwrap() > 20, "{}", shown["tasks"]);
    let alerts = shown["alerts"].as_array().unwrap();
    assert!(alerts.iter().any(|alert| alert["item_key"] == "make_up" && alert["title"].is_string()), "{alerts:#?}");

    // For a patient of the clinic: with that person's clock, and nothing is written.
    let patient = app.stage(clinician.caller.clinic_id, Role::Patient).await;
    let performed_at = app.care.now() - chrono::TimeDelta::days(1);
    let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), performed_at).await;
    let preview = format!("{}/preview?treatment_id={treatment}", path(&draft));
    let shown = app.get(&preview, &admin.token).await.expect(200);
    let expected = performed_at + chrono::TimeDelta::days(6);
    assert_eq!(make_up(&shown).as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap(), expected);
    assert_eq!(shown["time_zone"], "Europe/Berlin");
    let kept = app.get(&format!("/v1/treatments/{treatment}"), &admin.token).await.expect(200);
    assert_eq!(kept["protocol"]["key"], "conservative");

    for (query, status) in [
        ("", 422),
        ("performed_at=2026-03-02T10:00:00Z", 422),
        ("performed_at=yesterday&time_zone=Europe/Berlin", 422),
        ("performed_at=2026-03-02T10:00:00Z&time_zone=Mars/Olympus", 422),
        ("treatment_id=zz", 400),
        (&format!("treatment_id={}", Uuid::new_v4()), 404),
    ] {
        let answer = app.get(&format!("{}/preview?{query}", path(&draft)), &clinician.token).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
    }
}
