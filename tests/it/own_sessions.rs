//! Sessions as their person and their clinic end them, the password they are opened with, and how soon an end is felt.

use chrono::TimeDelta;
use mendline::auth::revocation::Revocations;
use mendline::clinics::removal;
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::people::{Clinic, PASSWORD, Person};
use crate::support::{Answer, TestApp, send};

const OTHER_PASSWORD: &str = "another four plain words";

async fn start() -> (TestApp, Clinic) {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    (app, clinic)
}

fn session_of(app: &TestApp, person: &Person) -> Uuid {
    app.state.auth.tokens.verify(&person.token, app.state.clocks.wall.now()).unwrap().caller.session_id
}

async fn log_in_on(app: &TestApp, person: &Person, device_name: &str) -> Person {
    let body = json!({ "email": person.email, "password": PASSWORD, "device_name": device_name });
    Person::from_answer(&app.post("/v1/auth/login", "", body).await.expect(200))
}

async fn register_phone(app: &TestApp, person: &Person) -> Uuid {
    let id = Uuid::new_v4();
    let device = json!({
        "provider": "fcm", "address": format!("address-of-{id}"), "locale": "de", "time_zone": "Europe/Berlin",
        "permission": "granted",
    });
    app.put(&format!("/v1/me/devices/{id}"), &person.token, device).await.expect(201);
    id
}

async fn refresh(app: &TestApp, person: &Person) -> Answer {
    app.post("/v1/auth/refresh", "", json!({ "refresh_token": person.refresh_token })).await
}

async fn list(app: &TestApp, person: &Person) -> Vec<Value> {
    let answer = app.get("/v1/me/sessions", &person.token).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.expect(200)["items"].as_array().unwrap().clone()
}

async fn assert_goes_on(app: &TestApp, person: &Person) {
    app.get("/v1/me", &person.token).await.expect(200);
}

async fn assert_ended(app: &TestApp, person: &Person) {
    app.get("/v1/me", &person.token).await.expect(401);
    assert_eq!(refresh(app, person).await.problem(401), "unauthenticated");
}

async fn change_password(app: &TestApp, person: &Person, current: &str, password: &str) -> Answer {
    let body = json!({ "current_password": current, "password": password });
    app.post("/v1/me/password", &person.token, body).await
}

