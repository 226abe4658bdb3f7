//! What waiting times wait for: ended by check-ins or clinicians, never before the minimum, at the latest at the cap unless
//! a flag is open.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::domain::role::Role;
use mendline::schema::audit;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::check_ins::Scene;
use crate::support::seed;
use crate::support::treatments::utc;

/// Treated at noon of 2 February.
fn on(day: i64) -> DateTime<Utc> {
    utc("2026-02-02T12:00:00Z") + TimeDelta::days(day)
}

async fn flaking(scene: &Scene, step: u8) {
    scene.report(json!({ "flaking": step })).await;
}

async fn condition(scene: &Scene, token: &str) -> Value {
    let path = format!("/v1/treatments/{}/conditions", scene.treatment);
    scene.app.get(&path, token).await.expect(200)["items"][0].clone()
}

async fn decide(scene: &Scene, ended: bool) {
    let path = format!("/v1/treatments/{}/conditions/flaking_ended", scene.treatment);
    let body = json!({ "ended": ended, "reason": "Seen at the visit." });
    assert_eq!(scene.app.post(&path, &scene.clinician.token, body).await.status, 204);
}

/// When the wait for retinoids ends: by the plan's alert, by guidance, and by what the condition's list says.
async fn until(scene: &Scene) -> Option<DateTime<Utc>> {
    let key = format!("t:{}:retinoids", scene.treatment);
    let alerts = scene.alerts(&key).await;
    let alert = alerts.iter().find(|row| row.state == "scheduled").map(|row| row.due_at);
    let listed = condition(scene, &scene.patient.token).await;
    let item = listed["items"].as_array().unwrap().iter().find(|item| item["key"] == "retinoids").unwrap().clone();
    let until = item.get("until").map(|at| utc(at.as_str().unwrap()));
    assert_eq!((utc(item["earliest"].as_str().unwrap()), utc(item["cap"].as_str().unwrap())), (on(7), on(14)));
    let path = format!("/v1/treatments/{}/guidance?topic=retinoids", scene.treatment);
    let guidance = scene.app.get(&path, &scene.patient.token).await.expect(200);
    let shown = match guidance["not_yet"].get(0) {
        Some(entry) => entry.get("until"),
        None => guidance["open_again"][0].get("since"),
    };
    assert_eq!(shown.map(|at| utc(at.as_str().unwrap())), until);
    if until.is_none_or(|until| until > scene.app.care.now()) {
        assert_eq!(alert, until, "what is owed follows in the same breath");
    }
    until
}

#[tokio::test]
async fn a_check_in_ends_it_but_not_before_the_minimum_nor_before_it_can_have_begun() {
    let scene = Scene::new().await;
    assert_eq!(until(&scene).await, Some(on(14)), "nobody has said anything: the cap");
    scene.app.care.set(on(3));
    flaking(&scene, 0).await;
    assert_eq!(until(&scene).await, Some(on(14)), "it may not have begun");
    scene.app.care.set(on(6));
    flaking(&scene, 0).await;
    assert_eq!(until(&scene).await, Some(on(7)), "the minimum");
    let shown = condition(&scene, &scene.patient.token).await;
    assert_eq!((&shown["ended_by"], utc(shown["ended_at"].as_str().unwrap())), (&json!("check_in"), on(6)));
    scene.app.care.set(on(8));
    let back = scene.report(json!({ "flaking": 1 })).await;
    assert_eq!(until(&scene).await, None, "it came back, and what gets worse raises a flag");
    for flag in back["triage"]["flags"].as_array().unwrap() {
        scene.act(flag, "acknowledge", json!({})).await.expect(200);
        scene.act(flag, "resolve", json!({ "outcome": "Harmless" })).await.expect(200);
    }
    assert_eq!(until(&scene).await, Some(on(14)), "the cap again");
    assert!(condition(&scene, &scene.patient.token).await.get("ended_at").is_none());
    scene.app.care.set(on(9));
    flaking(&scene, 0).await;
    assert_eq!(until(&scene).await, Some(on(9)));
}

#[tokio::test]
async fn a_clinician_ends_it_with_a_reason_or_says_that_it_goes_on() {
    let scene = Scene::new().await;
    scene.app.care.set(on(8));
    decide(&scene, true).await;
    assert_eq!(until(&scene).await, Some(on(8)));
    scene.app.care.set(on(9));
    decide(&scene, false).await;
    assert_eq!(until(&scene).await, Some(on(14)));
    let for_staff = condition(&scene, &scene.clinician.token).await;
    let decisions = for_staff["decisions"].as_array().unwrap();
    assert_eq!((decisions.len(), &decisions[0]["reason"]), (2, &json!("Seen at the visit.")));
    assert!(condition(&scene, &scene.patient.token).await.get("decisions").is_none(), "reasons are for staff");
    let decided = audit::table.filter(audit::action.eq("condition.decide"));
    let audited: i64 = seed::run(&scene.app, async |conn| decided.count().get_result(conn).await).await;
    assert_eq!(audited, 2);
}

#[tokio::test]
async fn the_cap_holds_unless_a_flag_of_level_soon_or_above_is_open() {
    let scene = Scene::new().await;
    scene.app.care.set(on(13));
    let report = scene.report(json!({ "flaking": 1, "colour_change": "darker" })).await;
    assert_eq!(report["triage"]["level"], "soon");
    assert_eq!(until(&scene).await, None, "no end in sight");
    scene.app.care.set(on(20));
    assert_eq!(until(&scene).await, None, "long past the cap");
    for flag in report["triage"]["flags"].as_array().unwrap() {
        scene.act(flag, "acknowledge", json!({})).await.expect(200);
        scene.act(flag, "resolve", json!({ "outcome": "Harmless" })).await.expect(200);
    }
    assert_eq!(until(&scene).await, Some(on(20)), "released when it was resolved");
}

#[tokio::test]
async fn a_decision_is_kept_once_and_needs_a_reason_and_a_condition() {
    let scene = Scene::new().await;
    let path = format!("/v1/treatments/{}/conditions", scene.treatment);
    let post =
        async |key: &str, body: Value| scene.app.post(&format!("{path}/{key}"), &scene.clinician.token, body).await;
    let body = json!({ "id": Uuid::new_v4(), "ended": true, "reason": "No flakes left." });
    for _ in 0..2 {
        assert_eq!(post("flaking_ended", body.clone()).await.status, 204);
    }
    let mut other = body.clone();
    other["ended"] = json!(false);
    assert_eq!(post("flaking_ended", other).await.problem(409), "id_taken");
    assert_eq!(condition(&scene, &scene.clinician.token).await["decisions"].as_array().unwrap().len(), 1);
    assert_eq!(post("patience", json!({ "ended": true, "reason": "x" })).await.problem(404), "not_found");
    let silent = post("flaking_ended", json!({ "ended": true, "reason": " " })).await.expect(422);
    assert_eq!(silent["errors"][0]["pointer"], "/reason");
    let complete = format!("/v1/treatments/{}/complete", scene.treatment);
    scene.app.post(&complete, &scene.clinician.token, json!({})).await.expect(200);
    assert_eq!(post("flaking_ended", json!({ "ended": false, "reason": "x" })).await.problem(409), "conflict");
    let neighbour = scene.app.stage(scene.clinic, Role::Patient).await;
    assert_eq!(scene.app.get(&path, &neighbour.token).await.problem(404), "not_found");
}
