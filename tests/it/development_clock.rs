//! A development server's care clock: put forward over HTTP from one due moment to the next, never back, as far ahead after
//! a restart as before; and in production not there at all.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::auth::keys;
use mendline::domain::role::Role;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::support::binary::{Reachable, Serving, mendline};
use crate::support::people::registration;
use crate::support::{Answer, TestApp, seed, send, server_programs};

const CLOCK: &str = "/v1/dev/clock";

/// An app and the token of somebody's patient.
async fn app() -> (TestApp, String) {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let token = app.stage(clinic, Role::Patient).await.token;
    (app, token)
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_is_due_on_the_way_is_sent_at_its_moment() {
    let (app, token) = app().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    // Each is worth something for a quarter of an hour: one leap of a day would find most of them too old.
    let owed: Vec<_> = [0, 60, 61, 300, 1400, 1441]
        .map(|m| seed::owed(&app, &format!("m:{m:04}"), TimeDelta::minutes(m), TimeDelta::minutes(15)))
        .into();
    seed::plan(&app, person, &owed).await;
    let start = app.care.now();
    let stepped = app.beside(app.post(CLOCK, &token, json!({ "advance": "P1D" }))).await.expect(200);
    assert_eq!((&stepped["reached"], instant(&stepped["care_time"])), (&json!(true), start + TimeDelta::days(1)));
    let states: Vec<String> = seed::alerts(&app).await.into_iter().map(|row| row.state).collect();
    assert_eq!(states, ["sent", "sent", "sent", "sent", "sent", "scheduled"]);
    assert_eq!(app.fcm.sent().len(), 5);

    let to = start + TimeDelta::days(2);
    let stepped = app.beside(app.post(CLOCK, &token, json!({ "to": to }))).await.expect(200);
    assert_eq!((instant(&stepped["care_time"]), app.care.now()), (to, to));
    assert_eq!(seed::state(&app, "m:1441").await, "sent");
    let shown = app.get("/v1/config", "").await.expect(200);
    assert_eq!(instant(&shown["care_time"]), to);
}

#[tokio::test]
async fn a_clock_that_runs_is_put_forward_as_well_and_runs_on() {
    let app = TestApp::start_running().await;
    let clinic = app.stage_clinic().await;
    let token = app.stage(clinic, Role::Clinician).await.token;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let owed: Vec<_> = (1..=42)
        .map(|day| seed::owed(&app, &format!("m:{day:02}"), TimeDelta::days(day), TimeDelta::minutes(15)))
        .collect();
    seed::plan(&app, person, &owed).await;
    let start = app.care.now();
    let stepped = app.beside(app.post(CLOCK, &token, json!({ "advance": "P43D" }))).await.expect(200);
    let ahead = instant(&stepped["care_time"]) - instant(&stepped["wall_time"]);
    assert_eq!((&stepped["reached"], (ahead.num_hours() + 1) / 24), (&json!(true), 43), "{stepped}");
    assert!(seed::alerts(&app).await.iter().all(|row| row.state == "sent"));
    assert_eq!(app.fcm.sent().len(), 42);
    let shown = instant(&app.get("/v1/config", "").await.expect(200)["care_time"]);
    assert!(shown > instant(&stepped["care_time"]), "it stands still");
    assert!(shown - start < TimeDelta::days(43) + TimeDelta::minutes(10));
}

#[tokio::test]
async fn a_push_that_has_to_be_tried_again_is_waited_for() {
    let (app, token) = app().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:tried").await;
    app.fcm.answer_next(mendline::domain::alert::PushOutcome::Unavailable { retry_after: None, reason: "busy".into() });
    let stepped = app.beside(app.post(CLOCK, &token, json!({ "advance": "PT1H" }))).await.expect(200);
    assert_eq!(stepped["reached"], true);
    assert_eq!((seed::state(&app, "m:tried").await.as_str(), app.fcm.sent().len()), ("sent", 2));
}

#[tokio::test]
async fn the_clock_never_goes_back_and_every_fault_is_pointed_at() {
    let (app, token) = app().await;
    let start = app.care.now();
    for (body, status, pointer, said) in [
        (json!({}), 422, "/advance", "say how far"),
        (json!({ "advance": "PT1H", "to": start }), 422, "/to", "not both"),
        (json!({ "advance": "-PT1H" }), 422, "/advance", "never goes back"),
        (json!({ "to": start - TimeDelta::seconds(1) }), 422, "/to", "never goes back"),
        (json!({ "advance": "P1M" }), 422, "/advance", "months"),
        (json!({ "advance": "tomorrow" }), 422, "/advance", "no duration"),
        (json!({ "to": "9999-12-31T23:59:59Z" }), 422, "/to", "days ahead"),
        (json!({ "to": "tomorrow" }), 400, "/to", ""),
        (json!({ "back": "PT1H" }), 400, "/back", "unknown field"),
    ] {
        let problem = app.post(CLOCK, &token, body.clone()).await.expect(status);
        let fault = &problem["errors"][0];
        assert_eq!(fault["pointer"], pointer, "{body}: {problem}");
        assert!(fault["detail"].as_str().unwrap().contains(said), "{body}: {problem}");
    }
    assert_eq!(app.care.now(), start);
    // Standing still is no going back.
    app.post(CLOCK, &token, json!({ "advance": "PT0S" })).await.expect(200);
}

#[tokio::test]
async fn the_clock_is_put_forward_by_one_at_a_time() {
    let (app, token) = app().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:waits").await;
    let step = async || app.post(CLOCK, &token, json!({ "advance": "PT1H" })).await;
    // Whoever comes first waits for a worker, and none works yet.
    let (one, other) = (step(), step());
    tokio::pin!(one, other);
    let (refused, first): (Answer, bool) = tokio::select! {
        refused = &mut one => (refused, true),
        refused = &mut other => (refused, false),
    };
    assert_eq!(refused.problem(409), "in_flight");
    let waits = async { if first { other.await } else { one.await } };
    assert_eq!(app.beside(waits).await.expect(200)["reached"], true);
    assert_eq!(seed::state(&app, "m:waits").await, "sent");
}

#[tokio::test]
async fn in_production_nobody_can_move_the_clock() {
    let made = keys::make().unwrap();
    let app = TestApp::start_with(&[
        ("MENDLINE_ENV", "production"),
        ("DATABASE_URL", "postgres://user@host/database"),
        ("MENDLINE_PUBLIC_URL", "https://mendline.example.org"),
        ("MENDLINE_TOKEN_KEY", made.token.expose_secret()),
        ("MENDLINE_SECRET_KEY", made.secret.expose_secret()),
        ("MENDLINE_VAPID_KEY", made.vapid.expose_secret()),
        ("MENDLINE_VAPID_SUBJECT", "mailto:ops@example.org"),
    ])
    .await;
    let clinic = app.stage_clinic().await;
    let token = app.stage(clinic, Role::Administrator).await.token;
    let before = app.care.now();
    for token in ["", token.as_str()] {
        let refused = app.post(CLOCK, token, json!({ "advance": "PT6H" })).await;
        assert_eq!(refused.problem(404), "not_found");
    }
    // The path is unknown there, and no method of it is known either.
    assert_eq!(app.post("/v1/dev/nothing", "", json!({})).await.problem(404), "not_found");
    assert_eq!(app.care.now(), before);
    assert!(app.get("/v1/config", "").await.expect(200).get("care_time").is_none());
}

#[tokio::test]
async fn on_a_development_server_the_path_does_no_more_than_it_says() {
    let (app, token) = app().await;
    let answer = send(app.request(Method::GET, CLOCK, &token)).await;
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!(answer.problem(405), "method_not_allowed");
    assert_eq!(app.post(CLOCK, "", json!({ "advance": "PT6H" })).await.problem(401), "unauthenticated");
}

/// The server itself: its clock runs, is put forward, and is as far ahead once it has been started again.
#[tokio::test]
async fn a_server_that_was_put_forward_is_still_ahead_after_a_restart() {
    if server_programs().is_none() {
        return;
    }
    let dir = Reachable::new("ahead");
    let serving = Serving::start(&dir.0).await;
    let arguments =
        ["admin", "create-clinic", "--name", "C", "--time-zone", "UTC", "--admin-email", "a@example.org", "--json"];
    let made = mendline(&dir.0, None, &arguments).output().await.unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let form = registration(made["invitation_code"].as_str().unwrap(), "a@example.org");
    let url = |serving: &Serving, path: &str| format!("http://{}{path}", serving.address);
    let registered = client.post(url(&serving, "/v1/auth/register")).json(&form).send().await.unwrap();
    let registered: Value = registered.json().await.unwrap();
    let token = registered["tokens"]["access_token"].as_str().unwrap();

    let step = client.post(url(&serving, CLOCK)).bearer_auth(token).json(&json!({ "advance": "P42D" }));
    let stepped: Value = step.send().await.unwrap().json().await.unwrap();
    assert_eq!(stepped["reached"], true, "{stepped}");
    let ahead = |shown: &Value, real: &str| (instant(&shown["care_time"]) - instant(&shown[real])).num_hours();
    assert!((1007..=1008).contains(&ahead(&stepped, "wall_time")), "{stepped}");
    assert!(serving.stop().await);

    let serving = Serving::start(&dir.0).await;
    let shown: Value = client.get(url(&serving, "/v1/config")).send().await.unwrap().json().await.unwrap();
    assert!((1007..=1008).contains(&ahead(&shown, "server_time")), "{shown}");
    assert!(serving.stop().await);
}
