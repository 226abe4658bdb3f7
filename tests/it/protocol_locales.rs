//! A clinic may have its people spoken to in a translation that nobody has reviewed: its administrators say so.

use mendline::domain::role::Role;
use serde_json::{Value, json};

use crate::check_ins::{Scene, phone};
use crate::support::{Answer, TestApp};

const SPANISH: &str = "/v1/protocols/conservative/versions/2/locales/es";

async fn locale(app: &TestApp, staff: &str, locale: &str) -> Value {
    let list = app.get("/v1/protocols/conservative/versions/2/locales", staff).await.expect(200);
    let items = list["items"].as_array().unwrap();
    items.iter().find(|item| item["locale"] == locale).unwrap_or_else(|| panic!("{list}")).clone()
}

/// Has the clinic accept the Spanish words of the default protocol.
pub async fn accept(app: &TestApp, admin: &str) -> Answer {
    let hash = locale(app, admin, "es").await["content_hash"].clone();
    app.put(&format!("{SPANISH}/acceptance"), admin, json!({ "content_hash": hash })).await
}

/// In which language somebody who wants Spanish is answered, wherever the protocol's words are told.
async fn spoken(scene: &Scene, token: &str) -> Vec<String> {
    let treatment = scene.treatment;
    let mut languages = Vec::new();
    for path in [
        format!("/v1/treatments/{treatment}/timeline"),
        format!("/v1/treatments/{treatment}/guidance"),
        format!("/v1/treatments/{treatment}/tasks"),
        format!("/v1/treatments/{treatment}/check-ins"),
        format!("/v1/treatments/{treatment}/conditions"),
        "/v1/faqs".to_owned(),
        "/v1/alerts".to_owned(),
        "/v1/me/reminders".to_owned(),
    ] {
        let answer = scene.app.get_with(&path, token, "accept-language", "es").await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        languages.push(answer.headers["content-language"].to_str().unwrap().to_owned());
    }
    languages.sort();
    languages.dedup();
    languages
}

#[tokio::test]
async fn a_clinics_people_are_spoken_to_in_what_its_administrator_accepted_until_that_is_withdrawn() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let admin = app.stage(scene.patient.caller.clinic_id, Role::Administrator).await;
    let patients_phone = phone(app, &scene.patient).await;
    app.advance(chrono::TimeDelta::hours(4)).await;
    assert!(!scene.pushed(patients_phone).is_empty());
    assert_eq!(spoken(&scene, &scene.patient.token).await, ["en"]);
    assert_eq!(locale(app, &scene.clinician.token, "es").await["served"], json!(false));
    // Staff can read the words before anybody is told them.
    let words = app.get(SPANISH, &scene.clinician.token).await.expect(200);
    assert_eq!(
        (&words["locale"], &words["reviewed"], &words["name"]),
        (&json!("es"), &json!(false), &json!("Prudente"))
    );

    let accepted = accept(app, &admin.token).await.expect(200);
    assert_eq!((&accepted["served"], &accepted["changed_since"]), (&json!(true), &json!(false)));
    assert_eq!(accepted["accepted_by"], json!(admin.caller.user_id));
    assert_eq!(spoken(&scene, &scene.patient.token).await, ["es"]);
    assert_eq!(accept(app, &admin.token).await.expect(200), accepted);
    let worklist = app.get_with("/v1/patients", &scene.clinician.token, "accept-language", "es").await;
    assert_eq!(worklist.headers["content-language"], "es");
    // Whoever wants another language gets it as before.
    let english = app.get_with("/v1/faqs", &scene.patient.token, "accept-language", "en").await;
    assert_eq!(english.headers["content-language"], "en");

    let withdrawn = app.delete(&format!("{SPANISH}/acceptance"), &admin.token).await;
    withdrawn.expect(204);
    assert_eq!(spoken(&scene, &scene.patient.token).await, ["en"]);
    app.delete(&format!("{SPANISH}/acceptance"), &admin.token).await.expect(204);
    let again = accept(app, &admin.token).await.expect(200);
    assert_ne!(again["accepted_at"], accepted["accepted_at"]);
}

#[tokio::test]
async fn pushes_speak_the_accepted_language_too() {
    let scene = Scene::new().await;
    let app = &scene.app;
    let admin = app.stage(scene.patient.caller.clinic_id, Role::Administrator).await;
    let device = uuid::Uuid::new_v4();
    let body = json!({
        "provider": "fcm", "address": "a-phone", "locale": "es-MX", "time_zone": "Europe/Berlin", "permission": "granted",
    });
    app.put(&format!("/v1/me/devices/{device}"), &scene.patient.token, body).await.expect(201);
    let details = json!({ "show_details": true });
    app.put("/v1/me/notification-preferences", &scene.patient.token, details).await.expect(200);
    accept(app, &admin.token).await.expect(200);
    app.advance(chrono::TimeDelta::hours(4)).await;
    let pushed = scene.pushed(device);
    let rinse = pushed.iter().find_map(|push| push.text.body.as_deref().filter(|body| body.contains("cuatro horas")));
    assert!(rinse.is_some(), "{pushed:?}");
}

#[tokio::test]
async fn only_the_words_that_were_read_are_accepted_and_only_for_the_own_clinic() {
    let scene = Scene::new().await;
    let app = &scene.app;
    app.advance(chrono::TimeDelta::hours(4)).await;
    let admin = app.stage(scene.patient.caller.clinic_id, Role::Administrator).await;
    let (acceptance, other) = (format!("{SPANISH}/acceptance"), json!({ "content_hash": "00".repeat(32) }));
    assert_eq!(app.put(&acceptance, &admin.token, other.clone()).await.problem(409), "conflict");
    for (path, status) in [("en/acceptance", 409), ("fr/acceptance", 404), ("%00/acceptance", 404)] {
        let path = format!("/v1/protocols/conservative/versions/2/locales/{path}");
        assert_eq!(app.put(&path, &admin.token, other.clone()).await.status, status, "{path}");
    }

    let rival_clinic = app.stage_clinic().await;
    let rival = app.stage(rival_clinic, Role::Administrator).await;
    accept(app, &rival.token).await.expect(200);
    assert_eq!(locale(app, &admin.token, "es").await["served"], json!(false));
    assert_eq!(spoken(&scene, &scene.patient.token).await, ["en"]);

    // Words that are corrected have to be read again.
    accept(app, &admin.token).await.expect(200);
    app.sql("UPDATE protocol_texts SET content_hash = sha256('corrected') WHERE locale = 'es'").await;
    assert_eq!(spoken(&scene, &scene.patient.token).await, ["en"]);
    let outdated = locale(app, &admin.token, "es").await;
    assert_eq!((&outdated["served"], &outdated["changed_since"]), (&json!(false), &json!(true)));
    let anew = accept(app, &admin.token).await.expect(200);
    assert_eq!((&anew["served"], &anew["changed_since"]), (&json!(true), &json!(false)));
    assert_eq!(spoken(&scene, &scene.patient.token).await, ["es"]);
}
