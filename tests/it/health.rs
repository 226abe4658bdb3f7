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
