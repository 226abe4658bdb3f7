//! What a closed clinic owes and tells, which is nothing, and what is owed and told again once it is opened.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::clinics::removal::{self, Opening};
use serde_json::json;
use uuid::Uuid;

use crate::support::people::{Clinic, Person};
use crate::support::{TestApp, seed};

/// Closes it as `close` does, without anybody's memory of what was owed.
async fn close_bare(app: &TestApp, clinic: Uuid) {
    let sql =
        format!("UPDATE clinics SET closed_at = now(), erase_at = now() + interval '30 days' WHERE id = '{clinic}'");
    app.sql(&sql).await;
}

/// A clinic, one of its clinicians, and a patient who has reported pus that nobody has looked at.
async fn with_report(app: &TestApp) -> (Clinic, Person, Person) {
    let clinic = app.clinic().await;
    let (clinician, patient) = (app.clinician_of(&clinic).await, app.patient_of(&clinic).await);
    let treatment = app.treat(&clinician.token, patient.patient(), app.care.now()).await;
    let body = json!({ "recorded_at": app.care.now(), "symptoms": { "pus": "coloured" } });
    let reported = app.post(&format!("/v1/treatments/{treatment}/check-ins"), &patient.token, body).await.expect(201);
    assert_eq!(reported["triage"]["level"], "urgent");
    (clinic, clinician, patient)
}

async fn register_phone(app: &TestApp, person: &Person) -> Uuid {
    let phone = Uuid::new_v4();
    let body = json!({
        "provider": "fcm", "address": format!("token-{phone}"), "locale": "en", "time_zone": "Europe/Berlin",
        "permission": "granted",
    });
    app.put(&format!("/v1/me/devices/{phone}"), &person.token, body).await.expect(201);
    phone
}

fn delivered_to(app: &TestApp, phone: Uuid) -> usize {
    app.fcm.sent().into_iter().filter(|sent| sent.target.device_id == phone).count()
}

async fn told_again(app: &TestApp, clinic: &Clinic) -> i64 {
    let events = "SELECT count(*) FROM flag_events WHERE kind = 'told_again' AND clinic_id";
    app.count(&format!("{events} = '{}'", clinic.id)).await
}

#[tokio::test]
async fn a_plan_that_is_made_for_a_closed_clinic_owes_nothing() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    app.treat(&clinic.admin.token, patient.patient(), app.care.now()).await;
    let owed = "SELECT count(*) FROM alerts WHERE state IN ('scheduled', 'suppressed', 'merged')";
    assert!(app.count(owed).await > 10);
    removal::close(&app.state.worker_db, &app.state.clocks, clinic.id, "Clinic").await.unwrap();
    // Asked for by whoever had begun before it was closed.
    app.sql(&format!("INSERT INTO replans VALUES ('{}', '{}', 1)", clinic.id, patient.patient())).await;
    app.drain_worker().await;
    assert_eq!(app.count("SELECT count(*) FROM replans").await, 0, "the plan was made");
    assert_eq!(app.count(owed).await, 0);
}

#[tokio::test]
async fn what_is_owed_for_a_closed_clinic_all_the_same_reaches_no_phone() {
    let app = TestApp::start().await;
    let (open, closed) = (seed::person(&app).await, seed::person(&app).await);
    let (there, _) = (seed::phone(&app, open).await, seed::phone(&app, closed).await);
    close_bare(&app, closed.clinic_id).await;
    seed::due_now(&app, open, "open").await;
    seed::due_now(&app, closed, "closed").await;
    app.drain_worker().await;
    let states = (seed::state(&app, "open").await, seed::state(&app, "closed").await);
    assert_eq!((states.0.as_str(), states.1.as_str()), ("sent", "no_device"));
    let sent: Vec<Uuid> = app.fcm.sent().iter().map(|sent| sent.target.device_id).collect();
    assert_eq!(sent, [there]);
}

