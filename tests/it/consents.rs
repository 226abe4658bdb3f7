//! What people agree to: in which version, until when, and what they are asked for.

use serde_json::{Value, json};

use crate::support::TestApp;

const PATH: &str = "/v1/me/consents";
const VERSIONS: [(&str, &str); 2] = [("MENDLINE_TERMS_VERSION", "2026-01"), ("MENDLINE_PRIVACY_VERSION", "7")];

fn of<'a>(list: &'a Value, kind: &str) -> &'a Value {
    list["items"].as_array().unwrap().iter().find(|item| item["kind"] == kind).unwrap()
}

#[tokio::test]
async fn a_person_agrees_to_the_current_version_and_takes_it_back() {
    let app = TestApp::start_with(&VERSIONS).await;
    let clinic = app.clinic().await;
    let token = &app.patient_of(&clinic).await.token;
    let first = app.get(PATH, token).await.expect(200);
    assert_eq!(of(&first, "terms"), &json!({ "kind": "terms", "current_version": "2026-01", "wanted": true }));
    let refused = app.put(PATH, token, json!({ "terms": "2025-12", "privacy": "7" })).await.expect(422);
    assert_eq!((&refused["errors"][0]["pointer"], refused["errors"].as_array().unwrap().len()), (&json!("/terms"), 1));
    let given = app.put(PATH, token, json!({ "terms": "2026-01", "privacy": "7" })).await.expect(200);
    assert_eq!((&of(&given, "terms")["wanted"], &of(&given, "privacy")["given_version"]), (&json!(false), &json!("7")));
    assert_eq!(
        app.put(PATH, token, json!({ "terms": "2026-01", "privacy": "7" })).await.expect(200),
        given,
        "said again"
    );
    let less = app.put(PATH, token, json!({ "privacy": "7" })).await.expect(200);
    assert_eq!((&of(&less, "terms")["wanted"], of(&less, "terms").get("given_at")), (&json!(true), None));
    assert_eq!(app.count("SELECT count(*) FROM consents").await, 2, "what was withdrawn is still known");
    assert_eq!(app.count("SELECT count(*) FROM consents WHERE withdrawn_at IS NOT NULL AND kind = 'terms'").await, 1);
    assert_eq!(app.count("SELECT count(*) FROM audit WHERE action LIKE 'consent.%'").await, 3);
}

#[tokio::test]
async fn a_newer_version_is_asked_for_and_what_stood_stands_until_then() {
    let app = TestApp::start_with(&VERSIONS).await;
    let clinic = app.clinic().await;
    let person = app.patient_of(&clinic).await;
    app.sql(&format!(
        "INSERT INTO consents (user_id, id, kind, version, given_at) VALUES ('{}', gen_random_uuid(), 'terms', '2025-03', '2025-03-01T00:00:00Z')",
        person.user_id
    ))
    .await;
    let list = app.get(PATH, &person.token).await.expect(200);
    assert_eq!(
        (&of(&list, "terms")["given_version"], &of(&list, "terms")["wanted"]),
        (&json!("2025-03"), &json!(true))
    );
    // The old one may stay for now; agreeing to the new one ends it.
    app.put(PATH, &person.token, json!({ "terms": "2025-03" })).await.expect(200);
    let newer = app.put(PATH, &person.token, json!({ "terms": "2026-01" })).await.expect(200);
    assert_eq!(of(&newer, "terms")["wanted"], false);
    assert_eq!(
        app.count("SELECT count(*) FROM consents WHERE version = '2025-03' AND withdrawn_at IS NOT NULL").await,
        1
    );
}

#[tokio::test]
async fn switching_details_on_is_agreeing_to_them_and_switching_them_off_takes_it_back() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let token = &app.patient_of(&clinic).await.token;
    let details = async || of(&app.get(PATH, token).await.expect(200), "lock_screen_details").clone();
    assert_eq!(details().await, json!({ "kind": "lock_screen_details", "current_version": "1", "wanted": false }));
    app.put("/v1/me/notification-preferences", token, json!({ "show_details": true })).await.expect(200);
    assert_eq!(details().await["given_version"], "1");
    app.put("/v1/me/notification-preferences", token, json!({ "show_details": false })).await.expect(200);
    assert!(details().await.get("given_version").is_none());
    assert_eq!(app.count("SELECT count(*) FROM consents WHERE withdrawn_at IS NOT NULL").await, 1);
}
