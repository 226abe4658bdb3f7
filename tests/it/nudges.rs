//! Nudges: staff are told once of a patient who keeps to little, at the end of quiet hours, until somebody has seen it or it
//! has passed; whatever becomes of the worker meanwhile.

use chrono::TimeDelta;
use mendline::domain::alert::PushOutcome;
use mendline::domain::role::Role;
use mendline::worker::Worker;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::check_ins::phone;
use crate::support::treatments::{entry, utc};
use crate::support::{Staged, TestApp, send};

struct Clinic {
    app: TestApp,
    id: Uuid,
    clinician: Staged,
    admin: Staged,
    /// The clinician's.
    phone: Uuid,
}

impl Clinic {
    /// At noon of a Monday, 13:00 in Berlin.
    async fn new() -> Self {
        let app = TestApp::start().await;
        let id = app.stage_clinic().await;
        let clinician = app.stage(id, Role::Clinician).await;
        let admin = app.stage(id, Role::Administrator).await;
        let phone = phone(&app, &clinician).await;
        app.drain_worker().await;
        Self { app, id, clinician, admin, phone }
    }

    /// Treated now by the clinician; two tasks of the next day are all that is ever done.
    async fn lax(&self) -> (Staged, String) {
        let patient = self.app.stage(self.id, Role::Patient).await;
        let body = json!({ "patient_id": patient.caller.patient_id, "performed_at": self.app.care.now(),
                           "clinician_id": self.clinician.caller.membership_id });
        let made = self.app.post("/v1/treatments", &self.clinician.token, body).await.expect(201);
        (patient, made["id"].as_str().unwrap().to_owned())
    }

    async fn does(&self, (patient, treatment): &(Staged, String), date: &str, most: usize) {
        let tasks = self.app.tasks(treatment, &patient.token, date, date).await;
        let done = tasks.iter().take(most).map(|task| entry(task, "done", utc(task["open_at"].as_str().unwrap())));
        let entries: Vec<Value> = done.collect();
        self.app.report(treatment, &patient.token, json!(entries)).await;
    }

    /// Goes on to a moment, hour by hour.
    async fn until(&self, moment: &str) {
        while self.app.care.now() < utc(moment) {
            let step = TimeDelta::hours(1).min(utc(moment) - self.app.care.now());
            self.app.advance(step).await;
        }
    }

    fn pushed(&self) -> Vec<mendline::push::PushMessage> {
        let sent = self.app.fcm.sent();
        sent.into_iter().filter(|sent| sent.target.device_id == self.phone).map(|sent| sent.message).collect()
    }

    async fn nudges(&self, live: bool) -> Vec<Value> {
        let path = format!("/v1/nudges?live={live}");
        self.app.get(&path, &self.clinician.token).await.expect(200)["items"].as_array().unwrap().clone()
    }

    async fn acknowledge(&self, nudge: &Value) -> Value {
        let path = format!("/v1/nudges/{}/acknowledge", nudge["id"].as_str().unwrap());
        self.app.post(&path, &self.clinician.token, json!({})).await.expect(200)
    }

    async fn set(&self, figures: Value) {
        self.app.patch("/v1/clinic", &self.admin.token, figures).await.expect(200);
    }

    async fn line(&self) -> Value {
        self.app.get("/v1/patients", &self.clinician.token).await.expect(200)["items"][0].clone()
    }
}

#[tokio::test]
async fn the_treating_clinician_is_told_once_in_neutral_words_at_the_end_of_quiet_hours() {
    let clinic = Clinic::new().await;
    let lax = clinic.lax().await;
    clinic.until("2026-02-03T20:00:00Z").await;
    clinic.does(&lax, "2026-02-03", 2).await;
    clinic.until("2026-02-06T06:59:00Z").await;
    assert!(clinic.pushed().is_empty(), "few tasks say nothing");
    clinic.until("2026-02-06T07:00:00Z").await;
    let pushed = clinic.pushed();
    assert_eq!(pushed.len(), 1);
    assert_eq!((pushed[0].text.title.as_str(), &pushed[0].text.body), ("Someone needs your review.", &None));
    let nudges = clinic.nudges(true).await;
    assert_eq!((nudges.len(), &nudges[0]["patient_id"]), (1, &json!(lax.0.caller.patient_id)));
    assert!(nudges[0]["completion_bp"].as_i64().unwrap() < 5000 && nudges[0]["closed_tasks"].as_i64().unwrap() >= 15);
    let line = clinic.line().await;
    assert_eq!((&line["attention"][0], &line["nudge_id"]), (&json!("nudged"), &nudges[0]["id"]));
    let inbox = clinic.app.get("/v1/alerts", &clinic.clinician.token).await.expect(200);
    let alert = &inbox["items"][0];
    assert_eq!(alert["category"], "nudge");
    let percent = nudges[0]["completion_bp"].as_i64().unwrap() / 100;
    assert_eq!(alert["body"], format!("Somebody has done {percent} % of what was due in the last 7 days."));
    assert_eq!(alert["link"], format!("mendline://treatments/{}/compliance", lax.1));

    clinic.until("2026-02-09T12:00:00Z").await;
    assert_eq!(clinic.pushed().len(), 1, "it is not repeated while nobody has seen it");
    let own = clinic.app.get("/v1/alerts", &lax.0.token).await.expect(200);
    assert!(own["items"].as_array().unwrap().iter().all(|alert| alert["category"] != "nudge"));
}

