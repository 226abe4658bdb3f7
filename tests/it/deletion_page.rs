//! The public page on which people delete their login: what it says, what it takes, and that it gives nothing away.

use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection;
use mendline::db::Connector;
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::json;

use crate::support::people::{PASSWORD, Person};
use crate::support::{Answer, TestApp, send};

const PATH: &str = "/account/deletion";

async fn submit(app: &TestApp, form: &[(&str, &str)]) -> Answer {
    send(app.request(Method::POST, PATH, "").form(form)).await
}

fn credentials(person: &Person) -> [(&'static str, &str); 2] {
    [("email", &person.email), ("password", PASSWORD)]
}

/// The word that the page carries to the next step.
fn token(page: &Answer) -> String {
    let (_, rest) = page.text.split_once("name=\"token\" value=\"").unwrap_or_else(|| panic!("{}", page.text));
    rest.split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn it_needs_no_script_loads_nothing_and_speaks_the_language_that_is_asked_for() {
    let app = TestApp::start().await;
    let page = app.get(PATH, "").await;
    assert_eq!(page.headers["content-language"], "en");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.contains("form-action 'self'"),
        "{policy}"
    );
    for said in ["14 days", "record of your treatments", "name=\"email\"", "name=\"password\"", "name=\"code\""] {
        assert!(page.text.contains(said), "{said}");
    }
    assert!(!page.text.contains("<script") && !page.text.contains("src="));
    let german = app.get_with(PATH, "", "accept-language", "de-AT, en;q=0.5").await;
    assert_eq!(german.headers["content-language"], "de");
    assert!(german.text.contains("<html lang=\"de\">") && german.text.contains("Zugang löschen"));
}

#[tokio::test]
async fn somebody_without_an_app_sees_the_facts_then_deletes_and_takes_it_back() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    app.patch("/v1/clinic", &clinic.admin.token, json!({ "name": "Lind & <b>Hof</b>" })).await.expect(200);
    let patient = app.patient_of(&clinic).await;
    app.pass(TimeDelta::seconds(1));
    let facts = submit(&app, &credentials(&patient)).await;
    assert!(
        facts.text.contains("Lind &amp; &lt;b&gt;Hof&lt;/b&gt; keeps the record of your treatments until 2036-02-16"),
        "{}",
        facts.text
    );
    assert!(facts.text.contains("take it back until 2026-02-16"));
    app.get("/v1/me", &patient.token).await.expect(200);
    let word = token(&facts);
    let deleted = submit(&app, &[("token", &word), ("decision", "delete")]).await;
    assert!(deleted.text.contains("Your login is deleted"), "{}", deleted.text);
    app.get("/v1/me", &patient.token).await.expect(401);

    let pending = submit(&app, &credentials(&patient)).await;
    assert!(pending.text.contains("You have deleted your login. Until 2026-02-16"), "{}", pending.text);
    let kept = submit(&app, &[("token", &token(&pending)), ("decision", "keep")]).await;
    assert!(kept.text.contains("Your login is there again"));
    app.log_in(&patient).await;
    // Once more is no harm, and later it takes the password again.
    submit(&app, &[("token", &token(&pending)), ("decision", "keep")]).await.expect(200);
    app.pass(TimeDelta::minutes(15));
    let late = submit(&app, &[("token", &word), ("decision", "delete")]).await;
    assert!(late.text.contains("role=\"alert\"") && late.text.contains("took too long"));
    app.log_in(&patient).await;
}

