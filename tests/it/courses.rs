//! Courses: planned by the clinic, joined by treatments, prompted for at their own interval, with how far they have come.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::seed::{self, AlertRow};
use crate::support::treatments::utc;
use crate::support::{Answer, Staged, TestApp, send};

/// A clinic with a clinician and a patient who was not treated yet. It is Monday noon, 2 February.
struct Case {
    app: TestApp,
    clinician: Staged,
    patient: Staged,
}

impl Case {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let clinic = app.stage_clinic().await;
        let clinician = app.stage(clinic, Role::Clinician).await;
        let patient = app.stage(clinic, Role::Patient).await;
        Self { app, clinician, patient }
    }

    fn patient_id(&self) -> Uuid {
        self.patient.caller.patient_id.unwrap()
    }

    /// Plans a course; `more` is merged into the body.
    async fn plan(&self, more: Value) -> Answer {
        let mut body = json!({ "patient_id": self.patient_id() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.app.post("/v1/courses", &self.clinician.token, body).await
    }

    async fn course(&self, more: Value) -> String {
        self.plan(more).await.expect(201)["id"].as_str().unwrap().to_owned()
    }

    async fn find(&self, course: &str) -> Value {
        self.app.get(&format!("/v1/courses/{course}"), &self.patient.token).await.expect(200)
    }

    async fn edit(&self, course: &str, version: &str, body: Value) -> Answer {
        let path = format!("/v1/courses/{course}");
        let request = self.app.request(Method::PATCH, &path, &self.clinician.token);
        send(request.header("if-match", version).json(&body)).await
    }

    async fn treat(&self, performed_at: DateTime<Utc>, more: Value) -> Value {
        let mut body = json!({ "patient_id": self.patient_id(), "performed_at": performed_at });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.app.post("/v1/treatments", &self.clinician.token, body).await.expect(201)
    }

    /// Session prompts that are owed: which item, and when.
    async fn prompts(&self) -> Vec<(String, DateTime<Utc>)> {
        let rows = seed::alerts(&self.app).await.into_iter();
        let owed = rows.filter(|row| row.state == "scheduled").filter_map(|row: AlertRow| {
            let item = row.dedupe_key.split(':').nth(2)?.to_owned();
            ["next_session", "session_overdue"].contains(&item.as_str()).then_some((item, row.due_at))
        });
        let mut owed: Vec<_> = owed.collect();
        owed.sort();
        owed
    }

    /// The same by the patient's date.
    async fn prompted_on(&self) -> Vec<(String, String)> {
        let prompts = self.prompts().await.into_iter();
        prompts.map(|(item, at)| (item, at.format("%m-%d").to_string())).collect()
    }
}

fn prompts(dates: [&str; 2]) -> Vec<(String, String)> {
    ["next_session", "session_overdue"]
        .iter()
        .zip(dates)
        .map(|(item, on)| ((*item).to_owned(), on.to_owned()))
        .collect()
}

fn days(count: i64) -> TimeDelta {
    TimeDelta::days(count)
}

#[tokio::test]
async fn a_course_takes_its_figures_from_the_protocol_where_staff_name_none() {
    let case = Case::new().await;
    let made = case.plan(json!({})).await;
    let location = made.headers["location"].to_str().unwrap().to_owned();
    let made = made.expect(201);
    assert_eq!(location, format!("/v1/courses/{}", made["id"].as_str().unwrap()));
    for (field, expected) in [
        ("status", json!("planned")),
        ("area", json!("face")),
        ("protocol", json!("conservative")),
        ("planned_sessions", json!(3)),
        ("earlier_sessions", json!(0)),
        ("interval_min_days", json!(28)),
        ("interval_max_days", json!(42)),
        ("progress", json!({ "done": 0, "planned": 3 })),
        ("sessions", json!([])),
    ] {
        assert_eq!(made[field], expected, "{field}");
    }
}

#[tokio::test]
async fn treatments_join_and_are_numbered_in_order_of_time() {
    let case = Case::new().await;
    let course = case.course(json!({ "planned_sessions": 4, "earlier_sessions": 1 })).await;
    let now = case.app.care.now();
    let second = case.treat(now, json!({})).await;
    assert_eq!((&second["course_id"], &second["session_number"]), (&json!(course), &json!(2)));
    let first = case.treat(now - days(30), json!({ "session_number": 9 })).await;
    assert_eq!(first["session_number"], 2, "it was before; the course numbers its sessions itself");
    let found = case.find(&course).await;
    let numbers: Vec<_> =
        found["sessions"].as_array().unwrap().iter().map(|one| one["session_number"].clone()).collect();
    assert_eq!(numbers, [json!(2), json!(3)]);
    assert_eq!(found["sessions"][1]["treatment_id"], second["id"]);
    assert_eq!(found["status"], "running");
    let next = json!({ "number": 4, "due_on": "2026-03-02", "overdue_on": "2026-03-16", "standing": "ahead" });
    assert_eq!(found["progress"], json!({ "done": 3, "planned": 4, "next": next }));

    // A session that was cancelled is none.
    let path = format!("/v1/treatments/{}", first["id"].as_str().unwrap());
    assert_eq!(case.app.delete(&path, &case.clinician.token).await.status, 204);
    let found = case.find(&course).await;
    assert_eq!(found["progress"]["done"], 2);
    assert_eq!(found["sessions"][0]["session_number"], 2);
}

#[tokio::test]
async fn a_treatment_names_a_course_leaves_it_and_fits_it() {
    let case = Case::new().await;
    let course = case.course(json!({})).await;
    let now = case.app.care.now();
    let made = case.treat(now, json!({ "course_id": course })).await;
    let path = format!("/v1/treatments/{}", made["id"].as_str().unwrap());
    let edit = async |body: Value, version: &str| {
        let request = case.app.request(Method::PATCH, &path, &case.clinician.token);
        send(request.header("if-match", version).json(&body)).await
    };
    let elsewhere = edit(json!({ "area": "neck", "protocol_reason": "As on the face" }), "\"1\"").await.expect(422);
    assert_eq!(elsewhere["errors"][0]["pointer"], "/area");
    let both = edit(json!({ "leave_course": true, "course_id": course }), "\"1\"").await.expect(422);
    assert_eq!(both["errors"][0]["pointer"], "/leave_course");
    let left = edit(json!({ "leave_course": true }), "\"1\"").await.expect(200);
    assert!(left.get("course_id").is_none());
    assert_eq!(case.find(&course).await["status"], "planned");
    let back = edit(json!({ "course_id": course }), "\"2\"").await.expect(200);
    assert_eq!((&back["course_id"], &back["session_number"]), (&json!(course), &json!(1)));

    let neighbour = case.app.stage(case.patient.caller.clinic_id, Role::Patient).await;
    let of_neighbour = json!({ "patient_id": neighbour.caller.patient_id, "performed_at": now, "course_id": course });
    let refused = case.app.post("/v1/treatments", &case.clinician.token, of_neighbour).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/course_id");
    case.app.post(&format!("/v1/courses/{course}/complete"), &case.clinician.token, json!({})).await.expect(200);
    let late = json!({
        "patient_id": case.patient_id(), "performed_at": now - days(3), "course_id": course, "allow_duplicate": true,
    });
    let refused = case.app.post("/v1/treatments", &case.clinician.token, late).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/course_id");
}

#[tokio::test]
async fn the_courses_protocol_and_interval_are_those_of_its_sessions() {
    let case = Case::new().await;
    let figures = json!({ "protocol": "day-by-day", "interval_min_days": 35, "interval_max_days": 49 });
    let course = case.course(figures).await;
    let treatment = case.treat(case.app.care.now(), json!({})).await;
    assert_eq!(treatment["protocol"]["key"], "day-by-day");
    assert_eq!(case.prompted_on().await, prompts(["03-09", "03-23"]));
    let path = format!("/v1/treatments/{}/timeline", treatment["id"].as_str().unwrap());
    let timeline = case.app.get(&path, &case.patient.token).await.expect(200);
    let next = timeline["items"].as_array().unwrap().iter().find(|item| item["key"] == "next_session").unwrap();
    assert_eq!((&next["open_on"], &next["close_on"]), (&json!("2026-03-09"), &json!("2026-03-22")));

    case.edit(&course, "\"1\"", json!({ "interval_min_days": 28, "interval_max_days": 42 })).await.expect(200);
    assert_eq!(case.prompted_on().await, prompts(["03-02", "03-16"]));
}

#[tokio::test]
async fn the_next_session_ends_the_prompts_of_the_one_before_and_the_last_needs_none() {
    let case = Case::new().await;
    case.course(json!({ "planned_sessions": 3, "earlier_sessions": 1 })).await;
    case.treat(case.app.care.now(), json!({})).await;
    assert_eq!(case.prompted_on().await, prompts(["03-02", "03-16"]));
    case.app.care.advance(days(30));
    case.app.drain_worker().await;
    case.treat(case.app.care.now(), json!({})).await;
    assert_eq!(case.prompted_on().await, [], "neither the old session's nor any of the last");
}

#[tokio::test]
async fn a_course_that_was_ended_prompts_for_nothing_and_cannot_be_edited() {
    let case = Case::new().await;
    let course = case.course(json!({})).await;
    case.treat(case.app.care.now(), json!({})).await;
    assert_eq!(case.prompts().await.len(), 2);
    let path = format!("/v1/courses/{course}");
    let done = case.app.post(&format!("{path}/complete"), &case.clinician.token, json!({})).await.expect(200);
    assert_eq!((&done["status"], &done["ended_at"]), (&json!("completed"), &json!(case.app.care.now())));
    assert!(done["progress"].get("next").is_none());
    assert_eq!(case.prompts().await, []);
    let again = case.app.post(&format!("{path}/complete"), &case.clinician.token, json!({})).await.expect(200);
    assert_eq!(again, done, "completing twice is no error");
    assert_eq!(case.app.delete(&path, &case.clinician.token).await.problem(409), "conflict");
    assert_eq!(case.edit(&course, "\"2\"", json!({ "planned_sessions": 5 })).await.problem(409), "conflict");
    let other = case.course(json!({})).await;
    let session = json!({
        "patient_id": case.patient.caller.patient_id, "kind": "session", "course_id": other, "time": "10:30",
        "date": (case.app.care.now() + TimeDelta::days(30)).date_naive(),
    });
    let session = case.app.post("/v1/appointments", &case.clinician.token, session).await.expect(201);
    assert_eq!(case.app.delete(&format!("/v1/courses/{other}"), &case.clinician.token).await.status, 204);
    let session = format!("/v1/appointments/{}", session["id"].as_str().unwrap());
    let session = case.app.get(&session, &case.patient.token).await.expect(200);
    assert_eq!((&session["status"], &session["version"]), (&json!("cancelled"), &json!(2)), "nobody comes in vain");
    let told = seed::alerts(&case.app).await.into_iter().find(|row| row.dedupe_key.ends_with("cancelled:2"));
    assert_eq!(told.map(|row| row.state), Some("scheduled".to_owned()));
    assert_eq!(case.app.delete(&format!("/v1/courses/{other}"), &case.clinician.token).await.status, 204);
}

#[tokio::test]
async fn a_completed_session_still_asks_for_the_next_and_its_flags_hold_that_back() {
    let case = Case::new().await;
    let elsewhere = json!({ "area": "neck", "protocol_reason": "Done before." });
    let alone = case.treat(case.app.care.now() - days(1), elsewhere).await;
    case.course(json!({})).await;
    let treatment = case.treat(case.app.care.now(), json!({})).await;
    let path = |treatment: &Value| format!("/v1/treatments/{}", treatment["id"].as_str().unwrap());
    let complete = async |treatment: &Value| {
        let path = format!("{}/complete", path(treatment));
        case.app.post(&path, &case.clinician.token, json!({})).await.expect(200);
    };
    complete(&alone).await;
    let asked = case.prompts().await;
    assert_eq!(asked.len(), 2, "one of no course asks for none");
    let owed = async || seed::alerts(&case.app).await.into_iter().filter(|row| row.state == "scheduled").count();
    assert!(owed().await > 20);
    complete(&treatment).await;
    assert_eq!((case.prompts().await, owed().await), (asked.clone(), 2), "the day of the next, and nothing else");

    let report = json!({ "recorded_at": case.app.care.now(), "symptoms": { "pus": "coloured" } });
    let check_ins = format!("{}/check-ins", path(&treatment));
    let report = case.app.post(&check_ins, &case.patient.token, report).await.expect(201);
    assert_eq!(case.prompts().await, [], "nobody is asked back while the clinic looks at it");
    let flag = format!("/v1/flags/{}", report["triage"]["flags"][0]["id"].as_str().unwrap());
    for act in ["acknowledge", "resolve"] {
        case.app.post(&format!("{flag}/{act}"), &case.clinician.token, json!({})).await.expect(200);
    }
    assert_eq!(case.prompts().await, asked);
    // The next session is registered and completed, and the flag of the first one is open again.
    case.app.advance(days(28)).await;
    let next = case.treat(case.app.care.now(), json!({})).await;
    complete(&next).await;
    assert_eq!(case.prompts().await.len(), 2);
    case.app.post(&format!("{flag}/reopen"), &case.clinician.token, json!({})).await.expect(200);
    assert_eq!(case.prompts().await, [], "a flag on any treatment does");
}

#[tokio::test]
async fn one_course_of_an_area_is_open_and_a_repeated_request_makes_none() {
    let case = Case::new().await;
    let id = Uuid::new_v4();
    let first = case.plan(json!({ "id": id })).await.expect(201);
    assert_eq!(case.plan(json!({ "id": id })).await.expect(201), first);
    assert_eq!(case.plan(json!({})).await.problem(409), "conflict");
    for other in [json!({ "area": "neck" }), json!({ "planned_sessions": 6 }), json!({ "notes": "Forehead first" })] {
        let mut other = other;
        other["id"] = json!(id);
        assert_eq!(case.plan(other.clone()).await.problem(409), "id_taken", "{other}");
    }
    case.plan(json!({ "area": "neck" })).await.expect(201);
    let list = case.app.get("/v1/courses?open=true&limit=1", &case.patient.token).await.expect(200);
    let cursor = list["next_cursor"].as_str().unwrap();
    let rest = case.app.get(&format!("/v1/courses?limit=1&cursor={cursor}"), &case.patient.token).await.expect(200);
    assert_ne!(list["items"][0]["id"], rest["items"][0]["id"]);
    assert!(rest.get("next_cursor").is_none());
    let neighbour = case.app.stage(case.patient.caller.clinic_id, Role::Patient).await;
    assert_eq!(case.app.get("/v1/courses", &neighbour.token).await.expect(200)["items"], json!([]));
    let of_neighbour = format!("/v1/courses?patient_id={}", neighbour.caller.patient_id.unwrap());
    assert_eq!(case.app.get(&of_neighbour, &case.clinician.token).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn wrong_figures_are_named_all_at_once_and_a_stale_edit_is_refused() {
    let case = Case::new().await;
    let wrong = json!({
        "planned_sessions": 2, "earlier_sessions": -1, "interval_min_days": 3, "interval_max_days": 999, "area": " ",
    });
    let refused = case.plan(wrong).await.expect(422);
    let pointers: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    let expected = ["/area", "/planned_sessions", "/earlier_sessions", "/interval_min_days", "/interval_max_days"];
    let (mut pointers, mut expected) = (pointers, expected);
    pointers.sort_unstable();
    expected.sort_unstable();
    assert_eq!(pointers, expected);
    for (body, pointer) in [
        (json!({ "earlier_sessions": 3 }), "/earlier_sessions"),
        (json!({ "interval_min_days": 42 }), "/interval_max_days"),
        (json!({ "protocol": "nobody-knows" }), "/protocol"),
    ] {
        assert_eq!(case.plan(body).await.expect(422)["errors"][0]["pointer"], pointer);
    }
    let course = case.course(json!({ "notes": "Nervous." })).await;
    assert!(case.find(&course).await.get("notes").is_none(), "notes are for staff");
    let path = format!("/v1/courses/{course}");
    let unread = case.app.patch(&path, &case.clinician.token, json!({})).await;
    assert_eq!(unread.problem(428), "precondition_required");
    case.edit(&course, "\"1\"", json!({ "planned_sessions": 6, "notes": "" })).await.expect(200);
    assert_eq!(case.edit(&course, "\"1\"", json!({ "planned_sessions": 5 })).await.problem(412), "precondition_failed");
    let seen = case.app.get(&path, &case.clinician.token).await.expect(200);
    assert_eq!((&seen["planned_sessions"], seen.get("notes")), (&json!(6), None));
}

#[tokio::test]
async fn a_course_shows_who_kept_to_each_sessions_plan() {
    let case = Case::new().await;
    let course = case.course(json!({})).await;
    let treatment = case.treat(case.app.care.now(), json!({})).await;
    let id = treatment["id"].as_str().unwrap();
    case.app.care.set(utc("2026-02-03T10:00:00Z"));
    let tasks = case.app.tasks(id, &case.patient.token, "2026-02-03", "2026-02-03").await;
    let done = crate::support::treatments::entry(&tasks[0], "done", case.app.care.now());
    case.app.report(id, &case.patient.token, json!([done])).await;
    case.app.care.set(utc("2026-02-20T10:00:00Z"));
    let shown = case.find(&course).await["sessions"][0]["compliance"].clone();
    let own = case.app.get(&format!("/v1/treatments/{id}/compliance"), &case.patient.token).await.expect(200);
    assert!(shown["done_w"].as_i64().unwrap() > 0);
    for field in ["done_w", "closed_w", "completion_bp", "counts", "since"] {
        assert_eq!(shown[field], own[field], "{field}");
    }
}

#[tokio::test]
async fn the_window_of_the_next_session_passes() {
    let case = Case::new().await;
    let course = case.course(json!({})).await;
    case.treat(case.app.care.now(), json!({})).await;
    // Midnight of Berlin lies an hour before that of UTC.
    for (at, expected) in [
        ("2026-03-01T22:59:59Z", "ahead"),
        ("2026-03-01T23:00:00Z", "due"),
        ("2026-03-15T22:59:59Z", "due"),
        ("2026-03-15T23:00:00Z", "overdue"),
    ] {
        case.app.care.set(utc(at));
        assert_eq!(case.find(&course).await["progress"]["next"]["standing"], expected, "{at}");
    }
}

#[tokio::test]
async fn a_course_whose_protocol_was_retired_goes_on_by_the_clinics_default() {
    let case = Case::new().await;
    let admin = case.app.stage(case.patient.caller.clinic_id, Role::Administrator).await;
    case.course(json!({ "protocol": "day-by-day" })).await;
    let path = "/v1/protocols/day-by-day/versions/1/retire";
    case.app.post(path, &admin.token, json!({ "reason": "We follow another." })).await.expect(200);
    let at_home = json!({ "performed_at": case.app.care.now() });
    let made = case.app.post("/v1/treatments", &case.patient.token, at_home).await.expect(201);
    assert_eq!((&made["protocol"]["key"], &made["session_number"]), (&json!("conservative"), &json!(1)));
    let chosen = json!({
        "patient_id": case.patient_id(), "performed_at": case.app.care.now() - days(9), "protocol": "day-by-day",
    });
    let refused = case.app.post("/v1/treatments", &case.clinician.token, chosen).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/protocol", "what staff choose is theirs to choose again");
}

#[tokio::test]
async fn a_session_that_gets_another_number_is_another_version_of_itself() {
    let case = Case::new().await;
    case.course(json!({})).await;
    let now = case.app.care.now();
    let first = case.treat(now, json!({})).await;
    let path = format!("/v1/treatments/{}", first["id"].as_str().unwrap());
    let shown = async || {
        let answer = case.app.get(&path, &case.clinician.token).await;
        let etag = answer.headers["etag"].to_str().unwrap().to_owned();
        (etag, answer.expect(200)["session_number"].clone())
    };
    assert_eq!(shown().await, ("\"1\"".to_owned(), json!(1)));
    case.treat(now - days(30), json!({})).await;
    assert_eq!(shown().await, ("\"2\"".to_owned(), json!(2)));
}