#[tokio::test]
async fn whoever_acknowledges_gives_the_patient_as_many_days_as_are_counted() {
    let clinic = Clinic::new().await;
    let lax = clinic.lax().await;
    clinic.set(json!({ "nudge_days": 3, "nudge_min_tasks": 5 })).await;
    clinic.until("2026-02-03T20:00:00Z").await;
    clinic.does(&lax, "2026-02-03", 1).await;
    clinic.until("2026-02-05T08:00:00Z").await;
    let nudges = clinic.nudges(true).await;
    assert_eq!(nudges.len(), 1);
    let seen = clinic.acknowledge(&nudges[0]).await;
    assert_eq!(
        (&seen["ended_as"], &seen["ended_by"]),
        (&json!("acknowledged"), &json!(clinic.clinician.caller.user_id))
    );
    assert_eq!(clinic.acknowledge(&nudges[0]).await, seen, "twice is once");
    assert!(clinic.nudges(true).await.is_empty() && clinic.line().await.get("nudge_id").is_none());
    clinic.until("2026-02-08T07:30:00Z").await;
    assert_eq!(clinic.pushed().len(), 1);
    clinic.until("2026-02-09T07:30:00Z").await;
    assert_eq!(clinic.pushed().len(), 2, "three days later it is said again");
}

#[tokio::test]
async fn a_share_that_rises_ends_it_and_so_does_the_treatment() {
    let clinic = Clinic::new().await;
    let lax = clinic.lax().await;
    clinic.set(json!({ "nudge_days": 2, "nudge_min_tasks": 4 })).await;
    clinic.until("2026-02-03T20:00:00Z").await;
    clinic.does(&lax, "2026-02-03", 1).await;
    clinic.until("2026-02-04T20:00:00Z").await;
    assert_eq!(clinic.nudges(true).await.len(), 1);
    clinic.does(&lax, "2026-02-04", 50).await;
    clinic.until("2026-02-05T08:00:00Z").await;
    assert_eq!(clinic.nudges(false).await[0]["ended_as"], "recovered");
    clinic.until("2026-02-07T08:00:00Z").await;
    assert_eq!(clinic.nudges(true).await.len(), 1, "and it falls again");
    let complete = format!("/v1/treatments/{}/complete", lax.1);
    clinic.app.post(&complete, &clinic.clinician.token, json!({})).await.expect(200);
    clinic.until("2026-02-08T08:00:00Z").await;
    assert_eq!(clinic.nudges(false).await[0]["ended_as"], "over");
}

#[tokio::test]
async fn silence_is_no_nudge_and_a_clinic_may_switch_them_off() {
    let clinic = Clinic::new().await;
    clinic.lax().await;
    let lax = clinic.lax().await;
    clinic.set(json!({ "nudge_enabled": false })).await;
    clinic.until("2026-02-03T20:00:00Z").await;
    clinic.does(&lax, "2026-02-03", 1).await;
    clinic.until("2026-02-08T08:00:00Z").await;
    assert!(clinic.nudges(true).await.is_empty());
    clinic.set(json!({ "nudge_enabled": true })).await;
    clinic.until("2026-02-09T08:00:00Z").await;
    let nudges = clinic.nudges(true).await;
    assert_eq!(
        (nudges.len(), &nudges[0]["patient_id"]),
        (1, &json!(lax.0.caller.patient_id)),
        "who never reported is apart"
    );
    clinic.set(json!({ "nudge_enabled": false })).await;
    clinic.until("2026-02-10T08:00:00Z").await;
    assert_eq!(clinic.nudges(false).await[0]["ended_as"], "over");
    let wrong = json!({ "nudge_below_bp": 0, "nudge_days": 1, "nudge_min_tasks": 0 });
    let refused = clinic.app.patch("/v1/clinic", &clinic.admin.token, wrong).await.expect(422);
    let pointers: Vec<_> = refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    assert_eq!(pointers, ["/nudge_below_bp", "/nudge_days", "/nudge_min_tasks"]);
}

