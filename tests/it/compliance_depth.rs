//! What lies behind a share: weeks, groups, reasons, the last visit, courses, the whole clinic, and all of it as a table.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::treatments::{entry, utc};
use crate::support::{Staged, TestApp};

struct Case {
    app: TestApp,
    clinic: Uuid,
    clinician: Staged,
    patient: Staged,
    treatment: String,
}

impl Case {
    /// Treated on Monday at 13:00 in Berlin, registered then.
    async fn new() -> Self {
        let app = TestApp::start().await;
        let clinic = app.stage_clinic().await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        app.care.set(utc("2026-02-02T12:00:00Z"));
        let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), app.care.now()).await;
        Self { app, clinic, clinician, patient, treatment }
    }

    async fn get(&self, path: &str) -> Value {
        self.app.get(path, &self.clinician.token).await.expect(200)
    }

    async fn report(&self) -> Value {
        self.get(&format!("/v1/treatments/{}/compliance", self.treatment)).await
    }

    /// Says the same of every task of a date, at its opening, for this reason.
    async fn say(&self, date: &str, kind: &str, reason: Option<&str>) {
        let tasks = self.app.tasks(&self.treatment, &self.patient.token, date, date).await;
        let entries: Vec<Value> = tasks
            .iter()
            .map(|task| {
                let mut entry = entry(task, kind, utc(task["open_at"].as_str().unwrap()));
                if let Some(reason) = reason {
                    entry["reason"] = json!(reason);
                }
                entry
            })
            .collect();
        let results = self.app.report(&self.treatment, &self.patient.token, json!(entries)).await;
        assert!(results.iter().all(|result| result["status"] == "accepted"), "{results:?}");
    }
}

