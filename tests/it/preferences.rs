//! Notification preferences: defaults for whoever never chose, choices that replace them, a zone that follows them.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::db::Connector;
use mendline::domain::role::Role;
use mendline::schema::{audit, patient_zones};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Staged, TestApp, seed, send};

const PATH: &str = "/v1/me/notification-preferences";

async fn patient() -> (TestApp, Staged) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let patient = app.stage(clinic, Role::Patient).await;
    (app, patient)
}

fn defaults() -> Value {
    json!({
        "quiet_hours": {"from": "21:00", "to": "08:00"}, "preferred_time": "09:00", "categories_off": [],
        "show_details": false, "daily_cap": 4, "minimum_gap_minutes": 30, "zone_mode": "device", "paused": false
    })
}

fn chosen() -> Value {
    json!({
        "quiet_hours": {"from": "22:30", "to": "06:15"}, "preferred_time": "07:45",
        "categories_off": ["milestone", "routine"], "show_details": true, "daily_cap": 2,
        "minimum_gap_minutes": 90, "zone_mode": "home", "paused": true
    })
}

async fn put_if(app: &TestApp, who: &Staged, tag: &str, body: Value) -> Answer {
    send(app.request(Method::PUT, PATH, &who.token).header("if-match", tag).json(&body)).await
}

async fn zones(app: &TestApp, patient: Uuid) -> Vec<String> {
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    patient_zones::table
        .filter(patient_zones::patient_id.eq(patient))
        .order(patient_zones::valid_from)
        .select(patient_zones::zone)
        .load(&mut conn)
        .await
        .unwrap()
}

async fn phone_in(app: &TestApp, who: &Staged, zone: &str) {
    let body = json!({
        "provider": "fcm", "address": "phone", "locale": "de", "time_zone": zone, "permission": "granted"
    });
    let device = who.caller.session_id;
    let answer = app.put(&format!("/v1/me/devices/{device}"), &who.token, body).await;
    assert!(answer.status.is_success(), "{}", answer.text);
}

#[tokio::test]
async fn whoever_never_chose_has_the_clinics_and_the_houses_figures() {
    let (app, ada) = patient().await;
    let answer = app.get(PATH, &ada.token).await;
    assert_eq!(
        (&answer.headers["etag"], &answer.headers["cache-control"]),
        (&"\"0\"".parse().unwrap(), &"no-store".parse().unwrap())
    );
    assert_eq!(answer.expect(200), defaults());
    app.sql("UPDATE clinics SET quiet_from = '20:00', quiet_to = '09:00'").await;
    let body = app.get(PATH, &ada.token).await.expect(200);
    assert_eq!(body["quiet_hours"], json!({"from": "20:00", "to": "09:00"}));
}

#[tokio::test]
async fn what_was_chosen_is_read_back_and_what_is_left_out_is_as_before_any_choice() {
    let (app, ada) = patient().await;
    assert_eq!(app.put(PATH, &ada.token, chosen()).await.expect(200), chosen());
    let read = app.get(PATH, &ada.token).await;
    assert_eq!(read.headers["etag"], "\"1\"");
    let read = read.expect(200);
    assert_eq!(read, chosen());
    assert_eq!(app.put(PATH, &ada.token, read).await.headers["etag"], "\"1\"", "the same again changes nothing");
    assert_eq!(app.put(PATH, &ada.token, json!({})).await.expect(200), defaults());
}

#[tokio::test]
async fn an_edit_may_name_the_version_it_was_made_on() {
    let (app, ada) = patient().await;
    put_if(&app, &ada, "\"0\"", chosen()).await.expect(200);
    assert_eq!(put_if(&app, &ada, "\"0\"", json!({})).await.problem(412), "precondition_failed");
    put_if(&app, &ada, "\"1\"", json!({})).await.expect(200);
}