#[tokio::test]
async fn who_guesses_learns_nothing_and_is_slowed_down() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let wrong = "not the one that it is";
    let known = submit(&app, &[("email", &patient.email), ("password", wrong)]).await.text;
    let unknown = submit(&app, &[("email", "nobody@example.org"), ("password", wrong)]).await.text;
    assert!(known.contains("The address, the password or the code is wrong."));
    assert_eq!(known, unknown);
    assert_eq!(known.matches(&patient.email).count(), 0, "what was typed is not shown again");
    for _ in 0..9 {
        submit(&app, &[("email", &patient.email), ("password", wrong)]).await;
    }
    let slowed = submit(&app, &credentials(&patient)).await.text;
    assert!(slowed.contains("Too many tries"), "{slowed}");
    let login = json!({ "email": patient.email, "password": PASSWORD });
    app.post("/v1/auth/login", "", login).await.expect(429);
    for forged in ["", "AAAA", &"A".repeat(100)] {
        let page = submit(&app, &[("token", forged), ("decision", "delete")]).await;
        assert!(page.text.contains("Please begin again"), "{forged}");
    }
}

#[tokio::test]
async fn with_a_second_factor_it_asks_for_a_code_and_a_new_password_voids_what_was_shown() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let person = app.clinician_of(&clinic).await;
    let (phone, _) = app.enrol(&person).await;
    assert!(submit(&app, &credentials(&person)).await.text.contains("second factor"));
    let code = || {
        app.pass(TimeDelta::seconds(30));
        phone.code(app.state.clocks.wall.now())
    };
    let [email, password] = credentials(&person);
    let facts = submit(&app, &[email, password, ("code", &code())]).await;
    assert!(facts.text.contains("your membership ends"), "{}", facts.text);
    let other = json!({ "current_password": PASSWORD, "code": code(), "password": "another four plain words" });
    app.post("/v1/me/password", &person.token, other).await.expect(204);
    let void = submit(&app, &[("token", &token(&facts)), ("decision", "delete")]).await;
    assert!(void.text.contains("your password has changed"));
    app.get("/v1/me", &person.token).await.expect(200);
}

#[tokio::test]
async fn what_has_changed_before_somebody_decides_is_said_on_the_page_too() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let left_alone = app.member_of(&clinic, Role::Administrator).await;
    let facts = submit(&app, &credentials(&left_alone)).await;
    app.delete(&format!("/v1/members/{}", clinic.admin.membership_id), &left_alone.token).await.expect(204);
    let decision = [("token", token(&facts)), ("decision", "delete".to_owned())];
    for (language, said) in [("en", "last administrator"), ("de", "Es wurde nichts gelöscht")] {
        let request = app.request(Method::POST, PATH, "").header("accept-language", language).form(&decision);
        let refused = send(request).await;
        assert_eq!(refused.headers["content-type"], "text/html; charset=utf-8", "{}", refused.text);
        assert!(refused.text.contains("role=\"alert\"") && refused.text.contains(said), "{}", refused.text);
    }
    app.get("/v1/me", &left_alone.token).await.expect(200);

    // The password changes between the look at the word and the deed.
    let there = app.clinic().await;
    let other = app.member_of(&there, Role::Administrator).await;
    let word = token(&submit(&app, &credentials(&other)).await);
    let mut conn = Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    let change = format!("BEGIN; UPDATE users SET password_hash = 'another' WHERE id = '{}'", other.user_id);
    conn.batch_execute(&change).await.unwrap();
    let deciding = [("token", word.as_str()), ("decision", "delete")];
    let (refused, ()) = tokio::join!(submit(&app, &deciding), async {
        app.until_waiting(1).await;
        conn.batch_execute("COMMIT").await.unwrap();
    });
    assert!(refused.text.contains("your password has changed"), "{}", refused.text);
    app.get("/v1/me", &other.token).await.expect(200);
}

#[tokio::test]
async fn what_is_no_form_or_too_large_a_one_is_refused() {
    let app = TestApp::start().await;
    app.post(PATH, "", json!({})).await.expect(415);
    assert_eq!(submit(&app, &[("email", &"x".repeat(5000))]).await.problem(413), "payload_too_large");
    assert_eq!(submit(&app, &[("something", "else")]).await.problem(400), "malformed");
    assert_eq!(submit(&app, &[("token", "x"), ("decision", "perhaps")]).await.problem(400), "malformed");
}
