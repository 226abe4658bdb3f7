//! Second factors: set up, asked for, lost, taken away, required by a clinic.

use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection;
use mendline::db::Connector;
use mendline::domain::role::Role;
use serde_json::{Value, json};

use crate::support::authenticator::Authenticator;
use crate::support::people::{Clinic, PASSWORD, Person, fresh_email};
use crate::support::{Answer, TestApp};

const PATH: &str = "/v1/me/second-factor";
/// The next code is another one.
const STEP: TimeDelta = TimeDelta::seconds(30);

/// Codes go by the wall clock, which is the test's to move.
async fn start() -> (TestApp, Clinic, Person) {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let clinician = app.clinician_of(&clinic).await;
    (app, clinic, clinician)
}

fn next_code(app: &TestApp, phone: &Authenticator) -> String {
    app.pass(STEP);
    phone.code(app.state.clocks.wall.now())
}

/// A code that fits neither now nor around now.
fn wrong_code(app: &TestApp, phone: &Authenticator) -> String {
    let now = app.state.clocks.wall.now();
    let around: Vec<_> = (-2..=2).map(|steps| phone.code(now + STEP * steps)).collect();
    (0..).map(|number| format!("{number:06}")).find(|code| !around.contains(code)).unwrap()
}

fn proof(code: Option<&str>) -> Value {
    match code {
        Some(code) => json!({ "current_password": PASSWORD, "code": code }),
        None => json!({ "current_password": PASSWORD }),
    }
}

fn pointer(answer: Answer) -> String {
    answer.expect(422)["errors"][0]["pointer"].as_str().unwrap().to_owned()
}

fn without_instance(answer: Answer, status: u16) -> Value {
    let mut body = answer.expect(status);
    body.as_object_mut().unwrap().remove("instance");
    body
}

#[tokio::test]
async fn once_it_is_set_up_a_login_takes_a_code_and_each_code_works_once() {
    let (app, _, person) = start().await;
    assert_eq!(app.get(PATH, &person.token).await.expect(200), json!({ "enabled": false, "required": false }));
    let elsewhere = app.log_in(&person).await;
    app.pass(STEP);
    let (phone, recovery_codes) = app.enrol(&person).await;
    assert_eq!(recovery_codes.len(), 10);
    app.get("/v1/me", &person.token).await.expect(200);
    app.get("/v1/me", &elsewhere.token).await.expect(401);
    let state = app.get(PATH, &person.token).await.expect(200);
    assert_eq!((&state["enabled"], &state["recovery_codes_left"]), (&json!(true), &json!(10)));

    let asked = app.try_log_in(&person, None).await;
    assert_eq!(asked.headers["www-authenticate"], "Bearer");
    assert_eq!(asked.problem(401), "second_factor_required");
    let setting_up = phone.code(app.state.clocks.wall.now());
    app.try_log_in(&person, Some(&setting_up)).await.expect(401);
    let code = next_code(&app, &phone);
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    Person::from_answer(&app.try_log_in(&person, Some(&spaced)).await.expect(200));
    app.try_log_in(&person, Some(&code)).await.expect(401);
    // A phone that is half a minute slow shows a code that is older than the one used.
    app.try_log_in(&person, Some(&setting_up)).await.expect(401);
    app.try_log_in(&person, Some(&next_code(&app, &phone))).await.expect(200);

    let typed = recovery_codes[3].to_lowercase().replace('-', " ");
    app.try_log_in(&person, Some(&typed)).await.expect(200);
    app.try_log_in(&person, Some(&recovery_codes[3])).await.expect(401);
    assert_eq!(app.get(PATH, &person.token).await.expect(200)["recovery_codes_left"], 9);
}

