//! Who keeps to it: shares with their numerators and denominators, and silence that is not refusal.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use serde_json::{Value, json};

use crate::support::treatments::{entry, utc};
use crate::support::{Staged, TestApp};

struct Case {
    app: TestApp,
    clinician: Staged,
    patient: Staged,
    treatment: String,
}

impl Case {
    /// Treated on Monday at 13:00 in Berlin, registered at `now`.
    async fn registered_at(now: &str) -> Self {
        let app = TestApp::start().await;
        let clinic = app.stage_clinic().await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        app.care.set(utc(now));
        let treatment =
            app.treat(&clinician.token, patient.caller.patient_id.unwrap(), utc("2026-02-02T12:00:00Z")).await;
        Self { app, clinician, patient, treatment }
    }

    async fn compliance(&self) -> Value {
        self.app.get(&format!("/v1/treatments/{}/compliance", self.treatment), &self.patient.token).await.expect(200)
    }

    async fn of_patient(&self, token: &str) -> Value {
        let id = self.patient.caller.patient_id.unwrap();
        self.app.get(&format!("/v1/patients/{id}/compliance"), token).await.expect(200)
    }

    /// Everything of a date is done at its opening.
    async fn keep(&self, date: &str) {
        let tasks = self.app.tasks(&self.treatment, &self.patient.token, date, date).await;
        let entries: Vec<Value> =
            tasks.iter().map(|task| entry(task, "done", utc(task["open_at"].as_str().unwrap()))).collect();
        let results = self.app.report(&self.treatment, &self.patient.token, json!(entries)).await;
        assert!(results.iter().all(|result| result["status"] == "accepted"), "{results:?}");
    }
}

#[tokio::test]
async fn before_anything_has_closed_there_is_no_share() {
    let case = Case::registered_at("2026-02-02T12:00:00Z").await;
    let body = case.compliance().await;
    assert!(body.get("on_time_bp").is_none() && body.get("completion_bp").is_none());
    assert_eq!((&body["counts"]["closed"], &body["closed_w"]), (&json!(0), &json!(0)));
    assert_eq!((&body["since"], &body["streak_days"]), (&json!("2026-02-02T12:00:00Z"), &json!(0)));
}

#[tokio::test]
async fn a_patient_who_never_opened_the_app_is_no_reports_and_not_nought_percent() {
    let case = Case::registered_at("2026-02-02T12:00:00Z").await;
    case.app.care.advance(TimeDelta::days(5));
    let body = case.compliance().await;
    assert_eq!(body["no_reports"], true);
    assert!(body.get("on_time_bp").is_none() && body.get("completion_bp").is_none());
    assert!(body["counts"]["unreported"].as_i64().unwrap() > 10);
    assert_eq!(body["counts"]["skipped"], 0);
    assert!(body["by_day"][0].get("completion_bp").is_none());
}

#[tokio::test]
async fn shares_are_weights_done_over_weights_closed() {
    let case = Case::registered_at("2026-02-02T12:00:00Z").await;
    case.app.care.set(utc("2026-02-03T18:00:00Z"));
    let tasks = case.app.tasks(&case.treatment, &case.patient.token, "2026-02-03", "2026-02-03").await;
    let of = |item: &str, nth: usize| tasks.iter().filter(|task| task["item_key"] == item).nth(nth).unwrap();
    let entries = json!([
        entry(of("sunscreen", 0), "done", utc("2026-02-03T08:00:00Z")),
        entry(of("hydrating_serum", 0), "done", utc("2026-02-03T10:30:00Z")),
        entry(of("hydrating_serum", 1), "skipped", utc("2026-02-03T12:00:00Z")),
    ]);
    case.app.report(&case.treatment, &case.patient.token, entries).await;
    // The evening's confirmation may be ticked off until noon of the next day.
    case.app.care.set(utc("2026-02-04T11:00:00Z"));
    let body = case.compliance().await;
    assert_eq!(
        body["counts"],
        json!({ "done_on_time": 1, "done_late": 1, "skipped": 1, "unreported": 2, "excluded": 0, "closed": 5 })
    );
    assert_eq!((&body["done_w"], &body["on_time_w"], &body["closed_w"]), (&json!(3), &json!(2), &json!(8)));
    assert_eq!((&body["on_time_bp"], &body["completion_bp"]), (&json!(2500), &json!(3750)));
    assert_eq!(body["no_reports"], false);
    assert_eq!(body["last_7_days"]["closed_w"], 8);
    assert_eq!(body["by_day"].as_array().unwrap().len(), 1);
    assert_eq!(body["by_day"][0]["date"], "2026-02-03");
    let items: Vec<_> = body["by_item"].as_array().unwrap().iter().map(|item| item["item_key"].clone()).collect();
    assert_eq!(items, ["hydrating_serum", "sunscreen", "kept_it"]);
}

