//! Health, readiness, metrics, and the door through which every error leaves.

use reqwest::Method;

use crate::support::{TestApp, TestDatabase, send};

#[tokio::test]
async fn the_server_is_alive_and_ready_on_both_addresses() {
    let app = TestApp::start().await;
    for answer in [app.get("/healthz", "").await, app.ops("/healthz").await] {
        assert_eq!(answer.expect(200)["status"], "ok");
    }
    for answer in [app.get("/readyz", "").await, app.ops("/readyz").await] {
        assert_eq!(answer.expect(200)["status"], "ready");
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_that_it_is_no_page_of_theirs() {
    let policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    for (public_url, https) in [("https://mendline.example", true), ("http://mendline.example", false)] {
        let app = TestApp::start_with(&[("MENDLINE_PUBLIC_URL", public_url)]).await;
        for path in ["/healthz", "/v1/me", "/v1/nothing", "/docs"] {
            let answer = app.get(path, "").await;
            let header = |name: &str| answer.headers.get(name).map_or("", |value| value.to_str().unwrap());
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
            assert_eq!(
                header("content-security-policy") == policy,
                path != "/docs",
                "the page has a policy of its own"
            );
            assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
            let strict = if https { "max-age=31536000" } else { "" };
            assert_eq!(header("strict-transport-security"), strict, "{public_url}{path}");
        }
    }
}

#[tokio::test]
async fn other_sites_may_call_only_if_the_operator_listed_them() {
    let app = TestApp::start_with(&[("MENDLINE_CORS_ORIGINS", "https://app.example")]).await;
    let from = async |origin: &str| {
        let answer = send(app.request(Method::GET, "/healthz", "").header("origin", origin)).await;
        answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(from("https://app.example").await.as_deref(), Some("https://app.example"));
    assert_eq!(from("https://evil.example").await, None);
    assert_eq!(from("https://app.example.evil.example").await, None);
    assert_eq!(from("null").await, None);
}

#[tokio::test]
async fn a_schema_behind_the_code_is_alive_but_not_ready() {
    use diesel_async::SimpleAsyncConnection;
    let app = TestApp::start().await;
    let TestDatabase { url } = &app.database;
    let mut conn = mendline::db::Connector::new(url, None).unwrap().open().await.unwrap();
    conn.batch_execute(
        "DELETE FROM __diesel_schema_migrations WHERE version = (SELECT max(version) FROM __diesel_schema_migrations)",
    )
    .await
    .unwrap();
    assert_eq!(app.ops("/healthz").await.status, 200);
    let answer = app.ops("/readyz").await;
    assert_eq!(answer.headers["retry-after"], "5");
    assert_eq!(answer.problem(503), "unavailable");
}

#[tokio::test]
async fn served_requests_show_in_the_metrics_by_route() {
    let app = TestApp::start().await;
    app.get("/healthz", "").await.expect(200);
    let metrics = app.ops("/metrics").await;
    assert!(metrics.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let line = r#"mendline_http_requests_total{route="/healthz",method="GET",status="200"} 1"#;
    assert!(metrics.text.contains(line), "{}", metrics.text);
    assert!(metrics.text.contains("mendline_pool_connections"));
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_come_through_the_same_door() {
    let app = TestApp::start().await;
    assert_eq!(app.get("/v1/nothing", "").await.problem(404), "not_found");
    let wrong = app.delete("/healthz", "").await;
    assert_eq!(wrong.headers["allow"], "GET, HEAD");
    assert_eq!(wrong.problem(405), "method_not_allowed");
}

#[tokio::test]
async fn the_request_id_is_kept_or_made_and_names_the_problem() {
    let app = TestApp::start().await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let request = app.request(Method::GET, "/v1/nothing", "").header("x-request-id", id);
    let answer = send(request).await;
    assert_eq!(answer.headers["x-request-id"], id);
    assert_eq!(answer.body["instance"], format!("urn:uuid:{id}"));
}
