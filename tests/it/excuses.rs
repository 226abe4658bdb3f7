//! What the clinic excuses: it leaves compliance everywhere, nobody is reminded of it, and it can be taken back.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::treatments::{entry, utc};
use crate::support::{Staged, TestApp, seed};

struct Case {
    app: TestApp,
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
        Self { app, clinician, patient, treatment }
    }

    fn path(&self) -> String {
        format!("/v1/treatments/{}/excuses", self.treatment)
    }

    async fn excuse(&self, body: Value) -> Value {
        self.app.post(&self.path(), &self.clinician.token, body).await.expect(201)
    }

    async fn withdraw(&self, excuse: &Value) {
        let path = format!("{}/{}", self.path(), excuse["id"].as_str().unwrap());
        self.app.delete(&path, &self.clinician.token).await.expect(204);
    }

    async fn tasks(&self, date: &str) -> Vec<Value> {
        self.app.tasks(&self.treatment, &self.patient.token, date, date).await
    }

    async fn report(&self) -> Value {
        let path = format!("/v1/treatments/{}/compliance", self.treatment);
        self.app.get(&path, &self.patient.token).await.expect(200)
    }

    async fn line(&self) -> Value {
        let page = self.app.get("/v1/patients?sort=compliance", &self.clinician.token).await.expect(200);
        page["items"][0].clone()
    }

    async fn do_first(&self, date: &str) {
        let task = self.tasks(date).await[0].clone();
        let entry = entry(&task, "done", utc(task["open_at"].as_str().unwrap()));
        self.app.report(&self.treatment, &self.patient.token, json!([entry])).await;
    }

    /// How many routines the patient is still to be reminded of on a date, by themselves or with others.
    async fn reminders(&self, date: &str) -> usize {
        let person = seed::Person {
            clinic_id: self.patient.caller.clinic_id,
            patient_id: self.patient.caller.patient_id.unwrap(),
            user_id: self.patient.caller.user_id,
        };
        let alerts = seed::alerts_of(&self.app, person).await;
        let on = |row: &&seed::AlertRow| {
            row.due_at.date_naive().to_string() == date && ["scheduled", "merged"].contains(&row.state.as_str())
        };
        let routine = |row: &&seed::AlertRow| {
            ["sunscreen", "hydrating_serum", "kept_it"].iter().any(|key| row.dedupe_key.contains(key))
        };
        alerts.iter().filter(on).filter(routine).count()
    }
}

#[tokio::test]
async fn excused_days_leave_the_denominator_the_worklist_and_the_reminders_and_come_back() {
    let case = Case::new().await;
    assert!(case.reminders("2026-02-04").await > 0);
    let excuse = case.excuse(json!({ "from": "2026-02-03", "to": "2026-02-04", "reason": "In hospital." })).await;
    assert_eq!((&excuse["from"], &excuse["to"]), (&json!("2026-02-03"), &json!("2026-02-04")));
    assert_eq!(case.reminders("2026-02-04").await, 0, "nobody is reminded of what nobody asks for");
    assert!(case.reminders("2026-02-05").await > 0);
    let windows = format!("/v1/treatments/{}/check-ins/windows", case.treatment);
    let windows = case.app.get(&windows, &case.patient.token).await.expect(200)["items"].clone();
    let asked = windows.as_array().unwrap().iter().filter(|window| window["local_date"] == "2026-02-03").count();
    assert_eq!(asked, 1, "nobody is excused from saying how they are");
    case.app.care.set(utc("2026-02-05T11:00:00Z"));
    case.do_first("2026-02-05").await;
    case.app.care.set(utc("2026-02-06T11:00:00Z"));
    for date in ["2026-02-03", "2026-02-04"] {
        let tasks = case.tasks(date).await;
        assert!(tasks.iter().all(|task| task["excluded_because"] == "excused"), "{tasks:?}");
    }
    let report = case.report().await;
    assert_eq!(report["counts"]["done_on_time"], 1);
    let (closed, excluded) = (report["closed_w"].as_i64().unwrap(), report["counts"]["excluded"].as_i64().unwrap());
    assert!(excluded >= 10, "{report}");
    assert_eq!(case.line().await["compliance"]["closed_w"], closed);
    case.withdraw(&excuse).await;
    let back = case.report().await;
    assert!(back["closed_w"].as_i64().unwrap() > closed && back["counts"]["excluded"].as_i64().unwrap() < excluded);
    let list = case.app.get(&case.path(), &case.clinician.token).await.expect(200);
    assert_eq!(list, json!({ "items": [] }));
}

