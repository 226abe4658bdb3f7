//! `doctor` as the operator hears it: the binary, what it says, its exit status.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::binary::mendline;
use crate::support::{TestApp, google};

/// Google, which grants tokens and answers every message with this.
async fn google_that(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    let token =
        ResponseTemplate::new(200).set_body_json(json!({ "access_token": "t0ken-of-google", "expires_in": 3599 }));
    Mock::given(path("/token")).respond_with(token).mount(&server).await;
    Mock::given(path(google::SEND)).respond_with(answer).mount(&server).await;
    server
}

fn unknown_address() -> ResponseTemplate {
    ResponseTemplate::new(404).set_body_string(google::error("NOT_FOUND", "UNREGISTERED"))
}

/// Exit status, what was said, and the lines.
async fn doctor(database: &str, settings: &[(&str, &str)]) -> (i32, String, Vec<Value>) {
    let dir = tempfile::tempdir().unwrap();
    let mut said = String::new();
    let mut lines = Vec::new();
    let mut status = 0;
    for arguments in [&["doctor"][..], &["doctor", "--json"]] {
        let output =
            mendline(dir.path(), Some(database), arguments).envs(settings.iter().copied()).output().await.unwrap();
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        said += &out;
        said += &String::from_utf8_lossy(&output.stderr);
        status = output.status.code().unwrap();
        if arguments.len() == 2 {
            let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {said}"));
            lines = report["lines"].as_array().unwrap().clone();
        }
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a look makes nothing");
    (status, said, lines)
}

fn levels<'a>(lines: &'a [Value], area: &str) -> Vec<&'a str> {
    lines.iter().filter(|line| line["area"] == area).map(|line| line["level"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_installation_that_works_is_told_so_and_no_secret_is() {
    let app = TestApp::start().await;
    let google = google_that(unknown_address()).await;
    let credentials = google::credentials(&format!("{}/token", google.uri()));
    let settings = [
        ("MENDLINE_FCM_CREDENTIALS", credentials.as_str()),
        ("MENDLINE_FCM_BASE_URL", &google.uri()),
        ("MENDLINE_VAPID_SUBJECT", "mailto:ops@example.org"),
    ];
    let (status, said, lines) = doctor(app.database.url.expose_secret(), &settings).await;
    // The suite's own server runs as a superuser and cares little about power cuts.
    assert_eq!(status, 1, "{said}");
    for area in [
        "settings",
        "public URL",
        "TLS roots",
        "database",
        "clock",
        "schema",
        "protocols",
        "queue",
        "audit trail",
        "fcm",
        "web_push",
    ] {
        let found = levels(&lines, area);
        assert!(!found.is_empty() && found.iter().all(|level| *level == "ok"), "{area}: {said}");
    }
    assert!(said.contains("fsync is off: a power cut may ruin the whole database"), "{said}");
    assert!(said.contains("it works; see the warnings"), "{said}");
    for secret in ["PRIVATE KEY", "t0ken-of-google"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    let body: Value = serde_json::from_slice(&google.received_requests().await.unwrap().last().unwrap().body).unwrap();
    assert_eq!(body["validate_only"], true, "nobody is reached");
}

#[tokio::test]
async fn seals_that_nobody_makes_any_more_are_missed() {
    let app = TestApp::start().await;
    let clinic = app.stage_clinic().await;
    let (_, said, lines) = doctor(app.database.url.expose_secret(), &[]).await;
    assert_eq!(levels(&lines, "audit trail"), ["ok"], "it has no day that is over: {said}");
    app.sql(&format!("UPDATE clinics SET created_at = now() - interval '9 days' WHERE id = '{clinic}'")).await;
    let (status, said, lines) = doctor(app.database.url.expose_secret(), &[]).await;
    assert_eq!((status, levels(&lines, "audit trail")), (1, vec!["warning"]), "{said}");
    assert!(said.contains("1 clinics have no seal of"), "{said}");
}

#[tokio::test]
async fn what_does_not_work_is_a_failure_that_says_what_to_do() {
    let app = TestApp::start().await;
    let google = google_that(
        ResponseTemplate::new(403).set_body_json(json!({ "error": { "status": "PERMISSION_DENIED", "details": [] } })),
    )
    .await;
    let credentials = google::credentials(&format!("{}/token", google.uri()));
    let settings = [("MENDLINE_FCM_CREDENTIALS", credentials.as_str()), ("MENDLINE_FCM_BASE_URL", &google.uri())];
    app.sql(
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    )
    .await;
    let (status, said, lines) = doctor(app.database.url.expose_secret(), &settings).await;
    assert_eq!(status, 2, "{said}");
    assert_eq!((levels(&lines, "schema"), levels(&lines, "fcm")), (vec!["failure"], vec!["failure"]), "{said}");
    assert!(said.contains("-> run `mendline migrate`"), "{said}");
    assert!(said.contains("enable the Firebase Cloud Messaging API"), "{said}");
    let remedied = lines.iter().all(|line| (line["level"] == "ok") == line.get("remedy").is_none());
    assert!(remedied, "{lines:#?}");
}

#[tokio::test]
async fn a_variable_that_is_nearly_a_setting_is_named_with_the_one_that_was_meant_and_never_shown() {
    let app = TestApp::start().await;
    let (misspelt, taken) = (("MENDLINE_FCM_CREDENTIAL", "hunter2"), ("MENDLINE_BIND", app.api.to_string()));
    let database = app.database.url.expose_secret();
    let told = "MENDLINE_FCM_CREDENTIAL is no setting: MENDLINE_FCM_CREDENTIALS may be meant";
    let (_, said, lines) = doctor(database, &[misspelt]).await;
    assert!(lines.iter().any(|line| line["level"] == "warning" && line["found"] == told), "{said}");

    // A server says so before it finds its address taken.
    let dir = tempfile::tempdir().unwrap();
    let mut server = mendline(dir.path(), Some(database), &["api"]);
    let ended = server.envs([misspelt, (taken.0, &taken.1)]).output().await.unwrap();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((log.matches(told).count(), ended.status.success()), (1, false), "{log}");
    assert!(log.contains("WARN") && !said.contains("hunter2") && !log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn settings_that_stop_the_start_are_all_named_and_a_database_that_is_away_is_one_line() {
    let away = "postgres://somebody:hunter2@127.0.0.1:1/nothing";
    let (status, said, lines) = doctor(away, &[("MENDLINE_ENV", "production"), ("MENDLINE_LEASE_SECONDS", "1")]).await;
    assert_eq!(status, 2);
    for variable in ["MENDLINE_LEASE_SECONDS", "MENDLINE_TOKEN_KEY", "MENDLINE_VAPID_SUBJECT", "MENDLINE_PUBLIC_URL"] {
        assert!(lines.iter().any(|line| line["found"].as_str().unwrap().starts_with(variable)), "{variable}: {said}");
    }
    let (status, said, lines) = doctor(away, &[]).await;
    assert_eq!((status, levels(&lines, "database")), (2, vec!["failure"]), "{said}");
    assert!(said.contains("check host, port, password and sslmode"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test]
async fn a_journal_of_deletions_that_could_not_be_written_or_followed_is_a_failure() {
    let (app, dir) = (TestApp::start().await, tempfile::tempdir().unwrap());
    let url = app.database.url.expose_secret();
    let journal = async |path: &std::path::Path| {
        let (_, said, lines) = doctor(url, &[("MENDLINE_ERASURE_JOURNAL", path.to_str().unwrap())]).await;
        (levels(&lines, "journal").join(" "), said)
    };
    let (_, said, lines) = doctor(url, &[]).await;
    assert_eq!(levels(&lines, "journal"), ["ok"], "development needs none: {said}");
    assert_eq!(journal(&dir.path().join("missing")).await.0, "failure");
    assert_eq!(journal(dir.path()).await.0, "ok");
    std::fs::write(dir.path().join("2026-03-x.jsonl"), "somebody@example.org\n").unwrap();
    let (found, said) = journal(dir.path()).await;
    assert_eq!(found, "failure");
    assert!(said.contains("2026-03-x.jsonl, line 1") && !said.contains("somebody"), "{said}");
}
