//! What a caller may ask in a minute: who pays, what answers say of it, what is costly, and what nobody ordinary notices.

use std::time::Duration;

use chrono::TimeDelta;
use diesel_async::SimpleAsyncConnection;
use mendline::app::ROUTES;
use mendline::db::Connector;
use mendline::domain::role::Role;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::check_ins::Scene;
use crate::support::slow_reader::SlowReader;
use crate::support::{Answer, Staged, TestApp, send};

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// What an answer says of a budget: its policy, and what is left.
fn told(answer: &Answer) -> (&str, &str) {
    (header(answer, "ratelimit-policy"), header(answer, "ratelimit"))
}

/// A clinic and one person of a role, on a server whose clocks stand still.
async fn staged(role: Role, settings: &[(&str, &str)]) -> (TestApp, Staged) {
    let app = TestApp::start_stepped(settings).await;
    let clinic = app.stage_clinic().await;
    let person = app.stage(clinic, role).await;
    (app, person)
}

#[tokio::test]
async fn each_role_has_a_budget_of_its_own_and_a_spent_one_comes_back() {
    let cases = [
        (Role::Patient, "MENDLINE_RATE_PATIENT"),
        (Role::Clinician, "MENDLINE_RATE_CLINICIAN"),
        (Role::Administrator, "MENDLINE_RATE_ADMINISTRATOR"),
    ];
    for (role, variable) in cases {
        let (app, person) = staged(role, &[(variable, "4")]).await;
        let read = async || app.get("/v1/me", &person.token).await;
        let (policy, left) = (format!("\"{role}-read\";q=4;w=60"), |r: u32| format!("\"{role}-read\";r={r};t=15"));
        for remaining in (0..4).rev() {
            let answer = read().await;
            assert_eq!(told(&answer), (policy.as_str(), left(remaining).as_str()));
            answer.expect(200);
        }
        let refused = read().await;
        assert_eq!((told(&refused), header(&refused, "retry-after")), ((policy.as_str(), left(0).as_str()), "15"));
        assert_eq!(header(&refused, "content-type"), "application/problem+json");
        assert!(!header(&refused, "x-request-id").is_empty());
        assert_eq!(refused.problem(429), "too_many_requests");

        // Writes are another budget, half as large; another person has one of their own.
        let write = async || {
            send(app.request(Method::PATCH, "/v1/me", &person.token).json(&json!({ "display_name": "Sam" }))).await
        };
        assert!(told(&write().await).0.starts_with(&format!("\"{role}-write\";q=2;")));
        assert_ne!(write().await.status, 429);
        assert_eq!(write().await.problem(429), "too_many_requests");
        let other = app.stage(person.caller.clinic_id, role).await;
        app.get("/v1/me", &other.token).await.expect(200);

        app.pass(TimeDelta::seconds(15));
        read().await.expect(200);
        assert_eq!(read().await.status, 429);
        let metrics = app.ops("/metrics").await.text;
        for (class, count) in [("read", 2), ("write", 1)] {
            let line = format!("mendline_http_over_budget_total{{role=\"{role}\",class=\"{class}\"}} {count}");
            assert!(metrics.contains(&line), "{line}: {metrics}");
        }
    }
}

#[tokio::test]
async fn who_is_not_known_pays_from_the_budget_of_the_address_or_the_ipv6_network() {
    let settings = [("MENDLINE_RATE_ANONYMOUS", "3"), ("MENDLINE_TRUSTED_PROXIES", "127.0.0.1")];
    let (app, person) = staged(Role::Patient, &settings).await;
    let ask = async |from: &str, token: &str| {
        send(app.request(Method::GET, "/v1/config", token).header("x-forwarded-for", from)).await
    };
    let spend = async |addresses: [&str; 4], token: &str| {
        let mut statuses = Vec::new();
        for address in addresses {
            statuses.push(ask(address, token).await.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 200, 429], "{addresses:?}");
    };
    spend(["192.0.2.1"; 4], "").await;
    spend(["2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::", "2001:db8:1:2::3"], "").await;
    // A token that is not good buys nothing, and neither does another one for each request.
    spend(["192.0.2.7"; 4], "made.up.token").await;
    let paths = ["a", "b", "c"].map(|letter| format!("/v1/calendar/{}.ics", letter.repeat(43)));
    for path in &paths {
        let answer = send(app.request(Method::GET, path, "").header("x-forwarded-for", "192.0.2.9")).await;
        assert_eq!(answer.status, 404);
    }
    assert_eq!(ask("192.0.2.9", "").await.status, 429);
    for number in 0..3 {
        let token = format!("mlf_{}{number}", "A".repeat(63));
        let alert = format!("/v1/alerts/{}", Uuid::new_v4());
        let request = app.request(Method::GET, &alert, &token).header("x-forwarded-for", "192.0.2.11");
        assert_eq!(send(request).await.problem(401), "unauthenticated");
    }
    assert_eq!(ask("192.0.2.11", "").await.status, 429);
    // Who is known behind the same address has a budget of their own, and whether we live can always be asked.
    ask("192.0.2.1", &person.token).await.expect(200);
    for path in ["/healthz", "/readyz"] {
        let answer = send(app.request(Method::GET, path, "").header("x-forwarded-for", "192.0.2.1")).await;
        assert_eq!(told(&answer), ("", ""));
        answer.expect(200);
    }
}

