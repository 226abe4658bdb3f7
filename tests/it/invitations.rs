//! Inviting: who may invite whom, what a patient's invitation links, what is shown once.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::db::Connector;
use mendline::domain::role::Role;
use mendline::schema::{audit, invitations, patient_zones, patients};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::people::{Clinic, PASSWORD, Person, fresh_email, registration};
use crate::support::{Answer, TestApp, send};

async fn invite(app: &TestApp, token: &str, body: &Value) -> Answer {
    app.post("/v1/invitations", token, body.clone()).await
}

async fn invite_under(app: &TestApp, token: &str, key: &str, body: &Value) -> Answer {
    send(app.request(Method::POST, "/v1/invitations", token).header("idempotency-key", key).json(body)).await
}

async fn new_patient(app: &TestApp, clinic: &Clinic) -> Uuid {
    let made = app.post("/v1/patients", &clinic.admin.token, json!({ "display_name": "Ada" })).await.expect(201);
    made["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_invitation_shows_its_code_once_and_the_list_never_does() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let body = json!({ "role": "clinician", "email": " Doc@Example.org " });
    let answer = invite(&app, &clinic.admin.token, &body).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let made = answer.expect(201);
    let code = made["code"].as_str().unwrap();
    assert_eq!(code.len(), 23);
    assert_eq!(made["link"], format!("{}/join#{code}", app.state.public_url));
    assert_eq!(
        (&made["role"], &made["email"], &made["state"]),
        (&json!("clinician"), &json!("doc@example.org"), &json!("open"))
    );
    assert!(made.get("patient_id").is_none());
    let list = app.get("/v1/invitations", &clinic.admin.token).await;
    assert!(!list.text.contains(code) && !list.text.contains("\"code\""), "{}", list.text);
    assert_eq!(list.expect(200)["items"][0]["id"], made["id"]);
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let hashes: Vec<Vec<u8>> = invitations::table.select(invitations::code_hash).load(&mut conn).await.unwrap();
    assert!(hashes.iter().all(|hash| hash.len() == 32));
}

#[tokio::test]
async fn accepting_links_the_record_from_that_moment_in_the_zone_of_the_phone() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let body = json!({ "role": "patient", "patient": { "display_name": "Ada", "reference": "F-1" } });
    let made = invite(&app, &clinic.admin.token, &body).await.expect(201);
    app.care.advance(TimeDelta::hours(5));
    let mut form = registration(made["code"].as_str().unwrap(), &fresh_email());
    form["time_zone"] = json!("America/New_York");
    let person = Person::from_answer(&app.post("/v1/auth/register", "", form).await.expect(201));
    assert_eq!(json!(person.patient()), made["patient_id"]);
    let record = app.get(&format!("/v1/patients/{}", person.patient()), &person.token).await.expect(200);
    assert_eq!(record["linked_at"], json!(app.care.now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)));
    assert_eq!(record["reference"], "F-1");
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let zones: Vec<String> = patient_zones::table
        .filter(patient_zones::patient_id.eq(person.patient()))
        .order(patient_zones::valid_from)
        .select(patient_zones::zone)
        .load(&mut conn)
        .await
        .unwrap();
    assert_eq!(zones, ["Europe/Berlin", "America/New_York"]);
    let trail: Vec<String> = audit::table
        .filter(audit::patient_id.eq(person.patient()))
        .order((audit::at, audit::id))
        .select(audit::action)
        .load(&mut conn)
        .await
        .unwrap();
    assert_eq!(trail, ["patient.create", "invitation.create", "invitation.accept"]);
}

#[tokio::test]
async fn clinicians_invite_patients_only_and_deal_with_theirs_only() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let clinician = app.clinician_of(&clinic).await;
    for role in ["clinician", "administrator"] {
        assert_eq!(invite(&app, &clinician.token, &json!({ "role": role })).await.problem(403), "forbidden");
    }
    let staff = invite(&app, &clinic.admin.token, &json!({ "role": "administrator" })).await.expect(201);
    let path = format!("/v1/invitations/{}", staff["id"].as_str().unwrap());
    app.delete(&path, &clinician.token).await.expect(404);
    let patient = new_patient(&app, &clinic).await;
    invite(&app, &clinician.token, &json!({ "role": "patient", "patient_id": patient })).await.expect(201);
    let seen = app.get("/v1/invitations", &clinician.token).await.expect(200);
    assert_eq!(seen["items"].as_array().unwrap().len(), 1);
    let all = app.get("/v1/invitations", &clinic.admin.token).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 4, "two of them accepted");
}

