//! The bundle of a treatment: one document, the parts of which are what their own reads say, and from which an app answers
//! as the server would.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::protocol_locales::accept;
use crate::support::offline_app::{Dice, guidance, windows, without_countdowns};
use crate::support::treatments::entry;
use crate::support::{Answer, Staged, TestApp, send};

struct Case {
    app: TestApp,
    clinician: Staged,
    patient: Staged,
    treatment: String,
}

impl Case {
    /// Treated on Monday at 13:00 in Berlin.
    async fn new() -> Self {
        let app = TestApp::start().await;
        let clinic = app.stage_clinic().await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        let treatment = app.treat(&clinician.token, patient.caller.patient_id.unwrap(), app.care.now()).await;
        Self { app, clinician, patient, treatment }
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/treatments/{}/{what}", self.treatment)
    }

    async fn read(&self, what: &str) -> Value {
        self.app.get(&self.path(what), &self.patient.token).await.expect(200)
    }

    async fn staff(&self, method: Method, what: &str, body: Value) -> Answer {
        send(self.app.request(method, &self.path(what), &self.clinician.token).json(&body)).await
    }

    async fn check_in(&self, symptoms: Value) -> Value {
        let body = json!({ "id": Uuid::new_v4(), "recorded_at": self.app.care.now(), "symptoms": symptoms });
        self.app.post(&self.path("check-ins"), &self.patient.token, body).await.expect(201)
    }

    /// What happens to a plan: things done, skipped, excused, changed, held by a flag, and a journey.
    async fn live(&self) {
        let app = &self.app;
        app.advance(TimeDelta::hours(30)).await;
        let tasks = self.read("tasks").await["items"].as_array().unwrap().clone();
        let entries = json!([
            entry(&tasks[0], "done", app.care.now()),
            entry(&tasks[1], "skipped", app.care.now()),
            entry(&tasks[2], "done", app.care.now()),
            entry(&tasks[2], "undone", app.care.now() + TimeDelta::seconds(1)),
        ]);
        app.report(&self.treatment, &self.patient.token, entries).await;
        let excuse = json!({ "from": "2026-02-09", "to": "2026-02-10", "reason": "A journey." });
        self.staff(Method::POST, "excuses", excuse).await.expect(201);
        let longer = json!({ "window": { "to": "P5D" }, "reason": "Her skin is thin." });
        self.staff(Method::PUT, "overrides/make_up", longer).await.expect(200);
        self.check_in(json!({ "pus": "coloured" })).await;
        let moved = format!(
            "INSERT INTO patient_zones (clinic_id, patient_id, valid_from, zone)
             VALUES ('{}', '{}', '2026-02-12T15:00:00Z', 'America/New_York')",
            self.patient.caller.clinic_id,
            self.patient.caller.patient_id.unwrap()
        );
        app.sql(&moved).await;
    }

    async fn agrees(&self, bundle: &Value, at: DateTime<Utc>) {
        let asked = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let server = self.read(&format!("guidance?at={asked}")).await;
        assert_eq!(guidance(bundle, at), without_countdowns(server), "{asked}");
    }
}

