//! Requests that mean harm or make no sense: never a 500, always a word about what is wrong.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mendline::app::ROUTES;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::contract::contract;
use crate::support::{TestApp, send};

/// What a cursor may look like to whoever knows how ours are made.
fn cursors() -> Vec<String> {
    let id = "01980099-7000-7000-8000-000000000099";
    let positions: Vec<Value> = vec![
        json!(["-4800-01-01T00:00:00Z", id]),
        json!([i64::MIN, id]),
        json!([i64::MAX, id]),
        json!([-1, id]),
        json!([9, i64::MAX, id]),
        json!([i32::MIN, -1, id]),
        json!([0, id, 1]),
        json!(null),
        json!("\u{0}"),
        json!({ "as_of": "+262142-12-31T23:59:59Z", "sort": "name", "place": [] }),
    ];
    positions.iter().map(|position| URL_SAFE_NO_PAD.encode(position.to_string())).collect()
}

#[tokio::test]
async fn no_cursor_and_no_limit_brings_a_list_down() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let treatment = app.treat(&clinic.admin.token, patient.patient(), app.care.now()).await;
    let paged = ROUTES.iter().filter(|route| {
        let parameters = contract().operation(route.method, route.path)["parameters"].to_string();
        parameters.contains("parameters/Cursor")
    });
    let named = |path: &str| path.replace("{id}", &treatment).replace("{key}", "conservative").replace("{number}", "2");
    let paths: Vec<String> = paged.map(|route| named(route.path)).collect();
    assert!(paths.len() >= 7, "{paths:?}");
    for path in &paths {
        // What has changed, and who looked, is for the patient alone.
        let own = ["/v1/sync", "/v1/me/access-log"].contains(&path.as_str());
        let token = if own { &patient.token } else { &clinic.admin.token };
        for cursor in cursors() {
            let answer = app.get(&format!("{path}?cursor={cursor}"), token).await;
            assert!(answer.status.as_u16() < 500, "{path} {cursor}: {}", answer.text);
        }
        for limit in ["0", "-1", "101", "99999999999999999999", "abc", ""] {
            let answer = app.get(&format!("{path}?limit={limit}"), token).await;
            assert_eq!(answer.problem(400), "malformed", "{path} {limit}");
        }
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_read_names_the_parameter() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    for (query, pointer) in [("limit=abc", "limit"), ("patient_id=zz", "patient_id"), ("colour=red", "colour")] {
        let answer = app.get(&format!("/v1/treatments?{query}"), &clinic.admin.token).await.expect(400);
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{answer}");
    }
}

#[tokio::test]
async fn a_limit_that_is_none_is_said_to_be_that() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    for (limit, detail) in [
        ("0", "must be 1 to 100"),
        ("many", "must be a whole number from 0 to 4294967295"),
        ("-1", "must be a whole number from 0 to 4294967295"),
    ] {
        let problem = app.get(&format!("/v1/patients?limit={limit}"), &clinic.admin.token).await.expect(400);
        let fault = json!([{ "pointer": "limit", "detail": detail }]);
        assert_eq!(problem["errors"], fault, "{limit}");
        assert_eq!(problem["detail"], format!("the query cannot be read: limit {detail}"));
    }
}

/// Derived types would read a list as an object's values, in the order in which a struct names them.
#[tokio::test]
async fn what_is_wrong_with_a_body_is_said_plainly_and_where_it_is() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let patient = app.patient_of(&clinic).await;
    let device = "/v1/me/devices/01980099-7000-7000-8000-000000000099";
    let phone = |keys: Value| {
        json!({ "provider": "web_push", "address": "https://push.example.net/up", "keys": keys, "locale": "en",
                "time_zone": "Europe/Berlin", "permission": "granted" })
    };
    let treatment = |key: &str, value: Value| {
        let mut body = json!({ "patient_id": patient.patient(), "performed_at": app.care.now() });
        body[key] = value;
        body
    };
    let (admin, owner) = (&clinic.admin.token, &patient.token);
    for (answer, pointer, detail) in [
        (app.put(device, owner, phone(json!(["key", "secret"]))).await, "/keys", "must be an object"),
        (app.put(device, owner, phone(json!({ "auth": "secret" }))).await, "/keys/p256dh", "is missing"),
        (
            app.post("/v1/invitations", admin, json!({ "role": 7 })).await,
            "/role",
            "must be one of `patient`, `clinician`, `administrator`",
        ),
        (
            app.post("/v1/invitations", admin, json!({ "role": "patient", "patient": ["Noor"] })).await,
            "/patient",
            "must be an object",
        ),
        (
            app.post("/v1/treatments", admin, json!({ "patient_id": patient.patient() })).await,
            "/performed_at",
            "is missing",
        ),
        (
            app.post("/v1/treatments", admin, treatment("performed_at", json!("soon"))).await,
            "/performed_at",
            "must be an instant such as 2026-03-01T08:00:00Z",
        ),
        (
            app.post("/v1/treatments", admin, treatment("needle_depth_mm", json!("deep"))).await,
            "/needle_depth_mm",
            "must be a number",
        ),
        (
            app.post("/v1/treatments", admin, treatment("session_number", json!(3_000_000_000_u32))).await,
            "/session_number",
            "must be a whole number from -2147483648 to 2147483647",
        ),
        (
            app.post("/v1/treatments", admin, treatment("clinician_id", json!("me"))).await,
            "/clinician_id",
            "must be a UUID",
        ),
    ] {
        let problem = answer.expect(400);
        assert_eq!(problem["errors"], json!([{ "pointer": pointer, "detail": detail }]));
        assert_eq!(problem["detail"], "the body does not have the expected shape");
    }
}

#[tokio::test]
async fn a_path_that_names_nothing_is_not_found_whatever_it_holds() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    for key in ["%00", "%F0%9F%92%89", "conservative%00", "..%2F..", "%27%3B--"] {
        let answer = app.get(&format!("/v1/protocols/{key}/versions/1"), &clinic.admin.token).await;
        assert_eq!(answer.problem(404), "not_found", "{key}");
    }
    for number in ["0", "-1", "99999999999", "x"] {
        let answer = app.get(&format!("/v1/protocols/conservative/versions/{number}"), &clinic.admin.token).await;
        assert_eq!(answer.problem(404), "not_found", "{number}");
    }
}

#[tokio::test]
async fn whoever_answers_get_answers_head_without_a_body() {
    let app = TestApp::start().await;
    for path in ["/healthz", "/v1/config", "/.well-known/jwks.json"] {
        let answer = send(app.request(Method::HEAD, path, "")).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""), "{path}");
    }
    let refused = app.delete("/healthz", "").await;
    assert_eq!(refused.headers["allow"], "GET, HEAD");
}

#[tokio::test]
async fn a_method_that_nobody_knows_makes_no_series_of_its_own() {
    let app = TestApp::start().await;
    for word in ["BREW", "FOOBAR"] {
        let method = Method::from_bytes(word.as_bytes()).unwrap();
        assert_eq!(send(app.request(method, "/healthz", "")).await.problem(405), "method_not_allowed");
    }
    let metrics = app.ops("/metrics").await.text;
    assert!(metrics.contains(r#"method="other",status="405"} 2"#), "{metrics}");
    assert!(!metrics.contains("BREW"));
}