#[tokio::test]
async fn an_invitation_that_makes_no_sense_is_refused_and_makes_no_record() {
    let app = TestApp::start().await;
    let (clinic, other) = (app.clinic().await, app.clinic().await);
    let foreign = new_patient(&app, &other).await;
    let own = new_patient(&app, &clinic).await;
    for (body, pointer) in [
        (json!({ "role": "patient" }), "/patient_id"),
        (json!({ "role": "patient", "patient_id": own, "patient": { "display_name": "Ada" } }), "/patient_id"),
        (json!({ "role": "patient", "patient_id": foreign }), "/patient_id"),
        (json!({ "role": "patient", "patient_id": Uuid::new_v4() }), "/patient_id"),
        (json!({ "role": "clinician", "patient_id": own }), "/role"),
        (json!({ "role": "clinician", "email": "nobody" }), "/email"),
        (json!({ "role": "patient", "patient": { "display_name": "" } }), "/patient/display_name"),
    ] {
        let refused = invite(&app, &clinic.admin.token, &body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{body}");
    }
    let unknown_role = invite(&app, &clinic.admin.token, &json!({ "role": "owner" })).await;
    assert_eq!(unknown_role.problem(400), "malformed");
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let records: i64 = patients::table.count().get_result(&mut conn).await.unwrap();
    assert_eq!(records, 2);
}

#[tokio::test]
async fn a_record_with_a_login_is_not_linked_again() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = new_patient(&app, &clinic).await;
    let body = json!({ "role": "patient", "patient_id": patient });
    let first = invite(&app, &clinic.admin.token, &body).await.expect(201)["code"].clone();
    let second = invite(&app, &clinic.admin.token, &body).await.expect(201)["code"].clone();
    app.register(first.as_str().unwrap(), &fresh_email()).await;
    let late = app.post("/v1/auth/register", "", registration(second.as_str().unwrap(), &fresh_email())).await;
    assert_eq!(late.problem(409), "conflict");
    assert_eq!(invite(&app, &clinic.admin.token, &body).await.problem(409), "conflict");
}

#[tokio::test]
async fn the_same_request_under_one_key_invites_once_and_gets_the_same_answer() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let token = &clinic.admin.token;
    let body = json!({ "role": "patient", "patient": { "display_name": "Ada" } });
    let first = invite_under(&app, token, "k-1", &body).await.expect(201);
    assert_eq!(invite_under(&app, token, "k-1", &body).await.expect(201), first, "code included");
    let other = json!({ "role": "patient", "patient": { "display_name": "Grace" } });
    assert_eq!(invite_under(&app, token, "k-1", &other).await.problem(422), "idempotency_mismatch");
    assert_ne!(invite_under(&app, token, "k-2", &body).await.expect(201)["id"], first["id"]);
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let records: i64 = patients::table.count().get_result(&mut conn).await.unwrap();
    assert_eq!(records, 2);
}

#[tokio::test]
async fn an_invitation_taken_back_is_useless_and_an_accepted_one_cannot_be_taken_back() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let made = invite(&app, &clinic.admin.token, &json!({ "role": "clinician" })).await.expect(201);
    let path = format!("/v1/invitations/{}", made["id"].as_str().unwrap());
    app.delete(&path, &clinic.admin.token).await.expect(204);
    app.delete(&path, &clinic.admin.token).await.expect(204);
    let refused = app.post("/v1/auth/register", "", registration(made["code"].as_str().unwrap(), &fresh_email())).await;
    refused.expect(422);
    let listed = app.get("/v1/invitations", &clinic.admin.token).await.expect(200);
    assert_eq!(listed["items"][0]["state"], "revoked");
    let accepted = listed["items"][1].clone();
    assert_eq!(accepted["state"], "accepted");
    let path = format!("/v1/invitations/{}", accepted["id"].as_str().unwrap());
    assert_eq!(app.delete(&path, &clinic.admin.token).await.problem(409), "conflict");
}

#[tokio::test]
async fn the_list_goes_in_pages_newest_first() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    for _ in 0..4 {
        invite(&app, &clinic.admin.token, &json!({ "role": "clinician" })).await.expect(201);
    }
    let (mut met, mut path) = (Vec::new(), "/v1/invitations?limit=2".to_owned());
    loop {
        let page = app.get(&path, &clinic.admin.token).await.expect(200);
        met.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/v1/invitations?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(met.len(), 5);
    assert!(met.is_sorted_by(|one, next| one > next), "{met:?}");
    assert_eq!(app.get("/v1/invitations?limit=0", &clinic.admin.token).await.problem(400), "malformed");
    assert_eq!(app.get("/v1/invitations?cursor=x", &clinic.admin.token).await.problem(400), "malformed");
}

#[tokio::test]
async fn somebody_without_a_clinic_comes_back_by_an_invitation_at_login() {
    let app = TestApp::start().await;
    let (home, other) = (app.clinic().await, app.clinic().await);
    let person = app.clinician_of(&home).await;
    app.delete(&format!("/v1/members/{}", person.membership_id), &home.admin.token).await.expect(204);
    let mut login = json!({ "email": person.email, "password": PASSWORD });
    assert_eq!(app.post("/v1/auth/login", "", login.clone()).await.problem(403), "forbidden");
    let code = app.operator_invites(other.id, Role::Clinician, None).await;
    login["invitation_code"] = json!(code);
    let back = Person::from_answer(&app.post("/v1/auth/login", "", login).await.expect(200));
    assert_eq!((back.clinic_id, back.user_id), (other.id, person.user_id));
}
