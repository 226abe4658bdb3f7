//! Fetch tokens: a phone's notification extension reads the alerts that its user was sent, and does nothing else.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::app::ROUTES;
use mendline::domain::role::Role;
use mendline::schema::devices;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::people::PASSWORD;
use crate::support::{Staged, TestApp, seed, send};

/// Registers a device of somebody; returns the answer.
async fn register(app: &TestApp, who: &Staged, id: Uuid) -> Value {
    register_by(app, &who.token, id).await
}

async fn register_by(app: &TestApp, token: &str, id: Uuid) -> Value {
    let body = json!({
        "provider": "fcm", "address": format!("token-{id}"), "locale": "de", "time_zone": "Europe/Berlin",
        "permission": "granted",
    });
    let answer = app.put(&format!("/v1/me/devices/{id}"), token, body).await;
    assert!(matches!(answer.status.as_u16(), 200 | 201), "{}", answer.text);
    answer.body
}

fn token(registered: &Value) -> String {
    registered["fetch_token"].as_str().unwrap().to_owned()
}

/// Something that somebody's device was sent: the path to read it.
async fn told(app: &TestApp, who: &Staged, device: Uuid) -> String {
    told_to(app, &who.token, device).await
}

async fn told_to(app: &TestApp, token: &str, device: Uuid) -> String {
    let tested = app.post(&format!("/v1/me/devices/{device}/test"), token, json!({})).await.expect(202);
    app.drain_worker().await;
    format!("/v1/alerts/{}", tested["alert_id"].as_str().unwrap())
}

async fn patient(app: &TestApp) -> (Staged, Uuid) {
    let clinic = app.stage_clinic().await;
    (app.stage(clinic, Role::Patient).await, Uuid::new_v4())
}

#[tokio::test]
async fn an_extension_reads_what_the_person_was_sent_just_as_the_app_does() {
    let app = TestApp::start().await;
    let (ada, phone) = patient(&app).await;
    let registered = register(&app, &ada, phone).await;
    let alert = told(&app, &ada, phone).await;
    let by_app = app.get(&alert, &ada.token).await.expect(200);
    let by_extension = app.get(&alert, &token(&registered)).await;
    assert_eq!(by_extension.headers["cache-control"], "no-store");
    assert_eq!(by_extension.expect(200), by_app);
    let listed = app.get("/v1/me/devices", &ada.token).await;
    assert!(!listed.text.contains("fetch_token") && !listed.text.contains(&token(&registered)), "told once");
    assert_eq!(app.get(&format!("/v1/alerts/{}", Uuid::new_v4()), &token(&registered)).await.problem(404), "not_found");
}

#[tokio::test]
async fn nobody_reads_with_it_what_somebody_else_was_sent() {
    let app = TestApp::start().await;
    let ((ada, phone), (bob, other)) = (patient(&app).await, patient(&app).await);
    let neighbour = app.stage(ada.caller.clinic_id, Role::Patient).await;
    register(&app, &ada, phone).await;
    let alert = told(&app, &ada, phone).await;
    let bobs = token(&register(&app, &bob, other).await);
    let neighbours = token(&register(&app, &neighbour, Uuid::new_v4()).await);
    for theirs in [bobs, neighbours] {
        assert_eq!(app.get(&alert, &theirs).await.problem(404), "not_found");
    }
}

#[tokio::test]
async fn it_opens_no_other_door() {
    let app = TestApp::start_with(&[("MENDLINE_RATE_TOKEN", "0")]).await;
    let (ada, phone) = patient(&app).await;
    let fetch_token = token(&register(&app, &ada, phone).await);
    let alert = told(&app, &ada, phone).await;
    let id = alert.rsplit('/').next().unwrap();
    let mut tried = 0;
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/v1/")) {
        let public = [
            "/v1/config",
            "/v1/auth/register",
            "/v1/auth/login",
            "/v1/auth/refresh",
            "/v1/auth/reset",
            "/v1/password-resets",
        ];
        // A feed asks for the secret in its address and nothing else.
        let public = [&public[..], &["/v1/calendar/{token}.ics", "/v1/auth/cancel-deletion"]].concat();
        if public.contains(&route.path) || (route.method, route.path) == ("GET", "/v1/alerts/{id}") {
            continue;
        }
        let path = route.path.replace("{id}", id).replace("{device_id}", &phone.to_string());
        let path = path.replace("{key}", "conservative").replace("{number}", "1");
        let request = app.request(route.method.parse::<Method>().unwrap(), &path, &fetch_token).header("if-match", "*");
        let request = if matches!(route.method, "GET" | "DELETE") { request } else { request.json(&json!({})) };
        assert_eq!(send(request).await.problem(401), "unauthenticated", "{} {}", route.method, route.path);
        tried += 1;
    }
    assert!(tried > 40, "{tried} routes");
    app.get(&alert, &fetch_token).await.expect(200);
}