#[tokio::test]
async fn one_feed_is_not_read_without_end_from_however_many_addresses() {
    let settings = [("MENDLINE_RATE_TOKEN", "2"), ("MENDLINE_TRUSTED_PROXIES", "127.0.0.1")];
    let (app, person) = staged(Role::Patient, &settings).await;
    let made = app.post("/v1/me/calendar-feeds", &person.token, json!({})).await.expect(201);
    let path = made["url"].as_str().unwrap().split_once("/v1/").unwrap().1.to_owned();
    let read = async |from: &str| {
        send(app.request(Method::GET, &format!("/v1/{path}"), "").header("x-forwarded-for", from)).await
    };
    read("192.0.2.1").await.expect(200);
    read("192.0.2.2").await.expect(200);
    let refused = read("192.0.2.3").await;
    assert_eq!(told(&refused), ("\"token\";q=2;w=60", "\"token\";r=0;t=30"));
    assert_eq!(refused.problem(429), "too_many_requests");
}

#[tokio::test]
async fn what_is_costly_is_paid_for_twice() {
    let (app, person) = staged(Role::Clinician, &[("MENDLINE_RATE_COSTLY", "2")]).await;
    let report = async || app.get("/v1/clinic/compliance.csv", &person.token).await;
    for left in ["\"costly\";r=1;t=30", "\"costly\";r=0;t=30"] {
        let answer = report().await;
        assert_eq!(told(&answer), ("\"costly\";q=2;w=60", left));
        answer.expect(200);
    }
    assert_eq!(report().await.problem(429), "too_many_requests");
    let plain = app.get("/v1/me", &person.token).await;
    assert_eq!(told(&plain).1, "\"clinician-read\";r=1196;t=1");
    assert_eq!(app.get("/v1/clinic/compliance.csv", "").await.problem(401), "unauthenticated");
    let costly = ROUTES.iter().filter(|route| route.costly).count();
    assert!((12..40).contains(&costly), "{costly} costly routes");
    assert!(ROUTES.iter().filter(|route| route.path.ends_with(".csv")).all(|route| route.costly));
}

#[tokio::test]
async fn an_answer_tells_of_the_budget_of_which_least_is_left() {
    let settings = [("MENDLINE_RATE_COSTLY", "10"), ("MENDLINE_RATE_CLINICIAN", "3")];
    let (app, person) = staged(Role::Clinician, &settings).await;
    let report = app.get("/v1/clinic/compliance.csv", &person.token).await;
    assert_eq!(told(&report), ("\"clinician-read\";q=3;w=60", "\"clinician-read\";r=2;t=20"));
    report.expect(200);

    let (app, person) = staged(Role::Patient, &[("MENDLINE_RATE_ANONYMOUS", "3")]).await;
    let made = app.post("/v1/me/calendar-feeds", &person.token, json!({})).await.expect(201);
    let path = format!("/v1/{}", made["url"].as_str().unwrap().split_once("/v1/").unwrap().1);
    let feed = app.get(&path, "").await;
    assert_eq!(told(&feed).1, "\"anonymous\";r=2;t=20");
    feed.expect(200);
}

/// A report that waits for the database keeps its place; a third one of the clinic waits for a moment and is then asked to
/// come again, while another clinic's goes through.
#[tokio::test]
async fn two_reports_of_a_clinic_go_on_at_once_and_other_clinics_do_not_wait_for_them() {
    let scene = Scene::new().await;
    let other_clinic = scene.app.stage_clinic().await;
    let other = scene.app.stage(other_clinic, Role::Administrator).await;
    let mut blocker = Connector::new(&scene.app.database.url, None).unwrap().open().await.unwrap();
    let lock = "BEGIN; LOCK TABLE excuses IN ACCESS EXCLUSIVE MODE";
    blocker.batch_execute(lock).await.unwrap();
    let path = format!("/v1/treatments/{}/compliance.csv", scene.treatment);
    let report = async || scene.app.get(&path, &scene.clinician.token).await;
    let third = async {
        // Both places are taken once both wait for the table.
        scene.waiting_for("excuses", 2).await;
        let refused = report().await;
        assert_eq!(header(&refused, "retry-after"), "2");
        assert_eq!(refused.problem(429), "too_many_requests");
        scene.app.get("/v1/alerts/statistics", &other.token).await.expect(200);
        blocker.batch_execute("ROLLBACK").await.unwrap();
    };
    let (first, second, ()) = tokio::join!(report(), report(), third);
    first.expect(200);
    second.expect(200);
    report().await.expect(200);
    let metrics = scene.app.ops("/metrics").await.text;
    assert!(metrics.contains("mendline_http_over_budget_total{role=\"clinic\",class=\"costly\"} 1"), "{metrics}");
}

