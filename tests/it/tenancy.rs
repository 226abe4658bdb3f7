//! Nothing crosses clinics: what one clinic has, another neither sees, changes, counts nor learns of.

use mendline::domain::role::Role;
use serde_json::json;

use crate::support::TestApp;
use crate::support::people::Person;

#[tokio::test]
async fn another_clinics_people_and_invitations_do_not_exist_here() {
    let app = TestApp::start().await;
    let (here, there) = (app.clinic().await, app.clinic().await);
    let (clinician, patient) = (app.clinician_of(&there).await, app.patient_of(&there).await);
    let invitation = app.post("/v1/invitations", &there.admin.token, json!({ "role": "clinician" })).await.expect(201);
    let token = &here.admin.token;
    for member in [&clinician, &patient, &there.admin] {
        let path = format!("/v1/members/{}", member.membership_id);
        app.get(&path, token).await.expect(404);
        app.patch(&path, token, json!({ "role": "administrator" })).await.expect(404);
        app.delete(&path, token).await.expect(404);
        app.post(&format!("{path}/reset-code"), token, json!({ "current_password": crate::support::people::PASSWORD }))
            .await
            .expect(404);
        app.get("/v1/me", &member.token).await.expect(200);
    }
    app.delete(&format!("/v1/invitations/{}", invitation["id"].as_str().unwrap()), token).await.expect(404);
    app.get(&format!("/v1/patients/{}", patient.patient()), token).await.expect(404);
    let members = app.get("/v1/members", token).await.expect(200);
    assert_eq!(members["items"].as_array().unwrap().len(), 1);
    let invitations = app.get("/v1/invitations", token).await.expect(200);
    assert_eq!(invitations["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn one_person_at_two_clinics_has_two_separate_records() {
    let app = TestApp::start().await;
    let (here, there) = (app.clinic().await, app.clinic().await);
    let person = app.patient_of(&here).await;
    let code = app.invite(&there, &json!({ "role": "patient", "patient": { "display_name": "Pat" } })).await;
    let joined =
        app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": code })).await.expect(201);
    let record_there = format!("/v1/patients/{}", joined["patient_id"].as_str().unwrap());
    let record_here = format!("/v1/patients/{}", person.patient());
    app.get(&record_here, &person.token).await.expect(200);
    app.get(&record_there, &person.token).await.expect(404);
    let answer = app.post("/v1/auth/switch", &person.token, json!({ "clinic_id": there.id })).await.expect(200);
    let switched = Person::from_answer(&answer);
    app.get(&record_there, &switched.token).await.expect(200);
    app.get(&record_here, &switched.token).await.expect(404);
    // The clinics do not learn of each other.
    let seen = app.get(&format!("/v1/members/{}", person.membership_id), &here.admin.token).await;
    assert!(!seen.text.contains(&there.id.to_string()));
}

#[tokio::test]
async fn a_role_at_one_clinic_is_none_at_another() {
    let app = TestApp::start().await;
    let (here, there) = (app.clinic().await, app.clinic().await);
    let code = app.operator_invites(there.id, Role::Clinician, None).await;
    app.post("/v1/invitations/accept", &here.admin.token, json!({ "invitation_code": code })).await.expect(201);
    let answer = app.post("/v1/auth/switch", &here.admin.token, json!({ "clinic_id": there.id })).await.expect(200);
    let as_clinician = Person::from_answer(&answer);
    app.get("/v1/clinic", &as_clinician.token).await.expect(403);
    app.get("/v1/clinic", &here.admin.token).await.expect(200);
}
