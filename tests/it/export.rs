//! The archive of everything that is kept of a person, and a clinic's of one record.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::time::Duration;

use mendline::personal_data::{Whose, tables};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::people::{Clinic, PASSWORD, Person};
use crate::support::slow_reader::SlowReader;

/// The files of an archive.
type Files = BTreeMap<String, String>;

async fn export(app: &TestApp, path: &str, token: &str) -> Files {
    let body = json!({ "current_password": PASSWORD });
    let answer = app.request(Method::POST, path, token).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/zip");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let mut archive = zip::ZipArchive::new(Cursor::new(answer.bytes().await.unwrap())).unwrap();
    let mut files = Files::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        files.insert(file.name().unwrap().into_owned(), text);
    }
    files
}

fn rows(files: &Files, name: &str) -> Vec<Value> {
    serde_json::from_str(files.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", files.keys()))).unwrap()
}

async fn story() -> (TestApp, Clinic, Person) {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let phone = Uuid::new_v4();
    let device = json!({
        "provider": "fcm", "address": "the-phones-address", "locale": "de", "time_zone": "Europe/Berlin", "permission": "granted",
    });
    app.put(&format!("/v1/me/devices/{phone}"), &patient.token, device).await.expect(201);
    let treatment = json!({
        "patient_id": patient.patient(), "performed_at": app.care.now() - chrono::TimeDelta::days(1), "notes": "for staff alone",
    });
    let made = app.post("/v1/treatments", &clinic.admin.token, treatment).await.expect(201);
    let report = json!({ "recorded_at": app.care.now(), "symptoms": { "spreading": true }, "note": "in my own words" });
    let path = format!("/v1/treatments/{}/check-ins", made["id"].as_str().unwrap());
    app.post(&path, &patient.token, report).await.expect(201);
    (app, clinic, patient)
}

#[tokio::test]
async fn a_person_gets_everything_but_secrets_and_what_the_clinic_noted_for_itself() {
    let (app, clinic, patient) = story().await;
    let other = app.patient_of(&clinic).await;
    let files = export(&app, "/v1/me/export", &patient.token).await;
    assert_eq!(rows(&files, "login/users.json")[0]["email"], json!(patient.email));
    assert_eq!(rows(&files, "login/devices.json").len(), 1);
    let of_clinic = |name: &str| rows(&files, &format!("clinics/{}/{name}.json", clinic.id));
    assert_eq!(of_clinic("check_ins")[0]["note"], "in my own words");
    assert_eq!(of_clinic("flags")[0]["status"], "open");
    assert!(of_clinic("alerts").len() > 10);
    assert_eq!(of_clinic("patients")[0]["id"], json!(patient.patient()));
    let all = files.values().cloned().collect::<String>();
    for secret in ["the-phones-address", "$argon2", "for staff alone", &other.email, &clinic.admin.email] {
        assert!(!all.contains(secret), "{secret}");
    }
    // Every file that the lists promise, with every field, and the manifest says so.
    let manifest: Value = serde_json::from_str(&files["manifest.json"]).unwrap();
    assert!(files["README.txt"].contains("manifest.json"));
    for table in tables().filter(|table| !table.shown.is_empty()) {
        let folder =
            if matches!(table.whose, Whose::Login(_)) { "login".to_owned() } else { format!("clinics/{}", clinic.id) };
        let path = format!("{folder}/{}.json", table.name);
        let entries = rows(&files, &path);
        let listed = manifest["files"].as_array().unwrap().iter().find(|file| file["path"] == json!(path)).unwrap();
        assert_eq!(listed["rows"], json!(entries.len()), "{path}");
        for entry in entries {
            let fields: Vec<&String> = entry.as_object().unwrap().keys().collect();
            assert_eq!(fields.len(), table.shown.len(), "{path}: {fields:?}");
        }
    }
    assert_eq!(app.count("SELECT count(*) FROM audit WHERE action = 'login.export'").await, 1);
}

#[tokio::test]
async fn a_clinic_gets_one_record_with_its_notes_and_no_login_even_of_who_has_left() {
    let (app, clinic, patient) = story().await;
    let path = format!("/v1/patients/{}/export", patient.patient());
    let clinician = app.clinician_of(&clinic).await;
    let files = export(&app, &path, &clinician.token).await;
    assert!(files.keys().all(|name| !name.starts_with("login/")), "{:?}", files.keys());
    assert_eq!(rows(&files, &format!("clinics/{}/treatments.json", clinic.id))[0]["notes"], "for staff alone");
    assert_eq!(app.count("SELECT count(*) FROM audit WHERE action = 'patient.export'").await, 1);
    let clocks = app.state.clocks.clone();
    crate::support::seed::run(&app, async |conn| mendline::erasure::erase(conn, &clocks, patient.user_id).await).await;
    let after = export(&app, &path, &clinician.token).await;
    assert_eq!(rows(&after, &format!("clinics/{}/check_ins.json", clinic.id)).len(), 1);
    assert!(!after.values().any(|text| text.contains(&patient.email)));
}

#[tokio::test]
async fn it_takes_the_password_once_more_and_one_at_a_time() {
    let (app, _, patient) = story().await;
    let wrong =
        app.post("/v1/me/export", &patient.token, json!({ "current_password": "not the one that it is" })).await;
    assert_eq!(wrong.expect(422)["errors"][0]["pointer"], "/current_password");
    let turn = app.state.exports.take(patient.user_id).unwrap();
    let again = app.post("/v1/me/export", &patient.token, json!({ "current_password": PASSWORD })).await;
    assert_eq!(again.headers["retry-after"], "10");
    assert_eq!(again.problem(429), "too_many_requests");
    drop(turn);
    let others = [1, 2, 3, 4].map(|n| app.state.exports.take(Uuid::from_u128(n)).unwrap());
    let busy = app.post("/v1/me/export", &patient.token, json!({ "current_password": PASSWORD })).await;
    assert_eq!(busy.problem(503), "unavailable");
    drop(others);
    export(&app, "/v1/me/export", &patient.token).await;
}

#[tokio::test]
async fn slow_readers_keep_their_places_until_they_have_it_all_or_hang_up() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let shown = json!({ "current_password": PASSWORD });
    let mut slow = Vec::new();
    for _ in 0..4 {
        let patient = app.patient_of(&clinic).await;
        app.stage_long_trail(clinic.id, patient.patient()).await;
        slow.push(SlowReader::ask(&app, "POST", "/v1/me/export", &patient.token, &shown.to_string()).await);
    }
    let next = app.patient_of(&clinic).await;
    let refused = app.post("/v1/me/export", &next.token, shown).await;
    assert_eq!(refused.headers["retry-after"], "5");
    assert_eq!(refused.problem(503), "unavailable");

    drop(slow.pop());
    a_place_is_free(&app).await;
    export(&app, "/v1/me/export", &next.token).await;
    a_place_is_free(&app).await;

    let again = app.state.exports.take(next.user_id).unwrap();
    slow.pop().unwrap().take().await;
    a_place_is_free(&app).await;
    drop(again);
}

/// Returns once the server has seen that an answer is sent, or a connection gone.
async fn a_place_is_free(app: &TestApp) {
    let seen = async {
        while app.state.exports.take(Uuid::nil()).is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), seen).await.expect("a place");
}
