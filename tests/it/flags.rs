//! Flags: raised once, seen, closed, opened again; and what that does to messages and to the patient's plan.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::check_ins::{Scene, phone, treated};
use crate::support::send;

fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}

fn flag_of(answer: &Value) -> Value {
    answer["triage"]["flags"][0].clone()
}

fn kinds(flag: &Value) -> Vec<&str> {
    flag["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_flag_is_acknowledged_contacted_and_resolved_and_the_patient_sees_it() {
    let scene = Scene::after(hours(30)).await;
    let flag = flag_of(&scene.report(json!({ "pain": 2 })).await);
    assert_eq!(flag["status"], "open");
    scene.app.advance(TimeDelta::minutes(5)).await;
    let seen = scene.act(&flag, "acknowledge", json!({ "note": "Mine." })).await.expect(200);
    assert_eq!((&seen["status"], &seen["acknowledged_at"]), (&json!("acknowledged"), &json!(scene.app.care.now())));
    assert_eq!((&seen["rule"], &seen["patient"]["display_name"]), (&json!("lasting_pain"), &json!("Somebody")));
    let event = &seen["events"][1];
    assert_eq!((&event["note"], &event["actor"]["display_name"]), (&json!("Mine."), &json!("Somebody")));
    let told = scene.app.get(&scene.path(), &scene.patient.token).await.expect(200);
    let shown = flag_of(&told["items"][0]);
    assert_eq!((&shown["status"], &shown["acknowledged_at"]), (&json!("acknowledged"), &seen["acknowledged_at"]));
    assert!(!told.to_string().contains("Mine."), "notes are for colleagues");

    scene.app.advance(TimeDelta::minutes(5)).await;
    scene.act(&flag, "contacted", json!({ "note": "Called, better." })).await.expect(200);
    let done = scene.act(&flag, "resolve", json!({ "outcome": "Settled by itself" })).await.expect(200);
    assert_eq!((&done["status"], &done["outcome"]), (&json!("resolved"), &json!("Settled by itself")));
    assert_eq!(kinds(&done), ["opened", "acknowledged", "contacted", "resolved"]);
    assert_eq!(done["contacted_at"], done["resolved_at"]);
    let again = scene.act(&flag, "reopen", json!({})).await.expect(200);
    assert_eq!(again["status"], "open");
    for gone in ["acknowledged_at", "resolved_at", "outcome"] {
        assert!(again.get(gone).is_none(), "{gone}");
    }
}

#[tokio::test]
async fn what_was_done_is_not_done_again_and_what_cannot_be_done_changes_nothing() {
    let scene = Scene::after(hours(30)).await;
    let flag = flag_of(&scene.report(json!({ "pain": 2 })).await);
    assert_eq!(scene.act(&flag, "resolve", json!({})).await.problem(409), "conflict");
    assert_eq!(kinds(&scene.act(&flag, "reopen", json!({})).await.expect(200)), ["opened"], "it is open");
    let first = scene.act(&flag, "acknowledge", json!({ "note": "Mine." })).await.expect(200);
    scene.app.advance(hours(1)).await;
    assert_eq!(scene.act(&flag, "acknowledge", json!({})).await.expect(200), first);
    let called = scene.act(&flag, "contacted", json!({ "note": "No answer." })).await.expect(200);
    assert_eq!(scene.act(&flag, "contacted", json!({ "note": "No answer." })).await.expect(200), called);
    let twice = scene.act(&flag, "contacted", json!({ "note": "Now she answered." })).await.expect(200);
    assert_eq!(kinds(&twice), ["opened", "acknowledged", "contacted", "contacted"]);
    let done = scene.act(&flag, "resolve", json!({ "outcome": "Fine" })).await.expect(200);
    assert_eq!(scene.act(&flag, "resolve", json!({ "outcome": "Fine" })).await.expect(200), done);
    assert_eq!(scene.act(&flag, "resolve", json!({})).await.expect(200), done);
    assert_eq!(scene.act(&flag, "resolve", json!({ "outcome": "Not fine" })).await.problem(409), "conflict");
    for act in ["acknowledge", "contacted"] {
        assert_eq!(scene.act(&flag, act, json!({})).await.problem(409), "conflict");
    }
    let path = format!("/v1/flags/{}", flag["id"].as_str().unwrap());
    assert_eq!(scene.app.get(&path, &scene.clinician.token).await.expect(200), done);
    let too_long = json!({ "note": "x".repeat(2001), "outcome": "y".repeat(501) });
    let wrong = scene.act(&flag, "resolve", too_long).await.expect(422);
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 2);
    assert_eq!(scene.act(&flag, "acknowledge", json!({ "outcome": "x" })).await.problem(400), "malformed");
}