#[tokio::test]
async fn a_person_sees_where_it_is_logged_in() {
    let (app, clinic) = start().await;
    let first = app.patient_of(&clinic).await;
    let phone = log_in_on(&app, &first, " Pixel 9 ").await;
    let device = register_phone(&app, &phone).await;
    let gone = app.log_in(&first).await;
    app.post("/v1/auth/logout", "", json!({ "refresh_token": gone.refresh_token })).await.expect(204);

    let sessions = list(&app, &first).await;
    assert_eq!(sessions.len(), 2, "neither what ended nor anybody else's: {sessions:?}");
    let [newest, oldest] = [&sessions[0], &sessions[1]];
    assert_eq!((&newest["id"], &newest["current"]), (&json!(session_of(&app, &phone)), &json!(false)));
    assert_eq!((&oldest["id"], &oldest["current"]), (&json!(session_of(&app, &first)), &json!(true)));
    assert_eq!(newest["device_name"], "Pixel 9");
    assert!(oldest.get("device_name").is_none());
    assert_eq!(newest["devices"], json!([{ "id": device, "provider": "fcm" }]));
    assert_eq!((&oldest["devices"], &oldest["clinic_id"]), (&json!([]), &json!(clinic.id)));

    let page = app.get("/v1/me/sessions?limit=1", &first.token).await.expect(200);
    let next = format!("/v1/me/sessions?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let rest = app.get(&next, &first.token).await.expect(200);
    assert_eq!((&page["items"][0]["id"], &rest["items"][0]["id"]), (&newest["id"], &oldest["id"]));
    assert!(rest.get("next_cursor").is_none());
}

#[tokio::test]
async fn a_lost_phone_is_signed_out_from_another_one() {
    let (app, clinic) = start().await;
    let here = app.patient_of(&clinic).await;
    let (lost, bystander) = (app.log_in(&here).await, app.log_in(&here).await);
    register_phone(&app, &lost).await;
    let lost = Person::from_answer(&refresh(&app, &lost).await.expect(200));
    let path = format!("/v1/me/sessions/{}", session_of(&app, &lost));
    app.delete(&path, &clinic.admin.token).await.expect(404);
    assert_goes_on(&app, &lost).await;
    app.delete(&path, &here.token).await.expect(204);
    app.delete(&path, &here.token).await.expect(204);
    assert_ended(&app, &lost).await;
    assert_eq!(app.get("/v1/me/devices", &here.token).await.expect(200)["items"], json!([]));
    for person in [&here, &bystander] {
        assert_goes_on(&app, person).await;
    }
    app.delete(&format!("/v1/me/sessions/{}", Uuid::new_v4()), &here.token).await.expect(404);
}

#[tokio::test]
async fn all_others_end_at_once_and_the_one_that_asks_goes_on() {
    let (app, clinic) = start().await;
    let here = app.patient_of(&clinic).await;
    let others = [app.log_in(&here).await, app.log_in(&here).await];
    let (kept, _) = (register_phone(&app, &here).await, register_phone(&app, &others[0]).await);
    app.delete("/v1/me/sessions", &here.token).await.expect(204);
    for other in &others {
        assert_ended(&app, other).await;
    }
    assert_goes_on(&app, &here).await;
    let devices = app.get("/v1/me/devices", &here.token).await.expect(200);
    assert_eq!((devices["items"].as_array().unwrap().len(), &devices["items"][0]["id"]), (1, &json!(kept)));
    assert_goes_on(&app, &clinic.admin).await;
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_ends_every_other_session() {
    let (app, clinic) = start().await;
    let here = app.patient_of(&clinic).await;
    let elsewhere = app.log_in(&here).await;
    for (current, password, pointer) in [
        ("not the one that it is", OTHER_PASSWORD, "/current_password"),
        (PASSWORD, "too short", "/password"),
        (PASSWORD, "qwertyuiopasdfgh", "/password"),
        (PASSWORD, "some-body at clinic", "/password"),
    ] {
        let refused = change_password(&app, &here, current, password).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{password}");
    }
    assert_goes_on(&app, &elsewhere).await;
    change_password(&app, &here, PASSWORD, OTHER_PASSWORD).await.expect(204);
    assert_goes_on(&app, &here).await;
    assert_ended(&app, &elsewhere).await;
    let login = async |password| {
        app.post("/v1/auth/login", "", json!({ "email": here.email, "password": password })).await.status.as_u16()
    };
    assert_eq!((login(PASSWORD).await, login(OTHER_PASSWORD).await), (401, 200));
    let noted = "SELECT count(*) FROM audit WHERE action = 'password.change'";
    assert_eq!(app.count(noted).await, 1);
}

#[tokio::test]
async fn the_current_password_is_no_other_one() {
    let (app, clinic) = start().await;
    let refused = change_password(&app, &clinic.admin, PASSWORD, PASSWORD).await.expect(422);
    assert_eq!(refused["errors"][0]["pointer"], "/password");
}

#[tokio::test]
async fn guessing_on_a_found_phone_slows_down_that_phone_alone() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let found = app.patient_of(&clinic).await;
    for _ in 0..10 {
        change_password(&app, &found, "not the one that it is", OTHER_PASSWORD).await.expect(422);
    }
    let refused = change_password(&app, &found, PASSWORD, OTHER_PASSWORD).await;
    let wait: u32 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(refused.problem(429), "too_many_requests");
    let here = app.log_in(&found).await;
    app.pass(TimeDelta::seconds(1));
    change_password(&app, &here, PASSWORD, OTHER_PASSWORD).await.expect(204);
    assert_ended(&app, &found).await;
}

/// The same session, acting at another clinic, to which the operator has invited its person.
async fn go_on_at(app: &TestApp, person: &Person, other: &Clinic) -> Person {
    let code = app.operator_invites(other.id, Role::Clinician, None).await;
    app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": code })).await.expect(201);
    let there = app.post("/v1/auth/switch", &person.token, json!({ "clinic_id": other.id })).await.expect(200);
    Person::from_answer(&there)
}

#[tokio::test]
async fn an_administrator_signs_out_the_staff_or_everybody_wherever_their_sessions_act() {
    let (app, clinic) = start().await;
    let other = app.clinic().await;
    let (clinician, patient) = (app.clinician_of(&clinic).await, app.patient_of(&clinic).await);
    register_phone(&app, &patient).await;
    // Both belong to both clinics. These sessions act at the other one, and could come back.
    let before = app.log_in(&clinician).await;
    let visitor = go_on_at(&app, &before, &other).await;
    register_phone(&app, &visitor).await;
    let working_there = go_on_at(&app, &app.log_in(&patient).await, &other).await;

    let sign_out = async |whom: &str, password: &str| {
        let body = json!({ "whom": whom, "current_password": password });
        app.post("/v1/clinic/sign-out", &clinic.admin.token, body).await
    };
    assert_eq!(sign_out("staff", "not the one that it is").await.problem(422), "invalid");
    assert_goes_on(&app, &clinician).await;
    assert_eq!(sign_out("staff", PASSWORD).await.expect(200), json!({ "ended_sessions": 2 }));
    for person in [&clinician, &visitor, &before] {
        assert_ended(&app, person).await;
    }
    // Who is a patient here is none of the staff, whatever they are elsewhere.
    for person in [&patient, &working_there, &clinic.admin, &other.admin] {
        assert_goes_on(&app, person).await;
    }
    assert_eq!(sign_out("everybody", PASSWORD).await.expect(200), json!({ "ended_sessions": 2 }));
    for person in [&patient, &working_there] {
        assert_ended(&app, person).await;
    }
    for person in [&clinic.admin, &other.admin] {
        assert_goes_on(&app, person).await;
    }
    for person in [&clinician, &patient] {
        let back = app.log_in(person).await;
        assert_eq!(app.get("/v1/me/devices", &back.token).await.expect(200)["items"], json!([]));
    }
    assert_eq!(app.count("SELECT count(*) FROM audit WHERE action = 'clinic.sign_out'").await, 2);
}

#[tokio::test]
async fn a_clinic_that_closes_leaves_no_token_with_a_session_that_has_gone_on_elsewhere() {
    let (app, clinic) = start().await;
    let other = app.clinic().await;
    let before = app.clinician_of(&clinic).await;
    let after = go_on_at(&app, &before, &other).await;
    assert_goes_on(&app, &before).await;

    removal::close(&app.state.worker_db, &app.state.clocks, clinic.id, "Clinic").await.unwrap();
    app.get("/v1/me", &before.token).await.expect(401);
    let refreshed = refresh(&app, &after).await.expect(200);
    assert_eq!(refreshed["user"]["membership"]["clinic_id"], json!(other.id));
    assert_goes_on(&app, &Person::from_answer(&refreshed)).await;
    assert_goes_on(&app, &other.admin).await;
}

/// Everything that ends what a token may do, as another node learns of it.
#[tokio::test]
async fn whatever_ends_a_token_reaches_another_node_within_a_second() {
    let (app, clinic) = start().await;
    let other = app.clinic().await;
    let wall = &app.state.clocks.wall;
    let other_node = Revocations::default();
    let feed = other_node.clone().run(app.state.db.clone(), app.state.clocks.clone());
    let token = &clinic.admin.token;
    let story = async {
        while !other_node.is_live() {
            tokio::task::yield_now().await;
        }
        for what in [
            "removal",
            "role",
            "own session",
            "all others",
            "password",
            "sign-out",
            "sign-out from elsewhere",
            "reset",
            "deletion",
            "requirement",
        ] {
            let mut person = app.clinician_of(&clinic).await;
            let here = app.log_in(&person).await;
            if what == "sign-out from elsewhere" {
                person = go_on_at(&app, &person, &other).await;
            }
            let member = format!("/v1/members/{}", person.membership_id);
            let verified = app.state.auth.tokens.verify(&person.token, wall.now()).unwrap();
            assert!(other_node.stands(&app.state.db, &verified).await.unwrap(), "{what}");
            let request = match what {
                "removal" => app.request(Method::DELETE, &member, token),
                "role" => app.request(Method::PATCH, &member, token).json(&json!({ "role": "administrator" })),
                "own session" => {
                    let path = format!("/v1/me/sessions/{}", session_of(&app, &person));
                    app.request(Method::DELETE, &path, &here.token)
                }
                "all others" => app.request(Method::DELETE, "/v1/me/sessions", &here.token),
                "password" => {
                    let body = json!({ "current_password": PASSWORD, "password": OTHER_PASSWORD });
                    app.request(Method::POST, "/v1/me/password", &here.token).json(&body)
                }
                "sign-out" | "sign-out from elsewhere" => {
                    let body = json!({ "current_password": PASSWORD, "whom": "staff" });
                    app.request(Method::POST, "/v1/clinic/sign-out", token).json(&body)
                }
                "deletion" => {
                    let body = json!({ "current_password": PASSWORD });
                    app.request(Method::POST, "/v1/me/deletion", &here.token).json(&body)
                }
                "reset" => {
                    let code = app
                        .post(&format!("{member}/reset-code"), token, json!({ "current_password": PASSWORD }))
                        .await
                        .expect(201);
                    let body = json!({ "code": code["code"], "password": OTHER_PASSWORD });
                    app.request(Method::POST, "/v1/auth/reset", "").json(&body)
                }
                _ => {
                    app.enrol(&clinic.admin).await;
                    let body = json!({ "require_second_factor": true });
                    app.request(Method::PATCH, "/v1/clinic", token).json(&body)
                }
            };
            let answer = send(request).await;
            assert!(answer.status.is_success(), "{what}: {}", answer.text);
            let ended_at = wall.now();
            while other_node.stands(&app.state.db, &verified).await.unwrap() {
                assert!(wall.now() - ended_at < TimeDelta::seconds(1), "{what}: the other node did not hear of it");
                tokio::task::yield_now().await;
            }
            if what == "requirement" {
                app.patch("/v1/clinic", token, json!({ "require_second_factor": false })).await.expect(200);
            }
        }
    };
    tokio::select! {
        () = feed => unreachable!("the feed runs for ever"),
        () = story => {}
    }
}