#[tokio::test]
async fn days_in_a_row_count_until_one_is_missed() {
    let case = Case::registered_at("2026-02-02T12:00:00Z").await;
    case.app.care.set(utc("2026-02-04T20:00:00Z"));
    case.keep("2026-02-03").await;
    assert_eq!(case.compliance().await["streak_days"], 1, "today neither adds nor breaks");
    case.keep("2026-02-04").await;
    assert_eq!(case.compliance().await["streak_days"], 2);
    case.app.care.set(utc("2026-02-06T12:00:00Z"));
    assert_eq!(case.compliance().await["streak_days"], 0, "the fifth went by in silence");
}

#[tokio::test]
async fn what_closed_before_the_registration_asks_nothing() {
    let case = Case::registered_at("2026-02-05T12:00:00Z").await;
    let body = case.compliance().await;
    assert_eq!((&body["since"], &body["counts"]["closed"]), (&json!("2026-02-05T12:00:00Z"), &json!(0)));
    assert!(body["counts"]["excluded"].as_i64().unwrap() > 5);
    let tasks = case.app.tasks(&case.treatment, &case.patient.token, "2026-02-03", "2026-02-03").await;
    assert!(tasks.iter().all(|task| task["state"] == "excluded" && task["excluded_because"] == "before_start"));
}

#[tokio::test]
async fn counting_does_not_begin_before_the_invitation_is_accepted() {
    let case = Case::registered_at("2026-02-02T12:00:00Z").await;
    let made = case.app.post("/v1/patients", &case.clinician.token, json!({ "display_name": "Ada" })).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let path = format!("/v1/patients/{id}/compliance");
    let nothing = case.app.get(&path, &case.clinician.token).await.expect(200);
    assert!(nothing.get("treatment_id").is_none() && nothing.get("completion_bp").is_none());
    let treatment = case.app.treat(&case.clinician.token, id.parse().unwrap(), utc("2026-02-02T12:00:00Z")).await;
    case.app.care.advance(TimeDelta::days(4));
    let body = case.app.get(&path, &case.clinician.token).await.expect(200);
    assert_eq!((&body["treatment_id"], &body["counts"]["closed"]), (&json!(treatment), &json!(0)));
    // Once the clinic enters what it hears on the phone, there is something to count.
    let tasks = case.app.tasks(&treatment, &case.clinician.token, "2026-02-04", "2026-02-04").await;
    let told = entry(&tasks[0], "done", utc("2026-02-04T06:00:00Z"));
    case.app.report(&treatment, &case.clinician.token, json!([told])).await;
    let body = case.app.get(&path, &case.clinician.token).await.expect(200);
    assert_eq!((&body["counts"]["done_on_time"], &body["no_reports"]), (&json!(1), &json!(false)));
}

#[tokio::test]
async fn a_patients_compliance_is_that_of_the_treatment_they_recover_from() {
    let case = Case::registered_at("2026-02-02T12:00:00Z").await;
    case.app.care.advance(TimeDelta::days(2));
    assert_eq!(case.of_patient(&case.patient.token).await, case.compliance().await);
    assert_eq!(case.of_patient(&case.clinician.token).await["treatment_id"], case.treatment);
    let neighbour = case.app.stage(case.clinician.caller.clinic_id, Role::Patient).await;
    let elsewhere = case.app.stage_clinic().await;
    let stranger = case.app.stage(elsewhere, Role::Administrator).await;
    let id = case.patient.caller.patient_id.unwrap();
    for token in [&neighbour.token, &stranger.token] {
        for path in [format!("/v1/patients/{id}/compliance"), format!("/v1/treatments/{}/compliance", case.treatment)] {
            assert_eq!(case.app.get(&path, token).await.problem(404), "not_found");
        }
    }
}