#[tokio::test]
async fn an_act_needs_no_body_and_may_name_the_version_it_was_made_on() {
    let scene = Scene::after(hours(30)).await;
    let flag = flag_of(&scene.report(json!({ "pain": 2 })).await);
    let path = format!("/v1/flags/{}/acknowledge", flag["id"].as_str().unwrap());
    let request = || scene.app.request(Method::POST, &path, &scene.clinician.token);
    assert_eq!(send(request().header("if-match", "\"7\"")).await.problem(412), "precondition_failed");
    let done = send(request().header("if-match", "\"1\"")).await;
    assert_eq!(done.headers["etag"], "\"2\"");
    assert_eq!(done.expect(200)["status"], "acknowledged");
}

#[tokio::test]
async fn an_urgent_report_long_after_it_was_seen_or_told_in_vain_must_be_seen_anew() {
    let scene = Scene::after(hours(30)).await;
    let clinicians_phone = phone(&scene.app, &scene.clinician).await;
    let fever = json!({ "temperature": { "value": 39, "unit": "celsius" } });
    let told = async || {
        scene.app.drain_worker().await;
        scene.pushed(clinicians_phone).len()
    };
    let first = flag_of(&scene.report(fever.clone()).await);
    assert_eq!(told().await, 1);
    scene.act(&first, "acknowledge", json!({})).await.expect(200);
    scene.app.advance(hours(3)).await;
    assert_eq!(flag_of(&scene.report(fever.clone()).await)["status"], "acknowledged");
    assert_eq!(told().await, 1, "they know");
    scene.app.advance(hours(1)).await;
    let again = flag_of(&scene.report(fever.clone()).await);
    assert_eq!((&again["id"], &again["status"]), (&first["id"], &json!("open")));
    assert_eq!(told().await, 2);
    // Nobody looks: all are told, in vain, and the patient reports once more the next day.
    scene.app.advance(hours(2)).await;
    let before = told().await;
    assert_eq!(flag_of(&scene.report(fever.clone()).await)["status"], "open");
    assert_eq!(told().await, before);
    scene.app.advance(hours(20)).await;
    scene.report(fever).await;
    assert_eq!(told().await, before + 1);
    let seen = scene.act(&first, "acknowledge", json!({})).await.expect(200);
    assert_eq!(
        kinds(&seen).into_iter().filter(|kind| *kind != "escalated").collect::<Vec<_>>(),
        ["opened", "acknowledged", "reported", "raised", "reported", "raised", "acknowledged"]
    );
    let left = scene.alerts("f:").await.into_iter().filter(|row| row.state == "scheduled");
    assert_eq!(left.count(), 0, "whoever sees it has seen it");
}

#[tokio::test]
async fn whoever_treats_the_patient_hears_of_a_flag_that_was_opened_again() {
    let scene = Scene::after(hours(30)).await;
    let clinicians_phone = phone(&scene.app, &scene.clinician).await;
    let flag = flag_of(&scene.report(json!({ "pain": 2 })).await);
    for act in ["acknowledge", "resolve", "reopen"] {
        scene.act(&flag, act, json!({})).await.expect(200);
        scene.app.drain_worker().await;
    }
    assert_eq!(scene.pushed(clinicians_phone).len(), 1, "it was seen before it was sent");
}

#[tokio::test]
async fn what_is_reported_again_keeps_its_flag_until_it_is_resolved_and_then_opens_the_next() {
    let scene = Scene::after(hours(30)).await;
    let clinicians_phone = phone(&scene.app, &scene.clinician).await;
    let first = flag_of(&scene.report(json!({ "pain": 2 })).await);
    scene.app.advance(hours(1)).await;
    let confirmed = flag_of(&scene.report(json!({ "pain": 2 })).await);
    assert_eq!(confirmed["id"], first["id"]);
    let seen = scene.act(&first, "acknowledge", json!({})).await.expect(200);
    assert_eq!(seen["last_reported_at"], json!(scene.app.care.now()));
    scene.app.advance(hours(1)).await;
    let still = flag_of(&scene.report(json!({ "pain": 2 })).await);
    assert_eq!((&still["id"], &still["status"]), (&first["id"], &json!("acknowledged")));
    let done = scene.act(&first, "resolve", json!({})).await.expect(200);
    assert_eq!(kinds(&done), ["opened", "reported", "acknowledged", "reported", "resolved"]);
    scene.app.drain_worker().await;
    assert_eq!(scene.pushed(clinicians_phone).len(), 1, "told once");

    let next = flag_of(&scene.report(json!({ "pain": 2 })).await);
    assert_ne!(next["id"], first["id"]);
    scene.app.drain_worker().await;
    assert_eq!(scene.pushed(clinicians_phone).len(), 2, "told of the next one");
    let path = format!("/v1/flags/{}", next["id"].as_str().unwrap());
    assert_eq!(scene.app.get(&path, &scene.clinician.token).await.expect(200)["episode"], 2);
    assert_eq!(scene.act(&first, "reopen", json!({})).await.problem(409), "conflict", "a later one is under way");
}