#[tokio::test]
async fn an_app_answers_from_the_bundle_at_any_moment_what_the_server_would() {
    let case = Case::new().await;
    let performed_at = case.app.care.now();
    let before = case.read("bundle").await;
    case.live().await;
    let bundle = case.read("bundle").await;
    assert_ne!(before["guidance"], bundle["guidance"]);
    let mut dice = Dice::new(20_260_202);
    for _ in 0..40 {
        let minutes = i64::try_from(dice.roll(26 * 24 * 60)).unwrap();
        case.agrees(&bundle, performed_at + TimeDelta::minutes(minutes)).await;
    }
    // At boundaries nobody may be off by one.
    let turns: Vec<_> = ["not_yet", "open_again", "expect", "advice", "phases"]
        .iter()
        .flat_map(|what| bundle["guidance"][*what].as_array().unwrap())
        .map(|shown| shown["from"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap())
        .filter(|from| *from > performed_at)
        .collect();
    assert!(turns.len() > 10);
    for _ in 0..15 {
        let turn = *dice.pick(&turns).unwrap();
        case.agrees(&bundle, turn).await;
        case.agrees(&bundle, turn - TimeDelta::microseconds(1)).await;
    }
}

#[tokio::test]
async fn an_app_tells_by_itself_which_report_answers_which_window_and_where_each_stands() {
    let case = Case::new().await;
    let (bundle, performed_at) = (case.read("bundle").await, case.app.care.now());
    let (mut reports, mut states, mut dice) = (Vec::new(), std::collections::BTreeSet::new(), Dice::new(7));
    for step in 0..60 {
        case.app.care.advance(TimeDelta::minutes(i64::try_from(dice.roll(14 * 60)).unwrap()));
        let reports_now = match (case.app.care.now() - performed_at).num_hours() {
            // The last of the daily windows goes by, and is answered late.
            144..204 => false,
            204..225 => true,
            _ => dice.roll(5) == 0,
        };
        if step == 58 {
            case.staff(Method::POST, "complete", json!({})).await.expect(200);
        } else if reports_now {
            let told = case.check_in(json!({ "redness": 1 })).await;
            reports.push((case.app.care.now(), told["id"].as_str().unwrap().to_owned()));
        }
        let server = case.read("check-ins/windows").await["items"].clone();
        let mut own = bundle.clone();
        if step >= 58 {
            // That it has ended, and what is no longer asked, is in the bundle of then.
            own = case.read("bundle").await;
        }
        assert_eq!(windows(&own, &reports, case.app.care.now()), server, "step {step}");
        states.extend(server.as_array().unwrap().iter().map(|window| window["state"].as_str().unwrap().to_owned()));
    }
    assert_eq!(Vec::from_iter(states), ["ahead", "early", "late", "missed", "on_time", "open", "overdue"]);
}

#[tokio::test]
async fn the_parts_of_a_bundle_are_what_their_own_reads_say() {
    let case = Case::new().await;
    case.live().await;
    let appointment = json!({
        "patient_id": case.patient.caller.patient_id, "kind": "follow_up", "date": "2026-02-16", "time": "10:30",
    });
    let appointment = case.app.post("/v1/appointments", &case.clinician.token, appointment).await.expect(201);
    let bundle = case.read("bundle").await;
    let treatment = case.app.get(&format!("/v1/treatments/{}", case.treatment), &case.patient.token).await.expect(200);
    assert_eq!(bundle["treatment"], treatment);
    assert_eq!(bundle["timeline"], case.read("timeline").await);
    assert_eq!(bundle["conditions"], case.read("conditions").await["items"]);
    assert_eq!(bundle["check_in"]["windows"], case.read("check-ins/windows").await["items"]);
    assert_eq!(bundle["appointments"], json!([appointment]));
    let mut tasks = bundle["tasks"].clone();
    for task in tasks.as_array_mut().unwrap() {
        task.as_object_mut().unwrap().retain(|field, _| field != "stands" && field != "in_guidance");
    }
    assert_eq!(tasks, case.read("tasks").await["items"]);
    let faqs = case.app.get("/v1/faqs", &case.patient.token).await.expect(200);
    assert_eq!(bundle["faqs"], faqs["items"]);
    let to = (case.app.care.now() + TimeDelta::days(62)).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    let reminders = case.app.get(&format!("/v1/me/reminders?to={to}"), &case.patient.token).await.expect(200);
    // Its own, and those of appointments.
    let of_treatment = |alert: &&Value| {
        let link = alert["link"].as_str().unwrap();
        link.contains(&case.treatment) || link.contains("/appointments/")
    };
    let reminders: Vec<_> = reminders["items"].as_array().unwrap().iter().filter(of_treatment).cloned().collect();
    assert!(reminders.len() > 20);
    assert_eq!(bundle["reminders"], json!(reminders));
    assert_eq!(bundle["excuses"][0]["from"], "2026-02-09");
    assert!(bundle["excuses"][0].get("reason").is_none(), "why is for staff");
}

#[tokio::test]
async fn the_form_says_what_is_asked_within_which_bounds_and_whom_to_turn_to() {
    let case = Case::new().await;
    let form = case.read("bundle").await["check_in"].clone();
    let question = |field: &str| {
        form["fields"].as_array().unwrap().iter().find(|question| question["field"] == field).unwrap().clone()
    };
    assert_eq!(question("redness"), json!({ "field": "redness", "answer": "scale", "minimum": 0.0, "maximum": 3.0 }));
    assert_eq!(question("pus")["words"], json!(["none", "clear", "coloured"]));
    assert_eq!(question("temperature")["words"], json!(["celsius", "fahrenheit"]));
    assert_eq!(question("blisters"), json!({ "field": "blisters", "answer": "yes_no" }));
    assert_eq!((&form["judged"], &form["longest_note"]), (&json!(true), &json!(2000)));
    // What triage says of an emergency is what the form shows before anything was said.
    let told = case.check_in(json!({ "breathing_trouble": true })).await;
    assert_eq!(told["triage"]["level"], "emergency");
    let said = &told["triage"]["advice"][0];
    assert!(form["emergencies"].as_array().unwrap().contains(said), "{form} {said}");
}

#[tokio::test]
async fn a_bundle_is_sent_once_packed_and_in_the_language_that_was_asked_for() {
    let case = Case::new().await;
    let path = case.path("bundle");
    let first = case.app.get(&path, &case.patient.token).await;
    assert_eq!(first.headers["cache-control"], "no-store");
    assert_eq!(first.headers["content-language"], "en");
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    let again = case.app.get_with(&path, &case.patient.token, "if-none-match", &tag).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    let admin = case.app.stage(case.patient.caller.clinic_id, Role::Administrator).await;
    accept(&case.app, &admin.token).await.expect(200);
    let spanish = case.app.get_with(&path, &case.patient.token, "accept-language", "es").await;
    assert_eq!(spanish.headers["content-language"], "es");
    assert_ne!(spanish.headers["etag"], tag.as_str());
    case.check_in(json!({ "redness": 1 })).await;
    let other = case.app.get_with(&path, &case.patient.token, "if-none-match", &tag).await;
    assert_eq!(other.status, 200);

    let packed = case.app.request(Method::GET, &path, &case.patient.token).header("accept-encoding", "gzip");
    let packed = packed.send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.bytes().await.unwrap().len() * 5 < first.text.len());

    let for_staff = case.app.get(&path, &case.clinician.token).await.expect(200);
    assert!(for_staff.get("reminders").is_none(), "the patient's phone rings, not the clinic's");
}