#[tokio::test]
async fn a_registration_brings_a_new_one_and_the_last_goes_on_until_the_next() {
    let app = TestApp::start().await;
    let (ada, phone) = patient(&app).await;
    let first = token(&register(&app, &ada, phone).await);
    let alert = told(&app, &ada, phone).await;
    let second = token(&register(&app, &ada, phone).await);
    app.get(&alert, &first).await.expect(200);
    app.get(&alert, &second).await.expect(200);
    let third = token(&register(&app, &ada, phone).await);
    assert_eq!(app.get(&alert, &first).await.problem(401), "unauthenticated");
    app.get(&alert, &second).await.expect(200);
    app.get(&alert, &third).await.expect(200);
}

#[tokio::test]
async fn it_dies_with_the_device_the_session_and_the_membership() {
    let app = TestApp::start().await;
    let (ada, phone) = patient(&app).await;
    let held = token(&register(&app, &ada, phone).await);
    let alert = told(&app, &ada, phone).await;
    app.delete(&format!("/v1/me/devices/{phone}"), &ada.token).await;
    assert_eq!(app.get(&alert, &held).await.problem(401), "unauthenticated");

    let held = token(&register(&app, &ada, phone).await);
    app.get(&alert, &held).await.expect(200);
    let membership = ada.caller.membership_id;
    app.sql(&format!("UPDATE memberships SET removed_at = now() WHERE id = '{membership}'")).await;
    assert_eq!(app.get(&alert, &held).await.problem(404), "not_found");
    app.sql(&format!("UPDATE memberships SET removed_at = NULL WHERE id = '{membership}'")).await;
    app.get(&alert, &held).await.expect(200);
    app.sql("UPDATE sessions SET idle_expires_at = now() - interval '1 minute'").await;
    assert_eq!(app.get(&alert, &held).await.problem(401), "unauthenticated");
    app.sql("UPDATE sessions SET idle_expires_at = now() + interval '1 day'").await;
    app.get(&alert, &held).await.expect(200);
    app.post("/v1/auth/logout", &ada.token, json!({})).await.expect(204);
    assert_eq!(app.get(&alert, &held).await.problem(401), "unauthenticated");
}