#[tokio::test]
async fn a_wrong_code_is_told_like_a_wrong_password_and_nobody_learns_who_has_a_second_factor() {
    let (app, clinic, person) = start().await;
    let (phone, _) = app.enrol(&person).await;
    let wrong = wrong_code(&app, &phone);
    let with = async |email: &str, password: &str| {
        let body = json!({ "email": email, "password": password, "code": wrong });
        without_instance(app.post("/v1/auth/login", "", body).await, 401)
    };
    let answer = with(&person.email, PASSWORD).await;
    assert_eq!(answer["type"], "urn:problem:mendline:unauthenticated");
    assert_eq!(answer, with(&person.email, "four other words together").await);
    assert_eq!(answer, with("nobody@example.org", PASSWORD).await);
    let bare = json!({ "email": person.email, "password": "four other words together" });
    assert_eq!(answer, without_instance(app.post("/v1/auth/login", "", bare).await, 401));
    // Who has none may send a code all the same.
    app.try_log_in(&clinic.admin, Some(&wrong)).await.expect(200);
}

#[tokio::test]
async fn guessing_codes_costs_a_wait_wherever_it_comes_from_and_recovery_codes_do_not_wait() {
    let app = TestApp::start_stepped(&[("MENDLINE_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let person = app.clinic().await.admin;
    let (phone, recovery_codes) = app.enrol(&person).await;
    let wrong = wrong_code(&app, &phone);
    let from = async |address: &str, code: &str| {
        let body = json!({ "email": person.email, "password": PASSWORD, "code": code });
        let request = app.request(reqwest::Method::POST, "/v1/auth/login", "").header("x-forwarded-for", address);
        crate::support::send(request.json(&body)).await
    };
    for guess in 0..5 {
        from(&format!("192.0.2.{guess}"), &wrong).await.expect(401);
    }
    let right = phone.code(app.state.clocks.wall.now() + STEP);
    let refused = from("198.51.100.1", &right).await;
    assert_eq!(refused.headers["retry-after"], "30");
    assert_eq!(refused.problem(429), "too_many_requests");
    from("198.51.100.1", &recovery_codes[0]).await.expect(200);
    app.pass(STEP);
    from("198.51.100.1", &wrong_code(&app, &phone)).await.expect(401);
    assert_eq!(from("198.51.100.2", &right).await.headers["retry-after"], "60");
    app.pass(STEP * 2);
    from("198.51.100.2", &phone.code(app.state.clocks.wall.now())).await.expect(200);
    // Forgotten with the first right one.
    from("198.51.100.2", &wrong_code(&app, &phone)).await.expect(401);
    from("198.51.100.2", &next_code(&app, &phone)).await.expect(200);
}

#[tokio::test]
async fn of_two_logins_with_one_code_one_gets_in() {
    let (app, _, person) = start().await;
    let (phone, _) = app.enrol(&person).await;
    let code = next_code(&app, &phone);
    let (one, other) = tokio::join!(app.try_log_in(&person, Some(&code)), app.try_log_in(&person, Some(&code)));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn of_two_logins_with_one_recovery_code_one_gets_in() {
    let (app, _, person) = start().await;
    let (_, codes) = app.enrol(&person).await;
    let (one, other) = tokio::join!(app.try_log_in(&person, Some(&codes[0])), app.try_log_in(&person, Some(&codes[0])));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
}

#[tokio::test]
async fn a_login_that_comes_to_nothing_uses_no_code_up() {
    let (app, clinic, person) = start().await;
    let (phone, codes) = app.enrol(&person).await;
    let with = async |path: &str, code: &str, invitation: Option<&str>| {
        let mut body = json!({ "email": person.email, "password": PASSWORD, "code": code });
        if let Some(invitation) = invitation {
            body["invitation_code"] = json!(invitation);
        }
        app.post(path, "", body).await
    };
    for code in [next_code(&app, &phone), codes[0].clone()] {
        assert_eq!(pointer(with("/v1/auth/login", &code, Some("no such code")).await), "/invitation_code");
        assert_eq!(with("/v1/auth/cancel-deletion", &code, None).await.problem(409), "conflict");
        with("/v1/auth/login", &code, None).await.expect(200);
        with("/v1/auth/login", &code, None).await.expect(401);
    }

    // Who is asked to take the deletion back first does so with the same code.
    let here = Person::from_answer(&with("/v1/auth/login", &codes[1], None).await.expect(200));
    app.post("/v1/me/deletion", &here.token, proof(Some(&next_code(&app, &phone)))).await.expect(202);
    assert_eq!(with("/v1/auth/login", &codes[2], None).await.problem(403), "deletion_pending");
    with("/v1/auth/cancel-deletion", &codes[2], None).await.expect(200);

    // Nor does one code more go for each try of somebody who belongs to no clinic.
    let member = format!("/v1/members/{}", person.membership_id);
    app.delete(&member, &clinic.admin.token).await.expect(204);
    with("/v1/auth/login", &codes[3], None).await.expect(403);
    let invitation = app.invite(&clinic, &json!({ "role": "clinician" })).await;
    with("/v1/auth/login", &codes[3], Some(&invitation)).await.expect(200);
}

#[tokio::test]
async fn setting_up_takes_the_password_and_a_first_code_within_an_hour() {
    let (app, _, person) = start().await;
    let token = &person.token;
    let confirm = async |code: &str| app.post(&format!("{PATH}/confirm"), token, json!({ "code": code })).await;
    assert_eq!(confirm("123456").await.problem(409), "conflict");
    let wrong = json!({ "current_password": "not the one that it is" });
    assert_eq!(pointer(app.post(PATH, token, wrong).await), "/current_password");
    let begin = async || {
        let begun = app.post(PATH, token, proof(None)).await;
        assert_eq!(begun.headers["cache-control"], "no-store");
        let begun = begun.expect(201);
        assert!(begun["uri"].as_str().unwrap().contains(begun["secret"].as_str().unwrap()));
        Authenticator::scan(begun["uri"].as_str().unwrap())
    };
    let (replaced, phone) = (begin().await, begin().await);
    let now = app.state.clocks.wall.now();
    for code in [replaced.code(now), wrong_code(&app, &phone), "12345".to_owned(), String::new()] {
        assert_eq!(pointer(confirm(&code).await), "/code", "{code}");
    }
    app.pass(TimeDelta::hours(1));
    let person = app.log_in(&person).await;
    let late = json!({ "code": phone.code(app.state.clocks.wall.now()) });
    assert_eq!(app.post(&format!("{PATH}/confirm"), &person.token, late).await.problem(409), "conflict");
    let (phone, _) = app.enrol(&person).await;
    let again = app.post(PATH, &person.token, proof(Some(&next_code(&app, &phone)))).await;
    assert_eq!(again.problem(409), "conflict", "not before it is disabled");
}

#[tokio::test]
async fn what_is_sensitive_takes_the_password_and_a_code() {
    let (app, clinic, _) = start().await;
    let person = &clinic.admin;
    let (phone, codes) = app.enrol(person).await;
    for (path, mut body) in [
        ("/v1/me/password", json!({ "password": "another four plain words" })),
        ("/v1/me/second-factor/recovery-codes", json!({})),
        ("/v1/me/second-factor/disable", json!({})),
        ("/v1/clinic/sign-out", json!({ "whom": "staff" })),
    ] {
        body["current_password"] = json!(PASSWORD);
        assert_eq!(pointer(app.post(path, &person.token, body.clone()).await), "/code", "{path} without");
        body["code"] = json!(wrong_code(&app, &phone));
        assert_eq!(pointer(app.post(path, &person.token, body.clone()).await), "/code", "{path} with a wrong one");
    }
    let renew = async |code: &str| {
        app.post(&format!("{PATH}/recovery-codes"), &person.token, proof(Some(code))).await.expect(200)
    };
    let renewed = renew(&next_code(&app, &phone)).await;
    app.try_log_in(person, Some(&codes[0])).await.expect(401);
    let fresh = renewed["recovery_codes"][0].as_str().unwrap();
    app.post(&format!("{PATH}/disable"), &person.token, proof(Some(fresh))).await.expect(204);
    app.get("/v1/me", &person.token).await.expect(401);
    let back = app.log_in(person).await;
    assert_eq!(app.get(PATH, &back.token).await.expect(200)["enabled"], false);
    for path in ["recovery-codes", "disable"] {
        let answer = app.post(&format!("{PATH}/{path}"), &back.token, proof(None)).await;
        assert_eq!(answer.problem(409), "conflict", "{path}");
    }
    for action in ["enable", "renew_codes", "disable"] {
        let noted = format!("SELECT count(*) FROM audit WHERE action = 'second_factor.{action}'");
        assert_eq!(app.count(&noted).await, 1, "{action}");
    }
}

#[tokio::test]
async fn an_administrator_helps_who_lost_phone_and_codes_and_nobody_who_is_another_clinics_too() {
    let (app, clinic, person) = start().await;
    let path = format!("/v1/members/{}/second-factor/reset", person.membership_id);
    let member = format!("/v1/members/{}", person.membership_id);
    assert_eq!(app.post(&path, &clinic.admin.token, proof(None)).await.problem(409), "conflict");
    assert_eq!(app.get(&member, &clinic.admin.token).await.expect(200)["second_factor"], false);
    app.enrol(&person).await;
    assert_eq!(app.get(&member, &clinic.admin.token).await.expect(200)["second_factor"], true);
    app.pass(STEP);
    app.post(&path, &clinic.admin.token, proof(None)).await.expect(204);
    app.get("/v1/me", &person.token).await.expect(401);
    app.post("/v1/auth/refresh", "", json!({ "refresh_token": person.refresh_token })).await.expect(401);
    let person = app.log_in(&person).await;
    assert_eq!(app.count("SELECT count(*) FROM audit WHERE action = 'member.reset_second_factor'").await, 1);

    app.enrol(&person).await;
    let other = app.clinic().await;
    let code = app.operator_invites(other.id, Role::Clinician, None).await;
    app.post("/v1/invitations/accept", &person.token, json!({ "invitation_code": code })).await.expect(201);
    assert_eq!(app.post(&path, &clinic.admin.token, proof(None)).await.problem(409), "conflict");
    assert_eq!(app.try_log_in(&person, None).await.problem(401), "second_factor_required");
}

#[tokio::test]
async fn a_clinic_that_requires_it_lets_its_staff_do_nothing_but_set_it_up() {
    let (app, clinic, clinician) = start().await;
    let patient = app.patient_of(&clinic).await;
    app.enrol(&clinic.admin).await;
    app.pass(STEP);
    let require = json!({ "require_second_factor": true });
    assert_eq!(app.patch("/v1/clinic", &clinic.admin.token, require).await.expect(200)["require_second_factor"], true);
    app.get("/v1/patients", &clinic.admin.token).await.expect(200);
    app.get("/v1/treatments", &patient.token).await.expect(200);
    app.get("/v1/patients", &clinician.token).await.expect(401);

    let refresh = async |person: &Person| {
        let body = json!({ "refresh_token": person.refresh_token });
        Person::from_answer(&app.post("/v1/auth/refresh", "", body).await.expect(200))
    };
    let limited = [refresh(&clinician).await, app.log_in(&clinician).await, app.clinician_of(&clinic).await];
    for person in &limited {
        for path in ["/v1/patients", "/v1/treatments", "/v1/alerts", "/v1/me/devices", "/v1/flags"] {
            assert_eq!(app.get(path, &person.token).await.problem(403), "second_factor_missing", "{path}");
        }
        app.get("/v1/me", &person.token).await.expect(200);
        app.get("/v1/me/sessions", &person.token).await.expect(200);
    }
    let [person, ..] = limited;
    assert_eq!(app.get(PATH, &person.token).await.expect(200), json!({ "enabled": false, "required": true }));
    let (phone, _) = app.enrol(&person).await;
    let person = refresh(&person).await;
    app.get("/v1/patients", &person.token).await.expect(200);
    app.post(&format!("{PATH}/disable"), &person.token, proof(Some(&next_code(&app, &phone)))).await.expect(204);
    let person = refresh(&person).await;
    assert_eq!(app.get("/v1/patients", &person.token).await.problem(403), "second_factor_missing");
    app.patch("/v1/clinic", &clinic.admin.token, json!({ "require_second_factor": false })).await.expect(200);
    app.get("/v1/patients", &refresh(&person).await.token).await.expect(200);
}

/// Begins with one, and goes on with the other once that waits for what is locked; unlocks it when both wait.
async fn one_behind_the_other<A, B>(
    app: &TestApp,
    lock: &str,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    let mut blocker = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    blocker.batch_execute(&format!("BEGIN; {lock}")).await.unwrap();
    let unlock = async {
        app.until_waiting(2).await;
        blocker.batch_execute("ROLLBACK").await.unwrap();
    };
    let then = async {
        app.until_waiting(1).await;
        tokio::join!(second, unlock).0
    };
    tokio::join!(first, then)
}

#[tokio::test]
async fn who_joins_the_staff_while_the_clinic_begins_to_require_it_needs_it_too() {
    for joins_first in [true, false] {
        let app = TestApp::start().await;
        let clinic = app.clinic().await;
        app.enrol(&clinic.admin).await;
        let code = app.invite(&clinic, &json!({ "role": "clinician" })).await;
        let email = fresh_email();
        let join = app.register(&code, &email);
        let require = app.patch("/v1/clinic", &clinic.admin.token, json!({ "require_second_factor": true }));
        // A newcomer is held before the session is written, with all that it is made from read; the clinic before it calls
        // the tokens of its staff back, whom it has looked up.
        let (newcomer, changed) = if joins_first {
            one_behind_the_other(&app, "LOCK TABLE sessions IN SHARE MODE", join, require).await
        } else {
            let (changed, newcomer) =
                one_behind_the_other(&app, "SELECT id FROM users FOR UPDATE", require, join).await;
            (newcomer, changed)
        };
        changed.expect(200);
        let answer = app.get("/v1/patients", &newcomer.token).await;
        assert_eq!(answer.status, if joins_first { 401 } else { 403 }, "{}", answer.text);
        let refreshed = app.post("/v1/auth/refresh", "", json!({ "refresh_token": newcomer.refresh_token })).await;
        let newcomer = Person::from_answer(&refreshed.expect(200));
        assert_eq!(app.get("/v1/patients", &newcomer.token).await.problem(403), "second_factor_missing");
    }
}

#[tokio::test]
async fn a_secret_is_stored_sealed_and_bound_to_its_login_and_recovery_codes_as_hashes() {
    use diesel::prelude::*;
    use diesel_async::RunQueryDsl;
    use mendline::schema::{recovery_codes, second_factors};
    let (app, _, person) = start().await;
    let (phone, codes) = app.enrol(&person).await;
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let sealed: Vec<u8> = second_factors::table.select(second_factors::secret_sealed).first(&mut conn).await.unwrap();
    let keys = &app.state.auth.keys;
    let bound_to = |id: uuid::Uuid| [b"second factor ".as_slice(), id.as_bytes()].concat();
    let secret = keys.open(&bound_to(person.user_id), &sealed).unwrap();
    assert!(phone.knows(&secret));
    assert!(!sealed.windows(secret.len()).any(|window| window == secret));
    for other in [bound_to(uuid::Uuid::nil()), person.user_id.as_bytes().to_vec()] {
        assert!(keys.open(&other, &sealed).is_err(), "it opens for another login, or as an address");
    }
    let mut hashes: Vec<Vec<u8>> =
        recovery_codes::table.select(recovery_codes::code_hash).load(&mut conn).await.unwrap();
    let mut expected: Vec<Vec<u8>> = codes.iter().map(|code| mendline::auth::codes::hash(code).to_vec()).collect();
    hashes.sort();
    expected.sort();
    assert_eq!(hashes, expected);
}