#[tokio::test]
async fn a_round_goes_on_where_a_worker_stopped_and_two_workers_tell_once() {
    let clinic = Clinic::new().await;
    let everybody = [clinic.lax().await, clinic.lax().await, clinic.lax().await];
    clinic.app.care.set(utc("2026-02-03T20:00:00Z"));
    for lax in &everybody {
        clinic.does(lax, "2026-02-03", 1).await;
    }
    clinic.set(json!({ "nudge_min_tasks": 3 })).await;
    // A worker had come past the first of them when it died.
    let first = "(SELECT min(id::text)::uuid FROM patients)";
    clinic.app.sql(&format!("UPDATE nudge_rounds SET due_at = '2026-02-05T07:00:00Z', after_patient = {first}")).await;
    clinic.app.care.set(utc("2026-02-05T07:00:00Z"));
    let other = Worker::new(clinic.app.worker_parts());
    let (one, _) = tokio::join!(other.drain(), clinic.app.drain_worker());
    one.unwrap();
    assert_eq!(clinic.nudges(true).await.len(), 2);
    clinic.until("2026-02-06T07:00:00Z").await;
    assert_eq!(clinic.nudges(true).await.len(), 3, "the next round meets everybody");
    assert_eq!(clinic.pushed().len(), 3);
}

#[tokio::test]
async fn another_clinics_nudge_does_not_exist() {
    let clinic = Clinic::new().await;
    let elsewhere = clinic.app.stage_clinic().await;
    let stranger = clinic.app.stage(elsewhere, Role::Administrator).await;
    let lax = clinic.lax().await;
    clinic.until("2026-02-03T20:00:00Z").await;
    clinic.does(&lax, "2026-02-03", 1).await;
    clinic.until("2026-02-08T08:00:00Z").await;
    let nudge = clinic.nudges(true).await[0].clone();
    assert_eq!(clinic.app.get("/v1/nudges", &stranger.token).await.expect(200), json!({ "items": [] }));
    let path = format!("/v1/nudges/{}/acknowledge", nudge["id"].as_str().unwrap());
    assert_eq!(clinic.app.post(&path, &stranger.token, json!({})).await.problem(404), "not_found");
    assert_eq!(clinic.app.get("/v1/nudges", &lax.0.token).await.problem(403), "forbidden");
}

#[tokio::test]
async fn what_no_provider_took_is_owed_again_until_somebody_has_seen_it() {
    let clinic = Clinic::new().await;
    let lax = clinic.lax().await;
    clinic.until("2026-02-03T20:00:00Z").await;
    clinic.does(&lax, "2026-02-03", 2).await;
    let refuse = || {
        clinic.app.fcm.answer_next_of(clinic.phone, PushOutcome::Rejected { reason: "PayloadTooLarge".into() });
    };
    clinic.until("2026-02-06T06:59:00Z").await;
    refuse();
    clinic.until("2026-02-06T07:00:00Z").await;
    let failed = clinic.app.get("/v1/alerts/failed?category=nudge", &clinic.admin.token).await.expect(200);
    let path = format!("/v1/alerts/{}/replay", failed["items"][0]["id"].as_str().unwrap());
    let before = clinic.pushed().len();
    let replay = async || send(clinic.app.request(reqwest::Method::POST, &path, &clinic.admin.token)).await;
    replay().await.expect(200);
    refuse();
    clinic.app.drain_worker().await;
    assert_eq!(clinic.pushed().len(), before + 1);

    clinic.acknowledge(&clinic.nudges(true).await[0]).await;
    assert_eq!(replay().await.problem(409), "conflict", "somebody has seen it");
}

#[tokio::test]
async fn a_record_that_cannot_be_read_holds_nobody_else_up() {
    let clinic = Clinic::new().await;
    let all = [clinic.lax().await, clinic.lax().await, clinic.lax().await];
    clinic.until("2026-02-03T20:00:00Z").await;
    for lax in &all {
        clinic.does(lax, "2026-02-03", 2).await;
    }
    let broken = all.iter().filter_map(|(patient, _)| patient.caller.patient_id).min().unwrap();
    let nowhere = format!("UPDATE patient_zones SET zone = 'Middle/Earth' WHERE patient_id = '{broken}'");
    clinic.app.sql(&nowhere).await;
    clinic.until("2026-02-06T07:00:00Z").await;
    let nudged: Vec<_> = clinic.nudges(true).await.iter().map(|nudge| nudge["patient_id"].clone()).collect();
    assert_eq!((nudged.len(), nudged.contains(&json!(broken))), (2, false));
}