/// Whatever becomes of somebody of the staff is asked anew each time: there is nothing to call back.
#[tokio::test]
async fn what_becomes_of_somebody_of_the_staff_becomes_of_the_phones_token_at_once() {
    let app = TestApp::start().await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let admin = &clinic.admin.token;
    app.enrol(&clinic.admin).await;
    for (what, elsewhere, then) in [
        ("role", false, 200),
        ("requirement", false, 404),
        ("removal", false, 401),
        ("removal", true, 404),
        ("logout", false, 401),
    ] {
        let person = app.clinician_of(&clinic).await;
        let (phone, member) = (Uuid::new_v4(), format!("/v1/members/{}", person.membership_id));
        let held = token(&register_by(&app, &person.token, phone).await);
        let alert = told_to(&app, &person.token, phone).await;
        if elsewhere {
            let code = app.operator_invites(other.id, Role::Clinician, None).await;
            app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": code })).await.expect(201);
            app.post("/v1/auth/switch", &person.token, json!({ "clinic_id": other.id })).await.expect(200);
        }
        app.get(&alert, &held).await.expect(200);
        let require = |wanted: bool| app.patch("/v1/clinic", admin, json!({ "require_second_factor": wanted }));
        let done = match what {
            "role" => app.patch(&member, admin, json!({ "role": "administrator" })).await,
            "requirement" => require(true).await,
            "removal" => app.delete(&member, admin).await,
            _ => app.post("/v1/auth/logout", &person.token, json!({})).await,
        };
        assert!(done.status.is_success(), "{what}: {}", done.text);
        let id = Uuid::new_v4();
        let answer = app.get_with(&alert, &held, "x-request-id", &id.to_string()).await;
        assert_eq!(answer.status, then, "{what}: {}", answer.text);
        if what == "role" {
            app.state.reads.flush().await.unwrap();
            let noted = "SELECT count(*) FROM audit WHERE actor_role = 'administrator' AND action = 'alert.read'";
            assert_eq!(app.count(&format!("{noted} AND request_id = '{id}'")).await, 1, "who they are now");
        }
        if what == "requirement" {
            let again = app.log_in(&person).await;
            app.get("/v1/alerts", &again.token).await.expect(403);
            require(false).await.expect(200);
            app.get(&alert, &held).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_clinics_sign_out_ends_the_tokens_of_phones_wherever_their_sessions_act() {
    let app = TestApp::start().await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let person = app.clinician_of(&clinic).await;
    let phone = Uuid::new_v4();
    let held = token(&register_by(&app, &person.token, phone).await);
    let alert = told_to(&app, &person.token, phone).await;
    let code = app.operator_invites(other.id, Role::Clinician, None).await;
    app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": code })).await.expect(201);
    app.post("/v1/auth/switch", &person.token, json!({ "clinic_id": other.id })).await.expect(200);
    app.get(&alert, &held).await.expect(200);
    let body = json!({ "whom": "staff", "current_password": PASSWORD });
    app.post("/v1/clinic/sign-out", &clinic.admin.token, body).await.expect(200);
    assert_eq!(app.get(&alert, &held).await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn it_lasts_ninety_days_from_the_last_registration() {
    let app = TestApp::start_stepped(&[]).await;
    let (ada, phone) = patient(&app).await;
    app.sql("UPDATE sessions SET idle_expires_at = '2030-01-01', expires_at = '2030-01-01'").await;
    let registered = register(&app, &ada, phone).await;
    let alert = told(&app, &ada, phone).await;
    let now = app.state.clocks.wall.now();
    let expires: chrono::DateTime<chrono::Utc> =
        registered["fetch_token_expires_at"].as_str().unwrap().parse().unwrap();
    assert_eq!(expires, now + TimeDelta::days(90));
    app.pass(TimeDelta::days(90) - TimeDelta::seconds(1));
    app.get(&alert, &token(&registered)).await.expect(200);
    app.pass(TimeDelta::seconds(1));
    assert_eq!(app.get(&alert, &token(&registered)).await.problem(401), "unauthenticated");
}

#[tokio::test]
async fn one_phone_reads_what_its_owner_is_sent_by_each_clinic() {
    let app = TestApp::start().await;
    let (ada, phone) = patient(&app).await;
    let elsewhere = app.stage_clinic().await;
    let ada_elsewhere = app.stage_membership(ada.caller.user_id, elsewhere, Role::Patient).await;
    let held = token(&register(&app, &ada, phone).await);
    let (here, there) = (told(&app, &ada, phone).await, told(&app, &ada_elsewhere, phone).await);
    app.get(&here, &held).await.expect(200);
    app.get(&there, &held).await.expect(200);
    assert_eq!(app.get(&there, &ada.token).await.problem(404), "not_found", "an app acts at one clinic at a time");
}

#[tokio::test]
async fn no_patients_name_reaches_a_clinicians_lock_screen() {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let (patient, clinician) = (app.stage(clinic, Role::Patient).await, app.stage(clinic, Role::Clinician).await);
    let held = token(&register(&app, &clinician, Uuid::new_v4()).await);
    let body = json!({"patient_id": patient.caller.patient_id, "performed_at": app.care.now()});
    let treatment = app.post("/v1/treatments", &patient.token, body).await.expect(201);
    let path = format!("/v1/treatments/{}/check-ins", treatment["id"].as_str().unwrap());
    let report = json!({"recorded_at": app.care.now(), "symptoms": {"pus": "coloured"}});
    app.post(&path, &patient.token, report).await.expect(201);
    let inbox = app.get("/v1/alerts", &clinician.token).await.expect(200);
    let alert = format!("/v1/alerts/{}", inbox["items"][0]["id"].as_str().unwrap());
    assert!(app.get(&alert, &clinician.token).await.expect(200)["body"].as_str().unwrap().starts_with("Somebody"));
    let shown = app.get(&alert, &held).await;
    assert_eq!(shown.headers["content-language"], "de");
    let shown = shown.expect(200);
    assert_eq!((&shown["title"], &shown["body"]), (&json!("Jemand wartet auf deine Durchsicht."), &json!("")));
}

#[tokio::test]
async fn the_database_holds_hashes_and_garbage_is_refused() {
    let app = TestApp::start().await;
    let (ada, phone) = patient(&app).await;
    let held = token(&register(&app, &ada, phone).await);
    let alert = told(&app, &ada, phone).await;
    let (hash, sealed): (Option<Vec<u8>>, Vec<u8>) = seed::run(&app, async |conn| {
        devices::table.select((devices::fetch_token_hash, devices::address_sealed)).first(conn).await
    })
    .await;
    assert_eq!(hash.map(|hash| hash.len()), Some(32));
    assert!(!sealed.windows(8).any(|bytes| held.as_bytes().windows(8).any(|part| part == bytes)));
    let mut bent = held.clone();
    let last = if bent.pop() == Some('A') { 'B' } else { 'A' };
    bent.push(last);
    for wrong in
        [bent.as_str(), "mlf_", "mlf_x", &format!("mlf_{}", "A".repeat(64)), &format!("mlf_{}", "A".repeat(9000))]
    {
        assert_eq!(app.get(&alert, wrong).await.problem(401), "unauthenticated", "{wrong}");
    }
}