#[tokio::test]
async fn a_message_that_waits_for_the_morning_is_withdrawn_once_all_it_tells_of_was_seen() {
    let scene = Scene::after(hours(30)).await;
    let clinicians_phone = phone(&scene.app, &scene.clinician).await;
    scene.app.advance(hours(10)).await;
    let report = scene.report(json!({ "pain": 2, "blisters": true })).await;
    let flags = report["triage"]["flags"].as_array().unwrap();
    assert_eq!((flags.len(), scene.alerts("f:").await.len()), (2, 1));
    scene.act(&flags[0], "acknowledge", json!({})).await.expect(200);
    assert_eq!(scene.alerts("f:").await[0].state, "scheduled", "the other one is unseen");
    scene.act(&flags[1], "contacted", json!({})).await.expect(200);
    let row = &scene.alerts("f:").await[0];
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("cancelled", Some("seen")));
    scene.app.advance(hours(12)).await;
    assert!(scene.pushed(clinicians_phone).is_empty());
}

#[tokio::test]
async fn while_a_flag_is_open_nobody_is_asked_to_the_next_session() {
    let scene = Scene::after(TimeDelta::days(20)).await;
    let prompt = async || {
        let rows = scene.alerts(&format!("t:{}:next_session", scene.treatment)).await;
        rows.first().map_or("absent".to_owned(), |row| row.state.clone())
    };
    assert_eq!(prompt().await, "scheduled");
    let flag = flag_of(&scene.report(json!({ "texture_change": true })).await);
    assert_eq!(prompt().await, "cancelled");
    scene.act(&flag, "acknowledge", json!({})).await.expect(200);
    assert_eq!(prompt().await, "cancelled");
    scene.act(&flag, "resolve", json!({})).await.expect(200);
    assert_eq!(prompt().await, "scheduled");
    scene.act(&flag, "reopen", json!({})).await.expect(200);
    assert_eq!(prompt().await, "cancelled");
}

#[tokio::test]
async fn flags_are_for_the_clinics_own_staff() {
    let scene = Scene::after(hours(30)).await;
    let flag = flag_of(&scene.report(json!({ "pain": 2 })).await);
    let path = format!("/v1/flags/{}", flag["id"].as_str().unwrap());
    let elsewhere = scene.app.stage_clinic().await;
    let stranger = scene.app.stage(elsewhere, Role::Clinician).await;
    for (who, status, slug) in [(&stranger, 404, "not_found"), (&scene.patient, 403, "forbidden")] {
        assert_eq!(scene.app.get(&path, &who.token).await.problem(status), slug);
        for act in ["acknowledge", "contacted", "resolve", "reopen"] {
            let answer = scene.app.post(&format!("{path}/{act}"), &who.token, json!({})).await;
            assert_eq!(answer.problem(status), slug, "{act}");
        }
    }
    assert_eq!(scene.app.get("/v1/flags", &stranger.token).await.expect(200)["items"], json!([]));
    assert_eq!(scene.app.get("/v1/flags", &scene.patient.token).await.problem(403), "forbidden");
    let untouched = scene.app.get(&path, &scene.clinician.token).await.expect(200);
    assert_eq!(kinds(&untouched), ["opened"]);
}

#[tokio::test]
async fn the_list_begins_with_what_presses_most_and_can_be_narrowed() {
    let scene = Scene::after(TimeDelta::days(8)).await;
    let other = scene.app.stage(scene.clinic, Role::Patient).await;
    let second = treated(&scene.app, &scene.clinician, &other, scene.app.care.now() - hours(30)).await;
    let emergency = flag_of(&scene.report(json!({ "lip_or_eye_swelling": true })).await);
    scene.act(&emergency, "acknowledge", json!({})).await.expect(200);
    scene.act(&emergency, "resolve", json!({})).await.expect(200);
    scene.app.advance(hours(1)).await;
    scene.report(json!({ "dryness": 2 })).await;
    scene.app.advance(hours(1)).await;
    let body = json!({ "recorded_at": scene.app.care.now(), "symptoms": { "pain": 2 } });
    let path = format!("/v1/treatments/{second}/check-ins");
    scene.app.post(&path, &other.token, body).await.expect(201);
    scene.app.advance(hours(1)).await;
    scene.report(json!({ "spreading": true })).await;

    let list = async |query: &str| scene.app.get(&format!("/v1/flags{query}"), &scene.clinician.token).await;
    let levels = |list: &Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|flag| flag["level"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        levels(&list("").await.expect(200)),
        ["urgent", "soon", "routine", "emergency"],
        "what is resolved comes last"
    );
    assert_eq!(levels(&list("?status=resolved").await.expect(200)), ["emergency"]);
    assert_eq!(levels(&list("?status=open&level=urgent").await.expect(200)), ["urgent"]);
    let patient = other.caller.patient_id.unwrap();
    assert_eq!(levels(&list(&format!("?patient_id={patient}")).await.expect(200)), ["soon"]);
    let mut met = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = list(&query).await.expect(200);
        met.extend(levels(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=1&cursor={cursor}");
    }
    assert_eq!(met, ["urgent", "soon", "routine", "emergency"]);
    let wrong = list("?status=closed&level=none").await.expect(422);
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 2);
}
