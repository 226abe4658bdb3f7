//! Members: roles that change at once, memberships that end at once, codes for forgotten passwords, the clinic's figures.

use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::json;

use crate::support::people::{Clinic, PASSWORD, Person, fresh_email};
use crate::support::{TestApp, send};

fn path(person: &Person) -> String {
    format!("/v1/members/{}", person.membership_id)
}

async fn refresh(app: &TestApp, person: &Person) -> crate::support::Answer {
    app.post("/v1/auth/refresh", "", json!({ "refresh_token": person.refresh_token })).await
}

async fn start() -> (TestApp, Clinic) {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    (app, clinic)
}

/// What shows that it is the administrator who asks.
fn proof() -> serde_json::Value {
    json!({ "current_password": PASSWORD })
}

#[tokio::test]
async fn members_are_listed_by_role_and_in_pages() {
    let (app, clinic) = start().await;
    let clinician = app.clinician_of(&clinic).await;
    let patient = app.patient_of(&clinic).await;
    let all = app.get("/v1/members?limit=2", &clinic.admin.token).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
    let next = format!("/v1/members?limit=2&cursor={}", all["next_cursor"].as_str().unwrap());
    let rest = app.get(&next, &clinic.admin.token).await.expect(200);
    assert_eq!(rest["items"][0]["id"], json!(patient.membership_id));
    assert!(rest.get("next_cursor").is_none());
    let clinicians = app.get("/v1/members?role=clinician", &clinic.admin.token).await.expect(200);
    assert_eq!(clinicians["items"].as_array().unwrap().len(), 1);
    let one = app.get(&path(&clinician), &clinic.admin.token).await.expect(200);
    assert_eq!(one, clinicians["items"][0]);
    assert_eq!((&one["email"], &one["role"]), (&json!(clinician.email), &json!("clinician")));
    assert_eq!(app.get("/v1/members?role=owner", &clinic.admin.token).await.problem(422), "invalid");
}

#[tokio::test]
async fn a_change_of_role_takes_effect_with_the_next_request() {
    let (app, clinic) = start().await;
    let clinician = app.clinician_of(&clinic).await;
    app.get("/v1/members", &clinician.token).await.expect(403);
    let promoted = app.patch(&path(&clinician), &clinic.admin.token, json!({ "role": "administrator" })).await;
    assert_eq!(promoted.expect(200)["role"], "administrator");
    app.get("/v1/me", &clinician.token).await.expect(401);
    let promoted = Person::from_answer(&refresh(&app, &clinician).await.expect(200));
    assert_eq!(promoted.role, Role::Administrator);
    app.get("/v1/members", &promoted.token).await.expect(200);
    // To the role one has: nothing happens, nobody is logged out.
    app.patch(&path(&clinician), &clinic.admin.token, json!({ "role": "administrator" })).await.expect(200);
    app.get("/v1/me", &promoted.token).await.expect(200);
    app.patch(&path(&promoted), &clinic.admin.token, json!({ "role": "clinician" })).await.expect(200);
    app.get("/v1/members", &promoted.token).await.expect(401);
}

#[tokio::test]
async fn patients_do_not_become_staff_nor_staff_patients() {
    let (app, clinic) = start().await;
    let (clinician, patient) = (app.clinician_of(&clinic).await, app.patient_of(&clinic).await);
    for (person, role) in [(&patient, "clinician"), (&clinician, "patient")] {
        let refused = app.patch(&path(person), &clinic.admin.token, json!({ "role": role })).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/role");
        app.get("/v1/me", &person.token).await.expect(200);
    }
}

#[tokio::test]
async fn the_last_administrator_stays_whatever_two_of_them_do_at_once() {
    let (app, clinic) = start().await;
    let demote = json!({ "role": "clinician" });
    for answer in [
        app.patch(&path(&clinic.admin), &clinic.admin.token, demote.clone()).await,
        app.delete(&path(&clinic.admin), &clinic.admin.token).await,
    ] {
        assert_eq!(answer.problem(409), "conflict");
    }
    let second = app.member_of(&clinic, Role::Administrator).await;
    let paths = (path(&second), path(&clinic.admin));
    let (one, other) = tokio::join!(
        app.patch(&paths.0, &clinic.admin.token, demote.clone()),
        app.patch(&paths.1, &second.token, demote.clone()),
    );
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert!(statuses == [200, 409] || statuses == [200, 401], "{statuses:?}");
}

#[tokio::test]
async fn a_removed_member_is_out_at_once_and_the_record_of_a_patient_stays() {
    let (app, clinic) = start().await;
    let patient = app.patient_of(&clinic).await;
    let record = format!("/v1/patients/{}", patient.patient());
    app.get(&record, &patient.token).await.expect(200);
    app.delete(&path(&patient), &clinic.admin.token).await.expect(204);
    app.delete(&path(&patient), &clinic.admin.token).await.expect(404);
    app.get(&record, &patient.token).await.expect(401);
    refresh(&app, &patient).await.expect(401);
    let kept = app.get(&record, &clinic.admin.token).await.expect(200);
    assert!(kept.get("linked_at").is_none());
    // Invited again, the same person comes back to the same record.
    let invitation = json!({ "role": "patient", "patient_id": patient.patient() });
    let code = app.invite(&clinic, &invitation).await;
    let login = json!({ "email": patient.email, "password": PASSWORD, "invitation_code": code });
    let back = Person::from_answer(&app.post("/v1/auth/login", "", login).await.expect(200));
    assert_eq!((back.patient_id, back.membership_id), (patient.patient_id, patient.membership_id));
    app.get(&record, &back.token).await.expect(200);
}