#[tokio::test]
async fn of_two_first_choices_at_once_the_second_sees_the_first() {
    let (app, ada) = patient().await;
    let (one, other) =
        tokio::join!(put_if(&app, &ada, "\"0\"", chosen()), put_if(&app, &ada, "\"0\"", json!({"paused": true})));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let (app, ada) = patient().await;
    let body = json!({"quiet_hours": {"from": "24:00", "to": "8:00"}, "preferred_time": "noon", "daily_cap": 0,
        "minimum_gap_minutes": 241});
    let answer = app.put(PATH, &ada.token, body).await.expect(422);
    let mut pointers: Vec<_> =
        answer["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        ["/daily_cap", "/minimum_gap_minutes", "/preferred_time", "/quiet_hours/from", "/quiet_hours/to"]
    );
    for body in [json!({"categories_off": ["flag"]}), json!({"zone_mode": "moon"}), json!({"loud": true})] {
        assert_eq!(app.put(PATH, &ada.token, body).await.problem(400), "malformed");
    }
    assert_eq!(app.get(PATH, "").await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn preferences_are_a_persons_own_and_hold_at_every_clinic() {
    let (app, ada) = patient().await;
    let elsewhere = app.stage_clinic().await;
    let ada_there = app.stage_membership(ada.caller.user_id, elsewhere, Role::Patient).await;
    let grace = app.stage(ada.caller.clinic_id, Role::Clinician).await;
    app.put(PATH, &ada.token, chosen()).await.expect(200);
    assert_eq!(app.get(PATH, &ada_there.token).await.expect(200), chosen());
    assert_eq!(app.get(PATH, &grace.token).await.expect(200), defaults());
}

#[tokio::test]
async fn whoever_keeps_the_home_zone_goes_home_at_once_and_no_phone_moves_them() {
    let (app, ada) = patient().await;
    let patient = ada.caller.patient_id.unwrap();
    app.care.advance(TimeDelta::minutes(5));
    phone_in(&app, &ada, "Asia/Tokyo").await;
    app.care.advance(TimeDelta::minutes(5));
    app.put(PATH, &ada.token, json!({"zone_mode": "home"})).await.expect(200);
    assert_eq!(zones(&app, patient).await, ["Europe/Berlin", "Asia/Tokyo", "Europe/Berlin"]);
    app.care.advance(TimeDelta::hours(2));
    phone_in(&app, &ada, "Asia/Tokyo").await;
    assert_eq!(zones(&app, patient).await.len(), 3);
    app.put(PATH, &ada.token, json!({"zone_mode": "device"})).await.expect(200);
    phone_in(&app, &ada, "Asia/Tokyo").await;
    assert_eq!(zones(&app, patient).await.last().unwrap(), "Asia/Tokyo");
}

#[tokio::test]
async fn a_new_home_zone_moves_who_is_at_home_and_not_who_is_away() {
    let (app, ada) = patient().await;
    let clinician = app.stage(ada.caller.clinic_id, Role::Clinician).await;
    let patient = ada.caller.patient_id.unwrap();
    let move_home = |version: u32, zone: &'static str| {
        let request = app.request(Method::PATCH, &format!("/v1/patients/{patient}"), &clinician.token);
        send(request.header("if-match", format!("\"{version}\"")).json(&json!({ "time_zone": zone })))
    };
    app.care.advance(TimeDelta::minutes(5));
    move_home(1, "Europe/Lisbon").await.expect(200);
    assert_eq!(zones(&app, patient).await, ["Europe/Berlin", "Europe/Lisbon"]);
    app.care.advance(TimeDelta::hours(2));
    phone_in(&app, &ada, "Asia/Tokyo").await;
    move_home(2, "Europe/Madrid").await.expect(200);
    assert_eq!(zones(&app, patient).await, ["Europe/Berlin", "Europe/Lisbon", "Asia/Tokyo"]);
}

#[tokio::test]
async fn agreeing_to_details_on_the_lock_screen_is_recorded_and_so_is_taking_it_back() {
    let (app, ada) = patient().await;
    for show_details in [true, true, false] {
        app.put(PATH, &ada.token, json!({ "show_details": show_details })).await.expect(200);
    }
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let actions: Vec<String> = audit::table
        .filter(audit::patient_id.eq(ada.caller.patient_id))
        .order(audit::at)
        .select(audit::action)
        .load(&mut conn)
        .await
        .unwrap();
    assert_eq!(actions, ["lock_screen_details.consent", "lock_screen_details.withdraw"]);
}

async fn scheduled(app: &TestApp) -> Vec<seed::AlertRow> {
    seed::alerts(app).await.into_iter().filter(|row| row.state == "scheduled").collect()
}

#[tokio::test]
async fn what_a_person_is_owed_follows_what_they_chose() {
    let (app, ada) = patient().await;
    let clinician = app.stage(ada.caller.clinic_id, Role::Clinician).await;
    let body = json!({"patient_id": ada.caller.patient_id, "performed_at": app.care.now()});
    app.post("/v1/treatments", &clinician.token, body).await.expect(201);
    let first = scheduled(&app).await;
    let milestones = |rows: &[seed::AlertRow]| rows.iter().filter(|row| row.dedupe_key.starts_with("m:")).count();
    assert!(milestones(&first) > 0);

    app.put(PATH, &ada.token, json!({"categories_off": ["milestone"]})).await.expect(200);
    let without = scheduled(&app).await;
    assert_eq!(milestones(&without), 0);
    assert!(!without.is_empty());

    app.put(PATH, &ada.token, json!({"paused": true})).await.expect(200);
    assert!(scheduled(&app).await.is_empty());

    app.put(PATH, &ada.token, json!({})).await.expect(200);
    let last = scheduled(&app).await;
    let owed = |rows: &[seed::AlertRow]| -> Vec<_> { rows.iter().map(|r| (r.dedupe_key.clone(), r.due_at)).collect() };
    assert_eq!(owed(&last), owed(&first), "as if nothing had been chosen in between");
}