#[tokio::test]
async fn one_task_is_excused_alone_and_what_was_done_of_it_no_longer_counts() {
    let case = Case::new().await;
    case.app.care.set(utc("2026-02-03T20:00:00Z"));
    case.do_first("2026-02-03").await;
    let before = case.report().await;
    let tasks = case.tasks("2026-02-03").await;
    let excuse = case.excuse(json!({ "task_id": tasks[0]["id"], "reason": "Wrong product handed out." })).await;
    assert_eq!((&excuse["item_key"], &excuse["from"]), (&tasks[0]["item_key"], &json!("2026-02-03")));
    let after = case.tasks("2026-02-03").await;
    let excused: Vec<_> =
        after.iter().filter(|task| task["state"] == "excluded").map(|task| task["id"].clone()).collect();
    assert_eq!(excused, [tasks[0]["id"].clone()]);
    let report = case.report().await;
    assert!(report["done_w"].as_i64() < before["done_w"].as_i64());
    let row = case.line().await;
    assert_eq!(
        (&row["compliance"]["done_w"], &row["compliance"]["closed_w"]),
        (&report["done_w"], &report["closed_w"])
    );
}

#[tokio::test]
async fn what_cannot_be_excused_is_refused_with_pointers_and_a_repeat_is_harmless() {
    let case = Case::new().await;
    let refused = async |body: Value| case.app.post(&case.path(), &case.clinician.token, body).await.expect(422);
    for (body, pointer) in [
        (json!({ "reason": "x" }), "/from"),
        (json!({ "from": "2026-02-04", "reason": "" }), "/reason"),
        (json!({ "from": "2026-02-04", "to": "2026-02-03", "reason": "x" }), "/to"),
        (json!({ "from": "2026-02-04", "to": "2027-02-05", "reason": "x" }), "/to"),
        (json!({ "from": "2026-02-04", "item_key": "no_such_item", "reason": "x" }), "/item_key"),
        (json!({ "task_id": Uuid::new_v4(), "reason": "x" }), "/task_id"),
        (json!({ "task_id": Uuid::new_v4(), "from": "2026-02-04", "reason": "x" }), "/task_id"),
    ] {
        assert_eq!(refused(body).await["errors"][0]["pointer"], pointer);
    }
    let body = json!({ "id": Uuid::new_v4(), "from": "2026-02-04", "reason": "Travelling." });
    let first = case.excuse(body.clone()).await;
    assert_eq!(case.excuse(body.clone()).await, first);
    let mut other = body.clone();
    other["reason"] = json!("Something else.");
    assert_eq!(case.app.post(&case.path(), &case.clinician.token, other).await.problem(409), "id_taken");
    let complete = format!("/v1/treatments/{}/complete", case.treatment);
    case.app.care.advance(TimeDelta::days(3));
    case.app.post(&complete, &case.clinician.token, json!({})).await.expect(200);
    let late = json!({ "from": "2026-02-04", "reason": "Too late." });
    assert_eq!(case.app.post(&case.path(), &case.clinician.token, late).await.problem(409), "conflict");
    let gone = format!("{}/{}", case.path(), first["id"].as_str().unwrap());
    assert_eq!(case.app.delete(&gone, &case.clinician.token).await.problem(409), "conflict");
}

#[tokio::test]
async fn a_window_that_a_flight_skipped_is_nobodys_fault() {
    let case = Case::new().await;
    let record = case.patient.caller.patient_id.unwrap();
    // From Berlin to Auckland in the morning of the third: twelve hours are gone.
    case.app
        .sql(&format!(
            "INSERT INTO patient_zones (clinic_id, patient_id, valid_from, zone)
             VALUES ('{}', '{record}', '2026-02-04T05:00:00Z', 'Pacific/Auckland')",
            case.patient.caller.clinic_id
        ))
        .await;
    case.app.care.set(utc("2026-02-06T11:00:00Z"));
    let tasks = case.app.tasks(&case.treatment, &case.patient.token, "2026-02-03", "2026-02-06").await;
    let skipped = tasks.iter().filter(|task| task["excluded_because"] == "skipped_travel").count();
    assert!(skipped > 0, "{tasks:#?}");
    assert!(case.report().await["counts"]["excluded"].as_u64().unwrap() as usize >= skipped);
}