#[tokio::test]
async fn opened_again_everybody_is_planned_for_who_is_there_whatever_hours_they_keep() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let (own_hours, clinics_hours) = (app.patient_of(&clinic).await, app.patient_of(&clinic).await);
    let (asked_before, left) = (app.patient_of(&clinic).await, app.patient_of(&clinic).await);
    app.treat(&clinic.admin.token, own_hours.patient(), app.care.now()).await;
    // Quiet hours of one's own are no business of the clinic's, and no reason to be forgotten.
    let sql = format!(
        "INSERT INTO notification_preferences (user_id, quiet_from, quiet_to, categories_off, show_details, daily_cap, zone_mode,
             paused, version, updated_at)
         VALUES ('{}', '22:00', '07:00', '{{}}', false, 4, 'device', false, 1, now())",
        own_hours.user_id
    );
    app.sql(&sql).await;
    let (db, clocks) = (&app.state.worker_db, &app.state.clocks);
    removal::close(db, clocks, clinic.id, "Clinic").await.unwrap();
    let (id, detached) = (clinic.id, left.patient());
    app.sql(&format!(
        "INSERT INTO replans VALUES ('{id}', '{}', 1);
         UPDATE patients SET user_id = NULL, linked_at = NULL, detached_at = now(), purge_at = now() + interval '1 year'
          WHERE id = '{detached}'",
        asked_before.patient()
    ))
    .await;
    removal::open(db, clocks, clinic.id).await.unwrap();
    let asked: Vec<(Uuid, i32)> = seed::run(&app, async |conn| {
        use mendline::schema::replans;
        replans::table.select((replans::patient_id, replans::times)).order(replans::patient_id).load(conn).await
    })
    .await;
    let mut expected = [(own_hours.patient(), 1), (clinics_hours.patient(), 1), (asked_before.patient(), 2)];
    expected.sort_unstable();
    assert_eq!(asked, expected);
    app.drain_worker().await;
    assert_eq!(app.count("SELECT count(*) FROM replans").await, 0);
    let owed = "SELECT count(*) FROM alerts WHERE state = 'scheduled' AND recipient_id";
    assert!(app.count(&format!("{owed} = '{}'", own_hours.patient())).await > 10);
}

#[tokio::test]
async fn opened_again_staff_are_told_once_more_of_what_nobody_had_seen_and_nobody_elsewhere_is() {
    let app = TestApp::start().await;
    let (clinic, clinician, _) = with_report(&app).await;
    let (elsewhere, colleague, _) = with_report(&app).await;
    register_phone(&app, &clinician).await;
    let colleagues_phone = register_phone(&app, &colleague).await;
    app.drain_worker().await;
    let told_before = delivered_to(&app, colleagues_phone);
    assert!(told_before > 0);

    let (db, clocks) = (&app.state.worker_db, &app.state.clocks);
    removal::close(db, clocks, clinic.id, "Clinic").await.unwrap();
    let opening = removal::open(db, clocks, clinic.id).await.unwrap();
    assert_eq!(opening, Opening { members: 3, reports: 1 });
    assert_eq!((told_again(&app, &clinic).await, told_again(&app, &elsewhere).await), (1, 0));

    // Nobody has a phone there any more: what they are told waits for the next one.
    app.drain_worker().await;
    let clinician = app.log_in(&clinician).await;
    let phone = register_phone(&app, &clinician).await;
    app.drain_worker().await;
    assert_eq!(delivered_to(&app, phone), 1);
    assert_eq!(delivered_to(&app, colleagues_phone), told_before);
    let flags = app.get("/v1/flags", &clinician.token).await.expect(200);
    let flag = format!("/v1/flags/{}", flags["items"][0]["id"].as_str().unwrap());
    let history = app.get(&flag, &clinician.token).await.expect(200);
    let kinds: Vec<&str> =
        history["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(kinds.contains(&"told_again"), "{kinds:?}");
}
