//! The operator's commands, run as the operator runs them: the binary, its output, its exit status.

use std::collections::BTreeSet;
use std::process::Output;

use diesel_async::SimpleAsyncConnection;
use mendline::db::Connector;
use mendline::domain::role::Role;
use mendline::embedded;
use mendline::push::web_push::VapidKeys;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::binary::{Reachable, Serving, mendline};
use crate::support::people::{PASSWORD, Person, fresh_email};
use crate::support::{TestApp, server_programs};

async fn run(app: &TestApp, arguments: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    mendline(dir.path(), Some(app.database.url.expose_secret()), arguments).output().await.unwrap()
}

#[track_caller]
fn answer(output: &Output) -> Value {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
}

#[track_caller]
fn complaint(output: &Output) -> String {
    assert!(!output.status.success());
    assert!(output.stdout.is_empty(), "nothing on standard output but answers");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_clinic_set_up_by_hand_has_an_administrator_who_can_register() {
    let app = TestApp::start().await;
    let email = fresh_email();
    let arguments =
        ["admin", "create-clinic", "--name", "Clinic", "--time-zone", "Europe/Paris", "--admin-email", &email];
    let made = answer(&run(&app, &[&arguments[..], &["--json"]].concat()).await);
    let fields: BTreeSet<_> = made.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(fields, BTreeSet::from(["clinic_id", "invitation_code", "expires_at"]));
    let admin = app.register(made["invitation_code"].as_str().unwrap(), &email).await;
    assert_eq!((json!(admin.clinic_id), admin.role), (made["clinic_id"].clone(), Role::Administrator));
    let clinic = app.get("/v1/clinic", &admin.token).await.expect(200);
    assert_eq!((&clinic["time_zone"], &clinic["locale"]), (&json!("Europe/Paris"), &json!("en")));
}

#[tokio::test]
async fn staff_is_invited_by_hand_and_somebody_locked_out_is_helped_back_in() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let (id, email) = (clinic.id.to_string(), fresh_email());
    let invite = ["admin", "invite", "--clinic", &id, "--role", "clinician", "--email", &email, "--json"];
    let invited = answer(&run(&app, &invite).await);
    let person = app.register(invited["invitation_code"].as_str().unwrap(), &email).await;
    assert_eq!(person.role, Role::Clinician);

    let code = answer(&run(&app, &["admin", "reset-code", "--email", &email, "--json"]).await)["code"].clone();
    let password = "another four plain words";
    app.post("/v1/auth/reset", "", json!({ "code": code, "password": password })).await.expect(204);
    app.post("/v1/auth/login", "", json!({ "email": email, "password": PASSWORD })).await.expect(401);
    let back = app.post("/v1/auth/login", "", json!({ "email": email, "password": password })).await.expect(200);
    assert_eq!(Person::from_answer(&back).user_id, person.user_id);
}

#[tokio::test]
async fn an_operator_helps_who_lost_the_second_factor() {
    let app = TestApp::start().await;
    let person = app.clinic().await.admin;
    app.enrol(&person).await;
    let reset = ["admin", "reset-code", "--email", &person.email, "--second-factor", "--json"];
    let code = answer(&run(&app, &reset).await)["code"].clone();
    app.post("/v1/auth/refresh", "", json!({ "refresh_token": person.refresh_token })).await.expect(401);
    let password = "another four plain words";
    app.post("/v1/auth/reset", "", json!({ "code": code, "password": password })).await.expect(204);
    app.post("/v1/auth/login", "", json!({ "email": person.email, "password": password })).await.expect(200);
    answer(&run(&app, &reset).await);
    let noted = "SELECT count(*) FROM audit WHERE action = 'member.reset_second_factor'";
    assert_eq!(app.count(noted).await, 1, "what was not there is not noted as taken away");
}