#[tokio::test]
async fn a_removal_at_one_clinic_leaves_the_other_alone() {
    let (app, home) = start().await;
    let other = app.clinic().await;
    let person = app.clinician_of(&home).await;
    let code = app.operator_invites(other.id, Role::Clinician, None).await;
    app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": code })).await.expect(201);
    let there = app.log_in(&person).await;
    let body = json!({ "clinic_id": other.id });
    let there = Person::from_answer(&app.post("/v1/auth/switch", &there.token, body).await.expect(200));
    app.delete(&path(&person), &home.admin.token).await.expect(204);
    refresh(&app, &person).await.expect(401);
    let there = Person::from_answer(&refresh(&app, &there).await.expect(200));
    let me = app.get("/v1/me", &there.token).await.expect(200);
    assert_eq!(me["memberships"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_code_from_the_clinic_sets_a_forgotten_password_once_and_ends_every_session() {
    let (app, clinic) = start().await;
    let patient = app.patient_of(&clinic).await;
    let elsewhere = app.log_in(&patient).await;
    let feed = app.post("/v1/me/calendar-feeds", &patient.token, json!({})).await.expect(201)["url"].clone();
    let feed = feed.as_str().unwrap().strip_prefix(app.state.public_url.trim_end_matches('/')).unwrap();
    app.get(feed, "").await.expect(200);
    let codes = format!("{}/reset-code", path(&patient));
    let void = app.post(&codes, &clinic.admin.token, proof()).await.expect(201)["code"].clone();
    let issued = app.post(&codes, &clinic.admin.token, proof()).await;
    assert_eq!(issued.headers["cache-control"], "no-store");
    let code = issued.expect(201)["code"].clone();
    let reset = async |code: &serde_json::Value, password: &str| {
        app.post("/v1/auth/reset", "", json!({ "code": code, "password": password })).await
    };
    let new_password = "another four plain words";
    assert_eq!(reset(&void, new_password).await.expect(422)["errors"][0]["pointer"], "/code");
    assert_eq!(reset(&code, "too short").await.expect(422)["errors"][0]["pointer"], "/password");
    reset(&code, new_password).await.expect(204);
    reset(&code, new_password).await.expect(422);
    assert_eq!(app.get(feed, "").await.problem(404), "not_found", "whoever has the address has nothing");
    for session in [&patient, &elsewhere] {
        app.get("/v1/me", &session.token).await.expect(401);
        refresh(&app, session).await.expect(401);
    }
    app.post("/v1/auth/login", "", json!({ "email": patient.email, "password": PASSWORD })).await.expect(401);
    app.post("/v1/auth/login", "", json!({ "email": patient.email, "password": new_password })).await.expect(200);
}

#[tokio::test]
async fn one_clinic_alone_cannot_take_over_a_login_that_another_trusts() {
    let (app, clinic) = start().await;
    let other = app.clinic().await;
    let person = app.clinician_of(&clinic).await;
    let code = app.operator_invites(other.id, Role::Administrator, None).await;
    app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": code })).await.expect(201);
    let refused = app.post(&format!("{}/reset-code", path(&person)), &clinic.admin.token, proof()).await;
    assert_eq!(refused.problem(409), "conflict");
}

#[tokio::test]
async fn a_code_issued_before_the_login_joined_another_clinic_is_good_for_nothing_after() {
    let (app, clinic) = start().await;
    let other = app.clinic().await;
    let person = app.clinician_of(&clinic).await;
    let codes = format!("{}/reset-code", path(&person));
    let code = app.post(&codes, &clinic.admin.token, proof()).await.expect(201)["code"].clone();
    let invitation = app.operator_invites(other.id, Role::Administrator, None).await;
    app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": invitation })).await.expect(201);
    let reset = json!({ "code": code, "password": "another four plain words" });
    assert_eq!(app.post("/v1/auth/reset", "", reset.clone()).await.expect(422)["errors"][0]["pointer"], "/code");
    app.log_in(&person).await;

    // Nor once the clinic that issued it has let the person go: the other one alone trusts the login then.
    assert_eq!(app.delete(&path(&person), &clinic.admin.token).await.status, 204);
    assert_eq!(app.post("/v1/auth/reset", "", reset).await.expect(422)["errors"][0]["pointer"], "/code");
    app.log_in(&person).await;
}

#[tokio::test]
async fn an_administrators_token_alone_does_not_lead_to_somebody_elses_login() {
    let (app, clinic) = start().await;
    let person = app.clinician_of(&clinic).await;
    for power in ["reset-code", "second-factor/reset"] {
        let power = format!("{}/{power}", path(&person));
        let refused =
            app.post(&power, &clinic.admin.token, json!({ "current_password": "not the one that it is" })).await;
        assert_eq!(refused.expect(422)["errors"][0]["pointer"], "/current_password", "{power}");
    }
    assert_eq!(app.count("SELECT count(*) FROM reset_codes").await, 0);
}

#[tokio::test]
async fn nobodys_own_login_is_reset_by_the_administrators_powers() {
    let (app, clinic) = start().await;
    let own = path(&clinic.admin);
    let code = app.post(&format!("{own}/reset-code"), &clinic.admin.token, proof()).await;
    assert_eq!(code.problem(409), "conflict");
    let factor = app.post(&format!("{own}/second-factor/reset"), &clinic.admin.token, proof()).await;
    assert_eq!(factor.problem(409), "conflict");
}

#[tokio::test]
async fn a_person_edits_its_profile_on_what_is_there() {
    let (app, clinic) = start().await;
    let token = &clinic.admin.token;
    let edit = async |tag: &str, body: serde_json::Value| {
        send(app.request(Method::PATCH, "/v1/me", token).header("if-match", tag).json(&body)).await
    };
    let edited = edit("\"1\"", json!({ "display_name": " Dr. A ", "time_zone": "Asia/Tokyo" })).await;
    assert_eq!(edited.headers["etag"], "\"2\"");
    let me = edited.expect(200);
    assert_eq!(
        (&me["display_name"], &me["time_zone"], &me["locale"]),
        (&json!("Dr. A"), &json!("Asia/Tokyo"), &json!("de"))
    );
    assert_eq!(edit("\"1\"", json!({ "locale": "en" })).await.problem(412), "precondition_failed");
    let unconditional = app.patch("/v1/me", token, json!({ "locale": "en" })).await;
    assert_eq!(unconditional.headers["etag"], "\"3\"");
    let idle = app.patch("/v1/me", token, json!({})).await;
    assert_eq!(idle.headers["etag"], "\"3\"", "a change of nothing is none");
    app.patch("/v1/me", token, json!({ "email": fresh_email() })).await.expect(400);
    let wrong = app.patch("/v1/me", token, json!({ "locale": "?", "time_zone": "Mars" })).await.expect(422);
    assert_eq!(wrong["errors"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_clinic_begins_with_careful_figures_and_an_administrator_changes_them() {
    let (app, clinic) = start().await;
    let token = &clinic.admin.token;
    let first = app.get("/v1/clinic", token).await.expect(200);
    let figures = json!({
        "id": clinic.id, "name": "Clinic", "time_zone": "Europe/Berlin", "locale": "de",
        "default_protocol": "conservative", "quiet_from": "21:00", "quiet_to": "08:00",
        "low_compliance_bp": 6000, "triage_enabled": true, "escalate_clinicians_minutes": 15,
        "nudge_enabled": true, "nudge_below_bp": 5000, "nudge_days": 7, "nudge_min_tasks": 15,
        "require_second_factor": false,
        "retention_years": 10,
        "escalate_administrators_minutes": 60, "version": 1,
    });
    assert_eq!(first, figures);
    let change =
        json!({ "quiet_from": "22:30", "low_compliance_bp": 5000, "emergency_line": "112", "triage_enabled": false });
    let changed = app.patch("/v1/clinic", token, change).await.expect(200);
    assert_eq!((&changed["quiet_from"], &changed["emergency_line"]), (&json!("22:30"), &json!("112")));
    assert_eq!((&changed["quiet_to"], &changed["version"]), (&json!("08:00"), &json!(2)));
    let cleared = app.patch("/v1/clinic", token, json!({ "emergency_line": "" })).await.expect(200);
    assert!(cleared.get("emergency_line").is_none());
    let wrong = json!({
        "name": "", "time_zone": "Berlin", "default_protocol": "nothing", "quiet_from": "24:00", "quiet_to": "25:00",
        "low_compliance_bp": 10_001,
    });
    let refused = app.patch("/v1/clinic", token, wrong).await.expect(422);
    assert_eq!(refused["errors"].as_array().unwrap().len(), 6, "{refused}");
    let stale =
        app.request(Method::PATCH, "/v1/clinic", token).header("if-match", "\"1\"").json(&json!({ "name": "B" }));
    assert_eq!(send(stale).await.problem(412), "precondition_failed");
}

#[tokio::test]
async fn apps_learn_what_the_server_speaks_before_anybody_logs_in() {
    let app = TestApp::start_with(&[("MENDLINE_MINIMUM_APP_VERSION", "1.4.0")]).await;
    let config = app.get("/v1/config", "").await.expect(200);
    assert_eq!(config["minimum_app_version"], "1.4.0");
    assert!(config.get("terms_version").is_none());
    assert_eq!(config["features"], json!(["web_push", "expo"]));
    // An uncompressed P-256 point: 65 bytes, base64url.
    assert_eq!(config["vapid_public_key"].as_str().unwrap().len(), 87);
    assert!(config["server_time"].as_str().unwrap().ends_with('Z'));
}
