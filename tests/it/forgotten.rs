//! Forgotten passwords: a code by mail to whoever has the login, the same answer to everybody else, a notice afterwards.

use chrono::TimeDelta;
use mendline::domain::role::Role;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::support::binary::mendline;
use crate::support::people::{Clinic, PASSWORD, Person, fresh_email};
use crate::support::smtp::{Handed, MailServer, Manner};
use crate::support::{Answer, TestApp};

const FROM: &str = "Recovery <no-reply@app.example>";
const NEW: &str = "five other words in a row";

/// An app that hands its mail to this server, on clocks that stand still.
async fn app_with(server: &MailServer) -> TestApp {
    let (url, root) = (server.url(), server.root.clone());
    let settings =
        [("MENDLINE_SMTP_URL", url.as_str()), ("MENDLINE_MAIL_FROM", FROM), ("MENDLINE_EXTRA_CA", root.as_str())];
    TestApp::start_stepped(&settings).await
}

/// A clinic and one of its patients, on such an app.
struct Scene {
    server: MailServer,
    app: TestApp,
    clinic: Clinic,
    person: Person,
}

impl Scene {
    async fn with(manner: Manner) -> Self {
        let server = MailServer::start(manner).await;
        let app = app_with(&server).await;
        let clinic = app.clinic().await;
        let person = app.patient_of(&clinic).await;
        Self { server, app, clinic, person }
    }
}

async fn forget(app: &TestApp, email: &str) -> Answer {
    app.post("/v1/password-resets", "", json!({ "email": email })).await
}

async fn reset(app: &TestApp, code: &str, password: &str) -> Answer {
    app.post("/v1/auth/reset", "", json!({ "code": code, "password": password })).await
}

async fn log_in(app: &TestApp, person: &Person, password: &str) -> Answer {
    app.post("/v1/auth/login", "", json!({ "email": person.email, "password": password })).await
}

/// The code in a letter: the only line that is set in.
fn code(letter: &Handed) -> String {
    letter
        .data
        .lines()
        .find_map(|line| line.strip_prefix("    "))
        .unwrap_or_else(|| panic!("{}", letter.data))
        .to_owned()
}

#[tokio::test]
async fn a_code_comes_by_mail_sets_a_new_password_once_and_ends_every_session() {
    for manner in [Manner::Plain, Manner::StartTls, Manner::Tls] {
        let Scene { server, app, person, .. } = Scene::with(manner).await;
        let features = &app.get("/v1/config", "").await.expect(200)["features"];
        assert!(features.as_array().unwrap().contains(&json!("password_reset_by_mail")));
        assert_eq!(forget(&app, &person.email.to_uppercase()).await.status, 202);
        let letter = server.next().await;
        assert_eq!(letter.login, (manner != Manner::Plain).then(|| "/post/s3cr3t".to_owned()), "{manner:?}");
        let envelope = ["MAIL FROM:<no-reply@app.example>".to_owned(), format!("RCPT TO:<{}>", person.email)];
        assert!(
            letter.envelope[0].starts_with(&envelope[0]) && letter.envelope[1] == envelope[1],
            "{:?}",
            letter.envelope
        );
        for header in
            ["From: Recovery <no-reply@app.example>", "Auto-Submitted: auto-generated", "Date: Mon, 02 Feb 2026"]
        {
            assert!(letter.data.contains(header), "{}", letter.data);
        }
        assert!(!letter.data.contains("http") && !letter.data.contains("Clinic"), "{}", letter.data);

        let code = code(&letter);
        // Time passes, or the token would be no older than the reset.
        app.pass(TimeDelta::seconds(1));
        reset(&app, &code, "short").await.expect(422);
        assert_eq!(reset(&app, &code, NEW).await.status, 204);
        assert_eq!(app.get("/v1/me", &person.token).await.status, 401);
        assert_eq!(log_in(&app, &person, PASSWORD).await.status, 401);
        log_in(&app, &person, NEW).await.expect(200);
        reset(&app, &code, PASSWORD).await.expect(422);
        let notice = server.next().await;
        assert!(notice.envelope[1].contains(&person.email) && !notice.data.contains("    "), "{}", notice.data);
        assert!(server.is_empty().await);
    }
}

#[tokio::test]
async fn nobody_learns_who_has_a_login() {
    let Scene { server, app, clinic, person } = Scene::with(Manner::Plain).await;
    let unknown = forget(&app, &fresh_email()).await;
    let known = forget(&app, &person.email).await;
    assert_eq!((unknown.status, &unknown.text), (known.status, &known.text));
    assert_eq!(known.status, 202);
    // One letter came, and it is the known person's.
    assert!(server.next().await.envelope[1].contains(&person.email));
    assert!(server.is_empty().await);
    let gone = app.delete(&format!("/v1/members/{}", person.membership_id), &clinic.admin.token).await;
    assert_eq!(gone.status, 204);
    assert_eq!(forget(&app, &person.email).await.status, 202);
    assert_eq!(forget(&app, &clinic.admin.email).await.status, 202);
    assert!(server.next().await.envelope[1].contains(&clinic.admin.email), "who belongs to no clinic gets no letter");
}

