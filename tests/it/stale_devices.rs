//! Phones of which nobody has heard for long: their addresses go, the clinic sees why, and opening the app brings them back.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use mendline::worker::Worker;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{Staged, TestApp};
use crate::worker_maintenance::count;

fn registration() -> Value {
    json!({
        "provider": "fcm", "address": "a-token", "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted",
    })
}

/// Lets a worker tidy up once.
async fn tidy(app: &TestApp, until: &str, rows: i64) {
    let (stop, worker) = (CancellationToken::new(), Worker::new(app.worker_parts()));
    let story = async {
        while count(app, until).await != rows {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(worker.run(stop.clone()), story) };
    tokio::time::timeout(std::time::Duration::from_secs(30), both).await.expect("tidied up").0.unwrap();
}

async fn push(app: &TestApp, staff: &Staged) -> Value {
    app.get("/v1/patients", &staff.token).await.expect(200)["items"][0]["push"].clone()
}

const RETIRED: &str = "devices WHERE quarantine_reason = 'stale' AND address_sealed = ''";

#[tokio::test]
async fn a_phone_that_nobody_heard_of_is_retired_and_comes_back_when_its_app_is_opened() {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let (staff, patient) = (app.stage(clinic, Role::Clinician).await, app.stage(clinic, Role::Patient).await);
    let path = format!("/v1/me/devices/{}", Uuid::new_v4());
    app.put(&path, &patient.token, registration()).await.expect(201);
    assert_eq!(push(&app, &staff).await, json!({ "reachable": true }));

    let unseen = |days: u32| format!("UPDATE devices SET last_seen_at = now() - interval '{days} days'");
    app.sql(&unseen(271)).await;
    tidy(&app, RETIRED, 1).await;
    assert_eq!(push(&app, &staff).await, json!({ "reachable": false, "reason": "device_stale" }));
    let own = app.get("/v1/me/devices", &patient.token).await.expect(200);
    assert_eq!(own["items"][0]["reachable"], false);
    let test = app.post(&format!("{path}/test"), &patient.token, json!({})).await;
    assert_eq!(test.problem(409), "conflict", "nothing is sent to it");

    app.put(&path, &patient.token, registration()).await.expect(200);
    assert_eq!(push(&app, &staff).await, json!({ "reachable": true }));
    app.sql(&unseen(269)).await;
    app.sql("INSERT INTO attempts (at, clinic_id, alert_id, device_id, claim_no, provider, outcome, duration_ms)
             VALUES (now() - interval '99 days', gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 1, 'fcm', 'x', 1)")
        .await;
    tidy(&app, "attempts", 0).await;
    assert_eq!(push(&app, &staff).await, json!({ "reachable": true }), "not a day too soon");
}

#[tokio::test]
async fn opening_an_alert_says_that_the_phone_is_in_use() {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let patient = app.stage(clinic, Role::Patient).await;
    let path = format!("/v1/me/devices/{}", Uuid::new_v4());
    app.put(&path, &patient.token, registration()).await.expect(201);
    let tested = app.post(&format!("{path}/test"), &patient.token, json!({})).await.expect(202);
    app.sql("UPDATE devices SET last_seen_at = now() - interval '200 days'").await;
    let opened = format!("/v1/alerts/{}/opened", tested["alert_id"].as_str().unwrap());
    app.post(&opened, &patient.token, json!({})).await.expect(200);
    assert_eq!(count(&app, "devices WHERE last_seen_at > now() - interval '1 hour'").await, 1);
    app.advance(TimeDelta::zero()).await;
}
