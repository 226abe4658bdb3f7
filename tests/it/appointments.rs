//! Appointments: set, moved and called off by the clinic; what the patient is told of them and when.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::check_ins::{Scene, phone};
use crate::support::treatments::utc;
use crate::support::{Answer, seed, send};

/// The body of an appointment of the scene's patient; `more` is merged into it. It is Monday noon, 2 February.
fn body(scene: &Scene, more: Value) -> Value {
    let mut body = json!({
        "patient_id": scene.patient.caller.patient_id, "kind": "follow_up", "date": "2026-02-05", "time": "10:30",
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn set(scene: &Scene, more: Value) -> Value {
    scene.app.post("/v1/appointments", &scene.clinician.token, body(scene, more)).await.expect(201)
}

async fn edit(scene: &Scene, appointment: &Value, version: &str, edits: Value) -> Answer {
    let request = scene.app.request(Method::PATCH, &path(appointment), &scene.clinician.token);
    send(request.header("if-match", version).json(&edits)).await
}

fn path(appointment: &Value) -> String {
    format!("/v1/appointments/{}", appointment["id"].as_str().unwrap())
}

/// What is scheduled about an appointment: what it tells, and when.
async fn owed(scene: &Scene, appointment: &Value) -> Vec<(String, DateTime<Utc>)> {
    let prefix = format!("t:{}:", appointment["id"].as_str().unwrap());
    let rows = scene.alerts(&prefix).await.into_iter().filter(|row| row.state == "scheduled");
    let mut owed: Vec<_> = rows.map(|row| (row.dedupe_key[prefix.len()..].to_owned(), row.due_at)).collect();
    owed.sort_by_key(|(_, due_at)| *due_at);
    owed
}

fn told(list: &[(&str, &str)]) -> Vec<(String, DateTime<Utc>)> {
    list.iter().map(|(what, at)| ((*what).to_owned(), utc(at))).collect()
}

#[tokio::test]
async fn an_appointment_is_at_the_clinics_time_and_the_patient_sees_it() {
    let scene = Scene::new().await;
    let made = scene.app.post("/v1/appointments", &scene.clinician.token, body(&scene, json!({ "note": "Back door" })));
    let made = made.await;
    assert_eq!(made.headers["etag"], "\"1\"");
    let made = made.expect(201);
    for (field, expected) in [
        ("starts_at", json!("2026-02-05T09:30:00Z")),
        ("ends_at", json!("2026-02-05T10:00:00Z")),
        ("date", json!("2026-02-05")),
        ("time", json!("10:30")),
        ("time_zone", json!("Europe/Berlin")),
        ("status", json!("set")),
        ("note", json!("Back door")),
    ] {
        assert_eq!(made[field], expected, "{field}");
    }
    assert_eq!(scene.app.get(&path(&made), &scene.patient.token).await.expect(200), made);
    let mine = scene.app.get("/v1/appointments?from=2026-02-05T09:30:00Z", &scene.patient.token).await.expect(200);
    assert_eq!(mine["items"], json!([made]));
    let later = scene.app.get("/v1/appointments?from=2026-02-05T09:30:01Z", &scene.clinician.token).await.expect(200);
    assert_eq!(later["items"], json!([]));
    let neighbour = scene.app.stage(scene.clinic, Role::Patient).await;
    assert_eq!(scene.app.get(&path(&made), &neighbour.token).await.problem(404), "not_found");
    assert_eq!(scene.app.get("/v1/appointments", &neighbour.token).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn it_is_told_at_once_a_day_and_two_hours_before() {
    let scene = Scene::new().await;
    let patients_phone = phone(&scene.app, &scene.patient).await;
    let made = set(&scene, json!({})).await;
    // Set at 13:00 in Berlin; 08:30 is awake.
    let expected = told(&[
        ("set:1", "2026-02-02T12:00:00Z"),
        ("day_before:1", "2026-02-04T09:30:00Z"),
        ("hours_before:1", "2026-02-05T07:30:00Z"),
    ]);
    assert_eq!(owed(&scene, &made).await, expected);
    scene.app.drain_worker().await;
    let pushed = scene.pushed(patients_phone);
    assert_eq!(pushed.len(), 1);
    assert_eq!(pushed[0].text.body, None, "a lock screen shows neither what it is nor when");
    let alert = scene.app.get(&format!("/v1/alerts/{}", pushed[0].payload.alert_id), &scene.patient.token).await;
    assert_eq!(alert.headers["content-language"], "de");
    let alert = alert.expect(200);
    assert_eq!(alert["title"], "Du hast einen neuen Termin");
    assert_eq!(alert["body"], "2026-02-05, 10:30 (Europe/Berlin)");
    assert_eq!(alert["link"], format!("mendline://appointments/{}", made["id"].as_str().unwrap()));
    assert_eq!(alert["category"], "follow_up");
}

#[tokio::test]
async fn a_moved_one_is_reminded_of_anew_and_a_cancelled_one_not_at_all() {
    let scene = Scene::new().await;
    let made = set(&scene, json!({})).await;
    scene.app.care.set(utc("2026-02-04T10:00:00Z"));
    scene.app.drain_worker().await;
    let moved = edit(&scene, &made, "\"1\"", json!({ "date": "2026-02-09" })).await.expect(200);
    assert_eq!((&moved["starts_at"], &moved["version"]), (&json!("2026-02-09T09:30:00Z"), &json!(2)));
    let expected = told(&[
        ("moved:2", "2026-02-04T10:00:00Z"),
        ("day_before:2", "2026-02-08T09:30:00Z"),
        ("hours_before:2", "2026-02-09T07:30:00Z"),
    ]);
    assert_eq!(owed(&scene, &made).await, expected, "the day before was told of another day");
    let longer = edit(&scene, &made, "\"2\"", json!({ "minutes": 60, "note": "Bring a hat" })).await.expect(200);
    assert_eq!(longer["ends_at"], "2026-02-09T10:30:00Z");
    assert_eq!(owed(&scene, &made).await, expected, "nobody is told of a longer one");

    assert_eq!(scene.app.delete(&path(&made), &scene.clinician.token).await.status, 204);
    assert_eq!(owed(&scene, &made).await, told(&[("cancelled:3", "2026-02-04T10:00:00Z")]));
    let seen = scene.app.get(&path(&made), &scene.patient.token).await.expect(200);
    assert_eq!(seen["status"], "cancelled");
    assert_eq!(scene.app.delete(&path(&made), &scene.clinician.token).await.status, 204);
    assert_eq!(scene.app.get(&path(&made), &scene.patient.token).await.expect(200), seen, "twice is no error");
    assert_eq!(edit(&scene, &made, "\"4\"", json!({ "minutes": 15 })).await.problem(409), "conflict");
}

#[tokio::test]
async fn whoever_does_not_want_to_hear_of_it_is_not_told() {
    let scene = Scene::new().await;
    let made = set(&scene, json!({})).await;
    assert_eq!(owed(&scene, &made).await.len(), 3);
    for (wish, expected) in [
        (json!({ "categories_off": ["follow_up"] }), 0),
        (json!({ "categories_off": ["session"] }), 3),
        (json!({ "paused": true }), 0),
        (json!({}), 3),
    ] {
        let found = scene.app.get("/v1/me/notification-preferences", &scene.patient.token).await;
        let tag = found.headers["etag"].to_str().unwrap().to_owned();
        let request = scene.app.request(Method::PUT, "/v1/me/notification-preferences", &scene.patient.token);
        send(request.header("if-match", tag).json(&wish)).await.expect(200);
        assert_eq!(owed(&scene, &made).await.len(), expected, "{wish}");
    }
}

#[tokio::test]
async fn whoever_has_an_appointment_is_not_prompted_for_one() {
    let scene = Scene::new().await;
    let prompts = async || {
        let rows = scene.alerts(&format!("t:{}:", scene.treatment)).await.into_iter();
        let open = rows.filter(|row| row.state == "scheduled").map(|row| row.dedupe_key);
        let items = ["two_week_follow_up", "next_session", "session_overdue"];
        let open: Vec<String> = open.collect();
        items.map(|item| open.iter().any(|key| key.contains(item)))
    };
    assert_eq!(prompts().await, [true, true, true]);
    let session = set(&scene, json!({ "kind": "session", "date": "2026-03-19" })).await;
    assert_eq!(prompts().await, [true, false, false]);
    set(&scene, json!({ "date": "2026-02-20" })).await;
    assert_eq!(prompts().await, [false, false, false]);
    // Before the sixth week is over; whoever does not come then is told that the session is overdue.
    edit(&scene, &session, "\"1\"", json!({ "date": "2026-03-10" })).await.expect(200);
    assert_eq!(prompts().await, [false, false, true]);
    assert_eq!(scene.app.delete(&path(&session), &scene.clinician.token).await.status, 204);
    assert_eq!(prompts().await, [false, true, true]);
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_pointer_and_a_repeated_request_sets_nothing() {
    let scene = Scene::new().await;
    let course = json!({ "course_id": Uuid::new_v4(), "kind": "session" });
    for (more, pointer) in [
        (json!({ "date": "2026-02-02", "time": "13:00" }), "/date"),
        (json!({ "date": "2029-01-01" }), "/date"),
        (json!({ "date": "2026-03-29", "time": "02:30" }), "/time"),
        (json!({ "time": "24:00" }), "/time"),
        (json!({ "minutes": 4 }), "/minutes"),
        (json!({ "note": "x".repeat(501) }), "/note"),
        (course, "/course_id"),
        (json!({ "course_id": Uuid::new_v4() }), "/course_id"),
    ] {
        let refused = scene.app.post("/v1/appointments", &scene.clinician.token, body(&scene, more.clone())).await;
        assert_eq!(refused.expect(422)["errors"][0]["pointer"], pointer, "{more}");
    }
    for malformed in [json!({ "kind": "party" }), json!({ "date": "tomorrow" }), json!({ "time": "9" })] {
        let refused = scene.app.post("/v1/appointments", &scene.clinician.token, body(&scene, malformed)).await;
        assert_eq!(refused.problem(400), "malformed");
    }
    let id = json!({ "id": Uuid::new_v4() });
    let first = set(&scene, id.clone()).await;
    assert_eq!(set(&scene, id.clone()).await, first);
    let mut other = id.clone();
    other["kind"] = json!("session");
    let taken = scene.app.post("/v1/appointments", &scene.clinician.token, body(&scene, other)).await;
    assert_eq!(taken.problem(409), "id_taken");
    assert_eq!(edit(&scene, &first, "\"7\"", json!({ "minutes": 15 })).await.problem(412), "precondition_failed");
    let unread = scene.app.patch(&path(&first), &scene.clinician.token, json!({})).await;
    assert_eq!(unread.problem(428), "precondition_required");
    assert_eq!(owed(&scene, &first).await.len(), 3);
}

#[tokio::test]
async fn a_person_without_a_treatment_is_told_as_well_and_a_replan_changes_nothing() {
    let scene = Scene::new().await;
    let treatment = format!("/v1/treatments/{}", scene.treatment);
    let made = set(&scene, json!({})).await;
    let before = owed(&scene, &made).await;
    assert_eq!(scene.app.delete(&treatment, &scene.clinician.token).await.status, 204);
    assert_eq!(owed(&scene, &made).await, before);
    let rows = seed::alerts(&scene.app).await;
    assert!(rows.iter().filter(|row| row.state == "scheduled").count() == before.len());
    scene.app.care.advance(TimeDelta::days(4));
    let round = seed::alerts(&scene.app).await.len();
    scene.app.drain_worker().await;
    assert_eq!(seed::alerts(&scene.app).await.len(), round);
}