#[tokio::test]
async fn a_newer_code_replaces_the_older_one_and_none_lasts_or_touches_what_a_clinic_handed_out() {
    let Scene { server, app, clinic, person } = Scene::with(Manner::Plain).await;
    let path = format!("/v1/members/{}/reset-code", person.membership_id);
    let handed =
        app.post(&path, &clinic.admin.token, json!({ "current_password": PASSWORD })).await.expect(201)["code"]
            .as_str()
            .unwrap()
            .to_owned();
    let mut codes = Vec::new();
    for _ in 0..2 {
        assert_eq!(forget(&app, &person.email).await.status, 202);
        codes.push(code(&server.next().await));
    }
    reset(&app, &codes[0], NEW).await.expect(422);
    app.pass(TimeDelta::minutes(31));
    reset(&app, &codes[1], NEW).await.expect(422);
    // Whoever knows an address cannot make void what the clinic handed out; but the code that is used is the last.
    assert_eq!(forget(&app, &person.email).await.status, 202);
    let last = code(&server.next().await);
    assert_eq!(reset(&app, &handed, NEW).await.status, 204);
    reset(&app, &last, PASSWORD).await.expect(422);
    assert_eq!(app.count("SELECT count(*) FROM reset_codes WHERE used_at IS NULL").await, 0);
    assert_eq!(
        app.count("SELECT count(*) FROM audit WHERE action = 'password.reset_code' AND actor_role = 'server'").await,
        3
    );
}

#[tokio::test]
async fn a_reset_does_not_get_around_the_second_factor() {
    let Scene { server, app, person, .. } = Scene::with(Manner::Plain).await;
    app.enrol(&person).await;
    assert_eq!(forget(&app, &person.email).await.status, 202);
    assert_eq!(reset(&app, &code(&server.next().await), NEW).await.status, 204);
    assert_eq!(log_in(&app, &person, NEW).await.problem(401), "second_factor_required");
}

#[tokio::test]
async fn a_changed_password_is_told_of_too() {
    let Scene { server, app, clinic, .. } = Scene::with(Manner::Plain).await;
    let body = json!({ "current_password": PASSWORD, "password": NEW });
    assert_eq!(app.post("/v1/me/password", &clinic.admin.token, body).await.status, 204);
    let notice = server.next().await;
    assert!(notice.envelope[1].contains(&clinic.admin.email));
}

#[tokio::test]
async fn asking_costs_a_wait_and_fills_nobodys_mailbox() {
    let Scene { server, app, clinic, person } = Scene::with(Manner::Plain).await;
    for _ in 0..10 {
        assert_eq!(forget(&app, &person.email).await.status, 202);
    }
    assert_eq!(forget(&app, &person.email).await.problem(429), "too_many_requests");
    assert_eq!(forget(&app, &clinic.admin.email).await.status, 202);
    // A few errands are run at once, in no order.
    let mut to = Vec::new();
    for _ in 0..4 {
        to.push(server.next().await.envelope[1].clone());
    }
    let letters = to.iter().filter(|to| to.contains(&person.email)).count();
    assert_eq!(letters, 3, "of ten that were asked for: {to:?}");
    assert_eq!(forget(&app, &clinic.admin.email).await.status, 202);
    assert!(server.next().await.envelope[1].contains(&clinic.admin.email));
}

#[tokio::test]
async fn what_is_no_address_is_refused_and_no_line_can_be_slipped_into_a_letter() {
    let server = MailServer::start(Manner::Plain).await;
    let app = app_with(&server).await;
    for email in
        ["nobody", "a@b.example\r\nBcc: c@d.example", "a@b.example\nRCPT TO:<c@d.example>", "a b@c.example", ""]
    {
        let refused = forget(&app, email).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/email", "{email:?}");
    }
    forget(&app, &format!("{}@b.example", "a".repeat(300))).await.expect(422);
    assert!(server.is_empty().await);
}

/// A mail server that never answers holds up letters, and nothing else: requests are answered at once, until the line is full.
#[tokio::test]
async fn a_mail_server_that_never_answers_holds_up_no_request() {
    let server = MailServer::start(Manner::Silent).await;
    let app = app_with(&server).await;
    let clinic = app.stage_clinic().await;
    for _ in 0..60 {
        let person = app.stage(clinic, Role::Patient).await;
        let answer = forget(&app, &format!("{}@example.org", person.caller.user_id)).await;
        assert_eq!(answer.status.as_u16(), 202, "how many letters wait is nobody's business");
    }
    assert_eq!(app.get("/readyz", "").await.status, 200);
}

#[tokio::test]
async fn without_a_mail_server_there_is_no_such_thing() {
    let app = TestApp::start().await;
    assert_eq!(forget(&app, "jo@example.org").await.problem(404), "not_found");
}

#[tokio::test]
async fn a_doctor_tells_a_mail_server_that_takes_us_from_one_that_does_not() {
    let app = TestApp::start().await;
    for (manner, status, told) in [
        (Manner::Tls, "ok", "takes our name"),
        (Manner::StartTls, "ok", "takes our name"),
        (Manner::Refusing, "failure", "refused with 535"),
    ] {
        let server = MailServer::start(manner).await;
        let (dir, url) = (tempfile::tempdir().unwrap(), server.url());
        let settings =
            [("MENDLINE_SMTP_URL", url.as_str()), ("MENDLINE_MAIL_FROM", FROM), ("MENDLINE_EXTRA_CA", &server.root)];
        let mut doctor = mendline(dir.path(), Some(app.database.url.expose_secret()), &["doctor", "--json"]);
        let out = doctor.envs(settings).output().await.unwrap();
        let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        let line = report["lines"].as_array().unwrap().iter().find(|line| line["area"] == "mail").unwrap().clone();
        assert_eq!(line["level"], status, "{line}");
        assert!(line["found"].as_str().unwrap().contains(told), "{line}");
        assert!(!line.to_string().contains("s3cr3t") && server.is_empty().await);
    }
}
