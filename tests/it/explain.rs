//! `admin explain`: a day told whole, as the operator hears it.

use chrono::TimeDelta;
use mendline::domain::alert::PushOutcome;
use mendline::domain::role::Role;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::check_ins::{Scene, phone, treated};
use crate::support::TestApp;
use crate::support::binary::mendline;
use crate::support::treatments::utc;
use crate::worker_maintenance::count;

async fn explain(app: &TestApp, patient: Uuid, on: &str, more: &[&str]) -> std::process::Output {
    let (dir, patient) = (tempfile::tempdir().unwrap(), patient.to_string());
    let arguments = [&["admin", "explain", "--patient", &patient, "--on", on], more].concat();
    mendline(dir.path(), Some(app.database.url.expose_secret()), &arguments).output().await.unwrap()
}

async fn told(app: &TestApp, patient: Uuid, on: &str) -> Value {
    let output = explain(app, patient, on, &["--json"]).await;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

fn list<'a>(day: &'a Value, of: &str) -> &'a [Value] {
    day[of].as_array().unwrap()
}

fn moved_by(alert: &Value) -> Vec<&str> {
    alert["planned"]["moves"].as_array().into_iter().flatten().map(|step| step["by"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_day_is_told_whole_from_the_plan_to_the_providers_answers() {
    let scene = Scene::new().await;
    let (app, patient) = (&scene.app, scene.patient.caller.patient_id.unwrap());
    let device = phone(app, &scene.patient).await;
    // 20:30 by the patient's clock: four hours later it is night.
    app.advance(TimeDelta::minutes(7 * 60 + 30)).await;
    let body = json!({ "patient_id": patient, "performed_at": app.care.now(), "allow_duplicate": true });
    let second = app.post("/v1/treatments", &scene.clinician.token, body).await.expect(201)["id"].clone();

    let late = app.stage(scene.clinic, Role::Patient).await;
    treated(app, &scene.clinician, &late, app.care.now()).await;

    // 08:00 on the next day.
    let unavailable = PushOutcome::Unavailable { retry_after: None, reason: "http_503".into() };
    app.fcm.answer_next_of(device, unavailable);
    app.advance(TimeDelta::minutes(11 * 60 + 30)).await;
    app.advance(TimeDelta::seconds(15)).await;
    for _ in 0..8 {
        app.advance(TimeDelta::minutes(15)).await;
    }
    let inbox = app.get("/v1/alerts", &scene.patient.token).await.expect(200);
    let opened = list(&inbox, "items").iter().find(|alert| alert["state"] == "sent").unwrap()["id"].clone();
    app.post(&format!("/v1/alerts/{}/opened", opened.as_str().unwrap()), &scene.patient.token, json!({}))
        .await
        .expect(200);

    let day = told(app, patient, "2026-02-03").await;
    assert_eq!((&day["time_zone"], &day["from"]), (&json!("Europe/Berlin"), &json!("2026-02-02T23:00:00Z")));
    assert_eq!(list(&day, "treatments").len(), 2);
    assert_eq!((&day["devices"][0]["id"], &day["devices"][0]["reachable"]), (&json!(device), &json!(true)));
    let alerts = list(&day, "alerts");

    let wash = alerts.iter().find(|alert| alert["category"] == "restriction" && alert["treatment_id"] == second);
    let wash = wash.unwrap_or_else(|| panic!("{day:#}"));
    assert_eq!(moved_by(wash), ["quiet_hours"], "{wash:#}");
    assert_eq!(
        (&wash["planned"]["wanted_at"], &wash["due_at"]),
        (&json!("2026-02-02T23:30:00Z"), &json!("2026-02-03T07:00:00Z"))
    );
    assert_eq!((&wash["protocol"], &wash["state"]), (&json!("conservative v2"), &json!("sent")));
    assert!(wash["plan_revision"].as_i64().unwrap() >= 1);

    let retried = alerts.iter().find(|alert| alert["attempts"].as_array().unwrap().len() == 2).expect("one retried");
    let tries: Vec<_> =
        list(retried, "attempts").iter().map(|one| (one["outcome"].clone(), one["reason"].clone())).collect();
    assert_eq!(tries, [(json!("unavailable"), json!("http_503")), (json!("accepted"), Value::Null)]);
    assert_eq!(retried["attempts"][0]["device_id"], json!(device));

    let milestone = alerts.iter().find(|alert| alert["category"] == "milestone").expect("a milestone");
    let beaten = milestone["instead_of"].as_array().unwrap();
    assert!(!beaten.is_empty(), "{day:#}");
    let merged =
        list(&day, "not_owed").iter().find(|left| left["gave_way_to"] == milestone["item"]).expect("its rival");
    assert!(beaten.contains(&merged["item"]));
    assert!(alerts.iter().any(|alert| alert["id"] == opened && alert["opened_at"].is_string()));
    for alert in alerts.iter().filter(|alert| alert["planned"].is_object()) {
        let moves = list(&alert["planned"], "moves");
        let due = moves.last().map_or(&alert["planned"]["wanted_at"], |last| &last["to"]);
        assert_eq!(due, &alert["planned"]["due_at"], "the steps lead there: {alert:#}");
    }

    let evening = told(app, late.caller.patient_id.unwrap(), "2026-02-02").await;
    let suppressed = list(&evening, "alerts").iter().find(|alert| alert["state"] == "suppressed");
    let suppressed = suppressed.unwrap_or_else(|| panic!("{evening:#}"));
    assert_eq!((&suppressed["reason"], &suppressed["item"]), (&json!("quiet_hours"), &json!("first_evening")));

    let output = explain(app, patient, "2026-02-03", &[]).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for said in [
        "Tuesday, 2026-02-03 in Europe/Berlin",
        "instead of 00:30:00: quiet hours",
        "one milestone a day",
        "unavailable (http_503) after",
        ": accepted after",
        "more nobody can know",
        "has the day",
        "opened",
    ] {
        assert!(text.contains(said), "{said:?} is missing:\n{text}");
    }
    assert!(!text.contains("token-"), "no address: {text}");
    let looked =
        format!("audit WHERE action = 'patient.explain' AND actor_role = 'operator' AND patient_id = '{patient}'");
    assert_eq!(count(app, &looked).await, 2, "each look is on record");
}

#[tokio::test]
async fn what_was_called_off_says_why_and_whom_nobody_knows_is_named() {
    let scene = Scene::new().await;
    let (app, patient) = (&scene.app, scene.patient.caller.patient_id.unwrap());
    let tasks = app.tasks(&scene.treatment.to_string(), &scene.patient.token, "2026-02-03", "2026-02-03").await;
    app.care.advance(TimeDelta::hours(20));
    let open = tasks.iter().filter(|task| task["state"] != "excluded");
    let done = open.map(|task| crate::support::treatments::entry(task, "skipped", app.care.now())).collect();
    app.report(&scene.treatment.to_string(), &scene.patient.token, Value::Array(done)).await;
    let off = json!({ "categories_off": ["milestone"] });
    app.put("/v1/me/notification-preferences", &scene.patient.token, off).await.expect(200);

    let day = told(app, patient, "2026-02-03").await;
    let why = |category: &str| -> Vec<&Value> {
        let of = |alert: &&Value| alert["category"] == category && alert["state"] == "cancelled";
        list(&day, "alerts").iter().filter(of).map(|alert| &alert["planned"]["left_out"]).collect()
    };
    assert!(!why("routine").is_empty() && why("routine").iter().all(|why| *why == "task_settled"), "{day:#}");
    assert!(!why("milestone").is_empty() && why("milestone").iter().all(|why| *why == "switched_off"), "{day:#}");
    assert_eq!(day["wishes"]["switched_off"], json!(["milestone"]));

    let nobody = explain(app, Uuid::new_v4(), "2026-02-03", &[]).await;
    assert!(!nobody.status.success());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("there is no patient"));
    let elsewhere = explain(app, patient, "2026-02-03", &["--clinic", &Uuid::new_v4().to_string()]).await;
    assert!(String::from_utf8_lossy(&elsewhere.stderr).contains("has no patient"));
}

#[tokio::test]
async fn what_was_put_off_says_so_and_leads_to_its_moment() {
    let scene = Scene::new().await;
    let (app, patient) = (&scene.app, scene.patient.caller.patient_id.unwrap());
    phone(app, &scene.patient).await;
    let ahead = app.get("/v1/me/reminders", &scene.patient.token).await.expect(200);
    let next = list(&ahead, "items").iter().find(|alert| alert["category"] == "check_in").unwrap().clone();
    let due = utc(next["due_at"].as_str().unwrap());
    app.advance(due - app.care.now()).await;
    let path = format!("/v1/alerts/{}/snooze", next["id"].as_str().unwrap());
    let again = app.post(&path, &scene.patient.token, json!({ "minutes": 20 })).await.expect(200);
    app.advance(TimeDelta::minutes(20)).await;
    let day = told(app, patient, &due.date_naive().to_string()).await;
    let of = |id: &Value| list(&day, "alerts").iter().find(|alert| alert["id"] == *id).unwrap();
    let (first, second) = (of(&next["id"]), of(&again["id"]));
    assert!(!moved_by(first).contains(&"snooze"), "{first:#}");
    assert_eq!(moved_by(second).last(), Some(&"snooze"), "{second:#}");
    assert_eq!(second["planned"]["due_at"], second["due_at"]);
    assert_eq!((&first["state"], &second["state"]), (&json!("sent"), &json!("sent")));
}