#[tokio::test]
async fn what_an_operator_mistypes_is_named_and_changes_nothing() {
    let app = TestApp::start().await;
    let create = |zone, email| ["admin", "create-clinic", "--name", "C", "--time-zone", zone, "--admin-email", email];
    assert!(complaint(&run(&app, &create("Paris", "a@example.org")).await).contains("--time-zone"));
    assert!(complaint(&run(&app, &create("Europe/Paris", "nobody")).await).contains("--admin-email"));
    let nowhere = Uuid::new_v4().to_string();
    let invite = |role| ["admin", "invite", "--clinic", &nowhere, "--role", role, "--email", "a@example.org"];
    assert!(complaint(&run(&app, &invite("clinician")).await).contains("there is no clinic"));
    assert!(complaint(&run(&app, &invite("patient")).await).contains("--role"));
    let reset = ["admin", "reset-code", "--email", "nobody@example.org"];
    assert!(complaint(&run(&app, &reset).await).contains("nobody who belongs"));
}

#[tokio::test]
async fn keys_are_made_once_and_rotated_and_a_server_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    // Contradictory settings do not matter: without keys there can be no good ones.
    let keys_command = async |verb: &str| {
        let arguments = ["admin", "keys", verb, "--dir", keys.to_str().unwrap(), "--json"];
        mendline(dir.path(), None, &arguments).env("MENDLINE_ENV", "production").output().await.unwrap()
    };
    let made = answer(&keys_command("new").await);
    assert!(complaint(&keys_command("new").await).contains("never overwritten"));
    let rotated = answer(&keys_command("rotate").await);
    assert_eq!((&rotated["signing_kid"], &rotated["previous_kid"]), (&made["next_kid"], &made["signing_kid"]));
    assert_ne!(rotated["next_kid"], made["next_kid"]);
    let again = answer(&keys_command("rotate-vapid").await);
    assert_eq!(again["signing_kid"], rotated["signing_kid"], "only the one key was asked for");
    let vapid = std::fs::read_to_string(keys.join("vapid.pem")).unwrap();
    assert_eq!(VapidKeys::from_pem(&vapid).unwrap().iter().count(), 2);
    let paths: Vec<_> = ["MENDLINE_TOKEN_KEY", "MENDLINE_SECRET_KEY", "MENDLINE_VAPID_KEY"]
        .map(|variable| (variable, rotated[variable].as_str().unwrap()))
        .into();
    let app = TestApp::start_with(&paths).await;
    let jwks = app.get("/.well-known/jwks.json", "").await.expect(200);
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 3);
    assert_eq!(jwks["keys"][0]["kid"], rotated["signing_kid"]);
    let shown = app.get("/v1/config", "").await.expect(200);
    assert_eq!(shown["vapid_key_id"], VapidKeys::from_pem(&vapid).unwrap().current().id());
    app.clinic().await;
}

#[tokio::test]
async fn a_command_works_beside_a_running_server_on_its_private_database() {
    if server_programs().is_none() {
        return;
    }
    let dir = Reachable::new("beside");
    let serving = Serving::start(&dir.0).await;
    let arguments =
        ["admin", "create-clinic", "--name", "C", "--time-zone", "UTC", "--admin-email", "a@example.org", "--json"];
    let made = answer(&mendline(&dir.0, None, &arguments).output().await.unwrap());
    let form = crate::support::people::registration(made["invitation_code"].as_str().unwrap(), "a@example.org");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/v1/auth/register", serving.address);
    let registered = client.post(url).json(&form).send().await.unwrap();
    assert_eq!(registered.status(), 201);

    // Migrating is the owner's; the command looks whether the owner has.
    let migrate = mendline(&dir.0, None, &["migrate"]).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&migrate.stdout), "the schema is current\n");
    let url = SecretString::from(embedded::join(&dir.0).unwrap());
    let mut conn = Connector::new(&url, None).unwrap().open().await.unwrap();
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version =
                  (SELECT max(version) FROM __diesel_schema_migrations)";
    conn.batch_execute(forget).await.unwrap();
    let refused = complaint(&mendline(&dir.0, None, &["migrate"]).output().await.unwrap());
    assert!(refused.contains("start it anew") && refused.contains("the schema is behind"), "{refused}");
    assert!(serving.stop().await);
}
