//! APNs from the settings to a phone: the address as it was registered, the world it belongs to, and when a dead one is
//! removed.

use chrono::TimeDelta;
use mendline::clock::Clocks;
use mendline::domain::role::Role;
use mendline::push::web_push::VapidKey;
use mendline::worker::Worker;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::apple::{Apple, Reaction};
use crate::support::{Staged, TestApp};

const PHONE: &str = "00FC13ADFF785122B4AD28809A3420982341241421348097878E577C991DE8F0";

async fn app_with(apple: &Apple, sandbox: &Apple) -> (TestApp, Staged) {
    // Any P-256 key will do.
    let key = VapidKey::generate_pem().unwrap();
    let app = TestApp::start_with(&[
        ("MENDLINE_APNS_KEY", &key),
        ("MENDLINE_APNS_KEY_ID", "KEY1234567"),
        ("MENDLINE_APNS_TEAM_ID", "TEAM123456"),
        ("MENDLINE_APNS_TOPIC", "org.example.mendline"),
        ("MENDLINE_APNS_BASE_URL", &apple.url()),
        ("MENDLINE_APNS_SANDBOX_BASE_URL", &sandbox.url()),
    ])
    .await;
    let clinic = app.stage_clinic().await;
    let ada = app.stage(clinic, Role::Patient).await;
    (app, ada)
}

async fn register(app: &TestApp, who: &Staged, changes: Value) -> String {
    let mut body = json!({
        "provider": "apns", "address": PHONE, "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted",
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let path = format!("/v1/me/devices/{}", Uuid::new_v4());
    app.put(&path, &who.token, body).await.expect(201);
    path
}

/// A test push to the device, all the way.
async fn push(app: &TestApp, who: &Staged, device: &str) {
    app.post(&format!("{device}/test"), &who.token, json!({})).await.expect(202);
    Worker::new(app.wire_parts()).drain().await.unwrap();
}

/// Phones that would be tried again.
async fn reachable(app: &TestApp, who: &Staged) -> usize {
    let devices = app.get("/v1/me/devices", &who.token).await.expect(200);
    devices["items"].as_array().unwrap().iter().filter(|device| device["reachable"] == true).count()
}

#[tokio::test]
async fn a_phone_is_reached_in_the_world_of_its_build_and_under_its_apps_name() {
    let (apple, sandbox) = (Apple::start(|_| Reaction::accept()).await, Apple::start(|_| Reaction::accept()).await);
    let (app, ada) = app_with(&apple, &sandbox).await;
    assert_eq!(app.get("/v1/config", "").await.expect(200)["features"], json!(["apns", "web_push", "expo"]));

    let store = register(&app, &ada, json!({})).await;
    push(&app, &ada, &store).await;
    let build = register(&app, &ada, json!({"environment": "sandbox", "app_id": "org.example.staff"})).await;
    push(&app, &ada, &build).await;
    for (world, topic) in [(&apple, "org.example.mendline"), (&sandbox, "org.example.staff")] {
        let seen = world.seen();
        assert_eq!(seen.len(), 1, "{topic}");
        assert_eq!(seen[0].path, format!("/3/device/{}", PHONE.to_lowercase()), "one phone, however it is written");
        assert_eq!(seen[0].headers["apns-topic"], topic);
    }
}

#[tokio::test]
async fn a_phone_that_registered_after_it_was_called_dead_stays_and_one_that_did_before_goes() {
    let died_at = |ago: TimeDelta| {
        let body =
            json!({"reason": "Unregistered", "timestamp": (Clocks::system().wall.now() - ago).timestamp_millis()});
        Reaction::with_body(410, body.to_string())
    };
    let apple = Apple::start(move |seen| match seen.headers["apns-topic"].to_str().unwrap() {
        "before" => died_at(TimeDelta::hours(1)),
        "after" => died_at(TimeDelta::zero()),
        _ => Reaction::reason(410, "Unregistered"),
    })
    .await;
    let (app, ada) = app_with(&apple, &apple).await;
    for (app_id, left) in [("before", 1), ("after", 1), ("whenever", 1)] {
        let device = register(&app, &ada, json!({"app_id": app_id})).await;
        push(&app, &ada, &device).await;
        assert_eq!(reachable(&app, &ada).await, left, "{app_id}");
        let asked = apple.seen();
        assert!(asked.iter().any(|seen| seen.headers["apns-topic"] == app_id), "{app_id} was never tried");
    }
}
