//! A treatment's timeline: every item in real time, in the patient's own days, with the evidence behind it.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use serde_json::{Value, json};

use crate::support::treatments::utc;
use crate::support::{Staged, TestApp};

struct Case {
    app: TestApp,
    clinician: Staged,
    patient: Staged,
    treatment: String,
}

impl Case {
    async fn at(now: &str) -> Self {
        let app = TestApp::start().await;
        app.care.set(utc(now));
        let clinic = app.stage_clinic().await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), utc(now)).await;
        Self { app, clinician, patient, treatment }
    }

    fn path(&self) -> String {
        format!("/v1/treatments/{}/timeline", self.treatment)
    }

    async fn items(&self) -> Vec<Value> {
        self.app.get(&self.path(), &self.patient.token).await.expect(200)["items"].as_array().unwrap().clone()
    }

    async fn item(&self, key: &str) -> Value {
        self.items().await.into_iter().find(|item| item["key"] == key).unwrap()
    }
}

#[tokio::test]
async fn an_item_has_its_window_its_bounds_and_the_sources_behind_it() {
    let case = Case::at("2026-02-02T12:00:00Z").await;
    let body = case.app.get(&case.path(), &case.patient.token).await.expect(200);
    assert_eq!(body["treatment_id"], case.treatment);
    assert_eq!(body["protocol"]["key"], "conservative");
    assert!(body["protocol"]["version"].as_i64().unwrap() >= 1);

    let make_up = case.item("make_up").await;
    assert_eq!(make_up["kind"], "restriction");
    assert_eq!(make_up["state"], "now");
    assert_eq!(make_up["open_at"], "2026-02-02T12:00:00Z");
    assert_eq!(make_up["close_at"], "2026-02-05T12:00:00Z");
    assert_eq!(make_up["range"], json!({ "min": "PT24H", "max": "P5D", "hard": "PT72H", "soft": "P7D" }));
    for item in case.items().await {
        assert!(!item["title"].as_str().unwrap().is_empty(), "{item}");
        assert!(["past", "now", "ahead"].contains(&item["state"].as_str().unwrap()));
        let evidence = item["evidence"].as_array().unwrap();
        assert!(!evidence.is_empty() || item["product_decision"] == true, "{item}");
        for fact in evidence {
            assert!(fact["id"].is_string() && fact["value"].is_string(), "{fact}");
            assert!(["manufacturer", "clinic", "blog"].contains(&fact["cited"][0]["grade"].as_str().unwrap()));
        }
    }
}

#[tokio::test]
async fn items_go_from_ahead_through_now_to_past() {
    let case = Case::at("2026-02-02T12:00:00Z").await;
    assert_eq!(case.item("first_evening").await["state"], "ahead");
    case.app.care.advance(TimeDelta::hours(1));
    assert_eq!(case.item("first_evening").await["state"], "now");
    assert_eq!(case.item("first_wash").await["state"], "now");
    case.app.care.advance(TimeDelta::hours(3));
    assert_eq!(case.item("first_wash").await["state"], "past");
    case.app.care.advance(TimeDelta::hours(20));
    assert_eq!(case.item("first_evening").await["state"], "past");
}

#[tokio::test]
async fn waiting_times_ignore_the_change_of_clocks_and_days_follow_it() {
    let case = Case::at("2026-03-27T15:00:00Z").await;
    assert_eq!(case.item("make_up").await["close_at"], "2026-03-30T15:00:00Z");
    let day_after = case.item("day_after").await;
    assert_eq!((&day_after["open_at"], &day_after["open_on"]), (&json!("2026-03-27T23:00:00Z"), &json!("2026-03-28")));
    // Day 7 begins in summer time.
    assert_eq!(case.item("week_one").await["open_at"], "2026-04-02T22:00:00Z");
}

#[tokio::test]
async fn another_moment_of_the_treatment_moves_the_whole_timeline() {
    let case = Case::at("2026-02-02T12:00:00Z").await;
    let path = format!("/v1/treatments/{}", case.treatment);
    let edit = case.app.request(reqwest::Method::PATCH, &path, &case.clinician.token).header("if-match", "\"1\"");
    crate::support::send(edit.json(&json!({ "performed_at": "2026-02-01T09:00:00Z" }))).await.expect(200);
    assert_eq!(case.item("make_up").await["close_at"], "2026-02-04T09:00:00Z");
    assert_eq!(case.item("day_after").await["open_on"], "2026-02-02");
}

#[tokio::test]
async fn a_client_that_has_it_gets_304_until_a_boundary_passes() {
    let case = Case::at("2026-02-02T12:00:00Z").await;
    let first = case.app.get(&case.path(), &case.patient.token).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/\""));
    assert_eq!(first.headers["cache-control"], "no-store");
    let again = async || case.app.get_with(&case.path(), &case.patient.token, "if-none-match", &tag).await;
    let unchanged = again().await;
    assert_eq!((unchanged.status.as_u16(), unchanged.text.as_str()), (304, ""));
    assert_eq!(unchanged.headers["etag"], tag);
    case.app.care.advance(TimeDelta::minutes(59));
    assert_eq!(again().await.status, 304, "nothing has changed in 59 minutes");
    case.app.care.advance(TimeDelta::minutes(1));
    assert_ne!(again().await.expect(200), Value::Null, "the first evening has begun");
}

#[tokio::test]
async fn the_language_is_one_that_exists_and_the_answer_says_which() {
    let case = Case::at("2026-02-02T12:00:00Z").await;
    for wanted in ["en-GB, de;q=0.5", "xx", "*", ";;;"] {
        let answer = case.app.get_with(&case.path(), &case.patient.token, "accept-language", wanted).await;
        assert_eq!(answer.headers["content-language"], "en", "{wanted}");
        assert!(answer.headers["vary"].to_str().unwrap().contains("accept-language"));
        answer.expect(200);
    }
}

#[tokio::test]
async fn only_the_clinic_and_the_patient_see_it() {
    let case = Case::at("2026-02-02T12:00:00Z").await;
    case.app.get(&case.path(), &case.clinician.token).await.expect(200);
    let neighbour = case.app.stage(case.clinician.caller.clinic_id, Role::Patient).await;
    let elsewhere = case.app.stage_clinic().await;
    let stranger = case.app.stage(elsewhere, Role::Administrator).await;
    for token in [&neighbour.token, &stranger.token] {
        assert_eq!(case.app.get(&case.path(), token).await.problem(404), "not_found");
    }
    assert_eq!(case.app.get(&case.path(), "").await.problem(401), "unauthenticated");
    assert_eq!(case.app.get("/v1/treatments/x/timeline", &case.patient.token).await.problem(404), "not_found");
}
