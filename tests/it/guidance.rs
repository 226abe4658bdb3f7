//! "May I do this yet?": guidance for now and for any other moment.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use serde_json::{Value, json};

use crate::support::treatments::utc;
use crate::support::{Staged, TestApp};

async fn treated() -> (TestApp, Staged, String) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let clinician = app.stage(clinic, Role::Clinician).await;
    let patient = app.stage(clinic, Role::Patient).await;
    let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), app.care.now()).await;
    (app, patient, format!("/v1/treatments/{treatment}/guidance"))
}

fn find<'a>(list: &'a Value, key: &str) -> &'a Value {
    list.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn right_after_the_treatment_everything_waits_the_soonest_first_with_its_reason() {
    let (app, patient, path) = treated().await;
    let body = app.get(&path, &patient.token).await.expect(200);
    assert!(body["phase"]["key"].is_string() && body["phase"]["title"].is_string());
    assert!(body.get("at").is_none());
    let not_yet = body["not_yet"].as_array().unwrap();
    let until: Vec<_> = not_yet.iter().map(|entry| entry["until"].as_str().unwrap()).collect();
    assert!(until.is_sorted() && !until.is_empty());
    for entry in not_yet {
        assert!(!entry["why"].as_str().unwrap().is_empty(), "{entry}");
        assert!(!entry["evidence"].as_array().unwrap().is_empty(), "{entry}");
    }
    let wash = find(&body["not_yet"], "first_wash");
    assert_eq!(wash["until"], "2026-02-02T16:00:00Z");
    assert_eq!(wash["soft_until"], "2026-02-04T12:00:00Z");
    let acids = find(&body["not_yet"], "acids");
    assert_eq!((&acids["earliest"], &acids["until"]), (&json!("2026-02-12T12:00:00Z"), &json!("2026-02-16T12:00:00Z")));
    assert_eq!(body["open_again"], json!([]));
    assert_eq!(body["today"], json!([]), "the first day asks for nothing");
}

#[tokio::test]
async fn what_has_opened_again_keeps_its_care_until_the_soft_bound() {
    let (app, patient, path) = treated().await;
    app.care.advance(TimeDelta::hours(4));
    let body = app.get(&path, &patient.token).await.expect(200);
    let wash = find(&body["open_again"], "first_wash");
    assert_eq!((&wash["since"], &wash["soft_until"]), (&json!("2026-02-02T16:00:00Z"), &json!("2026-02-04T12:00:00Z")));
    assert!(find(&body["not_yet"], "first_wash").is_null());
    app.care.advance(TimeDelta::hours(44));
    let body = app.get(&path, &patient.token).await.expect(200);
    assert!(find(&body["open_again"], "first_wash").get("soft_until").is_none());
}

#[tokio::test]
async fn another_moment_can_be_asked_for_and_is_named_in_the_answer() {
    let (app, patient, path) = treated().await;
    let asked = app.get(&format!("{path}?at=2026-02-05T06:30:00Z"), &patient.token).await.expect(200);
    assert_eq!(asked["at"], "2026-02-05T06:30:00Z");
    assert!(find(&asked["not_yet"], "make_up")["until"] == "2026-02-05T12:00:00Z");
    let today = asked["today"].as_array().unwrap();
    assert!(today.iter().all(|task| task["local_date"] == "2026-02-05"));
    let states: Vec<_> = today.iter().map(|task| (task["item_key"].as_str(), task["state"].as_str())).collect();
    assert!(states.contains(&(Some("cleanse_and_moisturise"), Some("open"))), "{states:?}");
    assert!(states.contains(&(Some("kept_it"), Some("ahead"))), "{states:?}");
    // An offset is a way of writing the same moment.
    let same = app.get(&format!("{path}?at=2026-02-05T07:30:00%2B01:00"), &patient.token).await.expect(200);
    assert_eq!(same, asked);
    app.care.set(utc("2026-02-05T06:30:00Z"));
    let mut now = app.get(&path, &patient.token).await.expect(200);
    now["at"] = asked["at"].clone();
    assert_eq!(now, asked);
}

#[tokio::test]
async fn before_the_treatment_there_is_no_phase() {
    let (app, patient, path) = treated().await;
    let before = app.get(&format!("{path}?at=2026-02-02T11:59:59Z"), &patient.token).await.expect(200);
    assert!(before.get("phase").is_none());
}

#[tokio::test]
async fn a_moment_that_is_none_is_refused_with_a_pointer() {
    let (app, patient, path) = treated().await;
    for wrong in
        ["tomorrow", "2026-02-30T00:00:00Z", "2026-02-05", "9999-12-31T23:59:59Z", "-262143-01-01T00:00:00Z", ""]
    {
        let answer = app.get(&format!("{path}?at={wrong}"), &patient.token).await;
        assert_eq!(answer.status, 422, "{wrong}: {}", answer.text);
        assert_eq!(answer.body["errors"][0]["pointer"], "at", "{wrong}");
    }
    assert_eq!(app.get(&format!("{path}?when=now"), &patient.token).await.problem(400), "malformed");
}

#[tokio::test]
async fn the_answer_is_known_until_a_boundary_passes() {
    let (app, patient, path) = treated().await;
    let first = app.get(&path, &patient.token).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    app.care.advance(TimeDelta::minutes(30));
    assert_eq!(app.get_with(&path, &patient.token, "if-none-match", &tag).await.status, 304);
    app.care.advance(TimeDelta::minutes(210));
    assert_eq!(app.get_with(&path, &patient.token, "if-none-match", &tag).await.status, 200);
}