fn lines(text: &str) -> Vec<Vec<String>> {
    assert!(text.ends_with("\r\n"));
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn a_report_says_what_is_missed_why_and_what_changed_with_the_last_visit() {
    let case = Case::new().await;
    let visit = json!({
        "patient_id": case.patient.caller.patient_id, "kind": "follow_up", "date": "2026-02-04", "time": "08:00",
    });
    case.app.post("/v1/appointments", &case.clinician.token, visit).await.expect(201);
    case.app.care.set(utc("2026-02-05T21:00:00Z"));
    case.say("2026-02-03", "done", None).await;
    case.say("2026-02-04", "skipped", Some("irritated")).await;
    case.say("2026-02-05", "skipped", Some("It burned.")).await;
    case.app.care.set(utc("2026-02-06T11:00:00Z"));
    let report = case.report().await;
    let since = &report["since_last_visit"];
    assert_eq!(since["visit"], json!({ "kind": "appointment", "at": "2026-02-04T07:00:00Z" }));
    assert_eq!((&since["before"]["completion_bp"], &since["after"]["completion_bp"]), (&json!(10000), &json!(0)));
    assert_eq!(since["completion_change_bp"], -10000);
    let reasons = report["skip_reasons"].as_array().unwrap();
    assert_eq!(reasons.iter().map(|count| count["tasks"].as_i64().unwrap()).sum::<i64>(), report["counts"]["skipped"]);
    let words: Vec<&str> = reasons.iter().map(|count| count["reason"].as_str().unwrap()).collect();
    assert!(words.contains(&"irritated") && words.contains(&"other"), "{words:?}");
    let most = &report["most_missed"];
    let of_it = report["by_item"].as_array().unwrap().iter().find(|item| item["item_key"] == most["item_key"]).unwrap();
    assert_eq!(
        most["missed"],
        of_it["counts"]["skipped"].as_i64().unwrap() + of_it["counts"]["unreported"].as_i64().unwrap()
    );
    assert_eq!((&report["streak_days"], &report["longest_streak_days"]), (&json!(0), &json!(1)));
    assert_eq!(report["by_week"][0]["from"], "2026-02-02");
    assert_eq!(report["by_week"][0]["closed_w"], report["closed_w"]);
    assert!(report["trend"].get("completion_change_bp").is_none(), "there was no week before");
    assert!(report["by_group"].as_array().unwrap().iter().any(|group| group["group"] == "sunscreen"));
}

#[tokio::test]
async fn without_an_appointment_the_treatment_itself_was_the_last_visit() {
    let case = Case::new().await;
    case.app.care.advance(TimeDelta::days(2));
    case.say("2026-02-03", "done", None).await;
    let since = case.report().await["since_last_visit"].clone();
    assert_eq!(since["visit"], json!({ "kind": "session", "at": "2026-02-02T12:00:00Z" }));
    assert!(since.get("completion_change_bp").is_none());
    assert_eq!(since["before"]["counts"]["closed"], 0);
}

#[tokio::test]
async fn a_week_is_held_against_the_week_before() {
    let case = Case::new().await;
    case.app.care.set(utc("2026-02-16T12:00:00Z"));
    for day in 3..9 {
        case.say(&format!("2026-02-0{day}"), "done", None).await;
    }
    let report = case.report().await;
    let (week, before) = (&report["last_7_days"], &report["previous_7_days"]);
    assert!(before["completion_bp"].as_i64().unwrap() > week["completion_bp"].as_i64().unwrap());
    let change = week["completion_bp"].as_i64().unwrap() - before["completion_bp"].as_i64().unwrap();
    assert_eq!(report["trend"]["completion_change_bp"], change);
    assert_eq!(report["by_week"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_course_counts_the_sessions_of_which_anything_was_heard() {
    let case = Case::new().await;
    let somebody = case.app.stage(case.clinic, Role::Patient).await;
    let patient = somebody.caller.patient_id.unwrap();
    let course =
        case.app.post("/v1/courses", &case.clinician.token, json!({ "patient_id": patient })).await.expect(201);
    let id = course["id"].as_str().unwrap();
    let path = format!("/v1/courses/{id}/compliance");
    let nothing = case.app.get(&path, &somebody.token).await.expect(200);
    assert_eq!((&nothing["by_session"], &nothing["no_reports"]), (&json!([]), &json!(true)));
    let first = case.app.treat(&case.clinician.token, patient, case.app.care.now()).await;
    let case = Case { treatment: first, patient: somebody, ..case };
    case.app.care.advance(TimeDelta::days(2));
    case.say("2026-02-03", "done", None).await;
    case.app.treat(&case.clinician.token, patient, case.app.care.now()).await;
    case.app.care.advance(TimeDelta::days(3));
    let report = case.get(&path).await;
    let sessions = report["by_session"].as_array().unwrap();
    assert_eq!(sessions.iter().map(|session| session["no_reports"].clone()).collect::<Vec<_>>(), [false, true]);
    assert!(sessions[1].get("completion_bp").is_none());
    let alone = case.report().await;
    for field in ["completion_bp", "on_time_bp", "counts", "done_w", "closed_w"] {
        assert_eq!(report[field], alone[field], "{field}");
        assert_eq!(sessions[0][field], alone[field], "{field}");
    }
    let table = case.app.get(&format!("{path}.csv"), &case.patient.token).await;
    assert_eq!(lines(&table.text).iter().filter(|line| line[0] == "session").count(), 2);
}

#[tokio::test]
async fn a_clinic_sees_how_its_running_treatments_lie_and_what_is_missed_most() {
    let case = Case::new().await;
    let silent = case.app.stage(case.clinic, Role::Patient).await;
    case.app.treat(&case.clinician.token, silent.caller.patient_id.unwrap(), case.app.care.now()).await;
    let elsewhere = case.app.stage_clinic().await;
    let stranger = case.app.stage(elsewhere, Role::Administrator).await;
    case.app.care.advance(TimeDelta::days(2));
    case.say("2026-02-03", "done", None).await;
    case.app.care.advance(TimeDelta::days(2));
    let clinic = case.get("/v1/clinic/compliance").await;
    assert_eq!(
        (&clinic["treatments"], &clinic["no_reports"], &clinic["nothing_closed"]),
        (&json!(2), &json!(1), &json!(0))
    );
    let alone = case.report().await;
    for field in ["completion_bp", "on_time_bp", "counts", "done_w", "closed_w"] {
        assert_eq!(clinic[field], alone[field], "{field}");
    }
    let parts = clinic["distribution"].as_array().unwrap();
    assert_eq!(parts.iter().map(|part| part["treatments"].as_i64().unwrap()).sum::<i64>(), 1);
    assert_eq!((&parts[0]["from_bp"], &parts[3]["to_bp"]), (&json!(0), &json!(10000)));
    assert_eq!(clinic["by_item"][0]["missed"], alone["most_missed"]["missed"]);
    assert!(!clinic["by_item"][0]["title"].as_str().unwrap().is_empty());
    let other = case.app.get("/v1/clinic/compliance", &stranger.token).await.expect(200);
    assert_eq!(other["treatments"], 0);
}

#[tokio::test]
async fn a_table_says_what_the_report_says_and_runs_nothing() {
    let case = Case::new().await;
    case.app.care.advance(TimeDelta::days(2));
    case.say("2026-02-03", "done", None).await;
    let report = case.report().await;
    let table = case.app.get(&format!("/v1/treatments/{}/compliance.csv", case.treatment), &case.patient.token).await;
    assert_eq!(table.status, 200);
    assert_eq!(table.headers["content-type"], "text/csv; charset=utf-8; header=present");
    assert_eq!(table.headers["content-disposition"], "attachment; filename=\"compliance.csv\"");
    assert_eq!(table.headers["cache-control"], "no-store");
    let lines = lines(&table.text);
    assert_eq!((lines[0][0].as_str(), lines[0].len()), ("breakdown", 16));
    assert!(lines.iter().all(|line| line.len() == 16));
    let total = lines.iter().find(|line| line[0] == "total").unwrap();
    assert_eq!(total[5], report["completion_bp"].to_string());
    assert_eq!(total[12], report["counts"]["closed"].to_string());
    let days = lines.iter().filter(|line| line[0] == "day").count();
    assert_eq!(days, report["by_day"].as_array().unwrap().len());

    let record = case.patient.caller.patient_id.unwrap();
    case.app.sql(&format!("UPDATE patients SET display_name = '=1+1' WHERE id = '{record}'")).await;
    let table = case.app.get("/v1/clinic/compliance.csv", &case.clinician.token).await;
    let line = table.text.lines().find(|line| line.starts_with("treatment,")).unwrap().to_owned();
    assert_eq!(line.split(',').nth(2), Some("'=1+1"));
    let of_patient = case.app.get(&format!("/v1/patients/{record}/compliance.csv"), &case.patient.token).await;
    assert_eq!(of_patient.status, 200);
}