/// What is handed over is not yet taken: a table that nobody takes keeps its place until its reader hangs up.
#[tokio::test]
async fn a_place_is_kept_until_the_answer_is_sent() {
    let settings = [("MENDLINE_RATE_COSTLY_NODE", "2"), ("MENDLINE_RATE_COSTLY_CLINIC", "0")];
    let (app, person) = staged(Role::Administrator, &settings).await;
    app.stage_long_trail(person.caller.clinic_id, Uuid::new_v4()).await;
    let table = "/v1/audit.csv?from=2026-02-01T00:00:00Z&to=2026-02-03T00:00:00Z";
    let first = SlowReader::ask(&app, "GET", table, &person.token, "").await;
    let second = SlowReader::ask(&app, "GET", table, &person.token, "").await;
    let report = async || app.get("/v1/clinic/compliance.csv", &person.token).await;
    let refused = report().await;
    assert_eq!(header(&refused, "retry-after"), "5");
    assert_eq!(refused.problem(503), "unavailable");
    drop(first);
    report().await.expect(200);
    second.take().await;
    report().await.expect(200);
}

impl Scene {
    /// Returns once so many wait for a lock on this table.
    async fn waiting_for(&self, table: &str, many: i64) {
        let waiting = format!("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = '{table}'::regclass");
        let waited = async { while self.app.count(&waiting).await < many {} };
        tokio::time::timeout(Duration::from_secs(30), waited).await.expect("somebody who waits");
    }
}

/// A week of an app that was offline: it registers its device anew, sends what was done each day, reads what has changed and
/// the bundle again. With the defaults, and a clock that gives nothing back meanwhile.
#[tokio::test]
async fn an_app_that_was_offline_for_a_week_does_not_notice() {
    let (app, patient) = staged(Role::Patient, &[]).await;
    let clinician = app.stage(patient.caller.clinic_id, Role::Clinician).await;
    let mut treatments = Vec::new();
    for days in [1, 30, 60] {
        let at = app.care.now() - TimeDelta::days(days);
        let body = json!({ "patient_id": patient.caller.patient_id, "performed_at": at });
        let made = app.post("/v1/treatments", &clinician.token, body).await.expect(201);
        treatments.push(made["id"].as_str().unwrap().to_owned());
    }
    app.pass(TimeDelta::days(7));
    let patient =
        Staged { token: app.state.auth.tokens.issue(&patient.caller, app.state.clocks.wall.now()).unwrap(), ..patient };
    for treatment in &treatments {
        for path in ["bundle", "timeline", "guidance", "tasks", "compliance", "check-ins", "conditions"] {
            app.get(&format!("/v1/treatments/{treatment}/{path}"), &patient.token).await.expect(200);
        }
        for _ in 0..20 {
            let body = json!({ "id": Uuid::new_v4(), "recorded_at": app.care.now(), "symptoms": { "redness": 1 } });
            let sent = app.post(&format!("/v1/treatments/{treatment}/check-ins"), &patient.token, body).await;
            assert_ne!(sent.status, 429);
        }
    }
    let last = app.get("/v1/sync", &patient.token).await;
    assert_ne!(last.status, 429);
    let left: u32 = told(&last).1.split(";r=").nth(1).unwrap().split(';').next().unwrap().parse().unwrap();
    assert!(left > 500, "{left} of 600 left");
}

/// Behind one address of a clinic: everybody logs in and works. Their logins are the address's, their work is not.
#[tokio::test]
async fn a_clinic_behind_one_address_does_not_notice() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.stage_clinic().await;
    let mut staff = Vec::new();
    for _ in 0..30 {
        staff.push(app.stage(clinic, Role::Clinician).await);
    }
    for _ in 0..10 {
        for person in &staff {
            app.get("/v1/patients", &person.token).await.expect(200);
            app.get("/v1/config", "").await.expect(200);
        }
    }
}

#[tokio::test]
async fn zero_is_no_limit_and_nothing_is_said_of_it() {
    let (app, person) =
        staged(Role::Patient, &[("MENDLINE_RATE_PATIENT", "0"), ("MENDLINE_RATE_ANONYMOUS", "0")]).await;
    for token in [person.token.as_str(), ""] {
        let answer = app.get("/v1/config", token).await;
        assert_eq!(told(&answer), ("", ""));
        answer.expect(200);
    }
}
