//! A provider more is one file and one name in a list: pigeons, which nothing else in the program has heard of, are
//! registered, sent to, limited, paused, retired and listed like any other.

use chrono::TimeDelta;
use mendline::config::{Config, Vars};
use mendline::devices::sealed::SealedAddress;
use mendline::devices::store;
use mendline::domain::role::Role;
use mendline::push::web_push::Receiver;
use mendline::push::{CARRIERS, Carrier};
use mendline::push_health::store::{ServiceRow, list_services, replace_services};
use mendline::worker::Worker;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::pigeon;
use crate::support::{Service, Staged, TestApp, seed};

const WHISTLE: (&str, &str) = ("MENDLINE_PIGEON_WHISTLE", "two-low-one-high");

/// The lines that the list in `src/push/mod.rs` would have.
fn carriers() -> Vec<&'static Carrier> {
    [CARRIERS, &[&pigeon::CARRIER, &pigeon::SUBSCRIBED]].concat()
}

async fn app_with(base_url: &str) -> TestApp {
    TestApp::start_with_carriers(&carriers(), &[WHISTLE, ("MENDLINE_PIGEON_BASE_URL", base_url)]).await
}

/// What is wrong with these settings.
fn complaints(settings: &[(&str, &str)]) -> Vec<String> {
    let vars = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let faults = Config::read_for(Vars::from_map(vars), &carriers()).err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

/// Asks without holding the answer to the contract, which knows no pigeons.
async fn ask(app: &TestApp, method: Method, path: &str, who: &str, body: Option<Value>) -> (u16, Value) {
    let request = app.request(method, path, who);
    let request = if let Some(body) = body { request.json(&body) } else { request };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn register(app: &TestApp, who: &Staged, id: Uuid, changes: Value) -> (u16, Value) {
    let mut body = json!({
        "provider": "pigeon", "address": "Tower-7", "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted",
    });
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    ask(app, Method::PUT, &format!("/v1/me/devices/{id}"), &who.token, Some(body)).await
}

/// A provider in the administrators' list, and its services with their states.
async fn listed(app: &TestApp, who: &Staged, provider: &str) -> (Value, Vec<(String, String)>) {
    let (_, list) = ask(app, Method::GET, "/v1/push/providers", &who.token, None).await;
    let item = list["items"].as_array().unwrap().iter().find(|item| item["provider"] == provider).unwrap().clone();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let services = item["services"].as_array().unwrap().iter();
    (item.clone(), services.map(|service| (word(&service["service"]), word(&service["state"]))).collect())
}

#[test]
fn its_settings_are_read_and_what_is_wrong_with_them_is_told_by_name() {
    assert!(complaints(&[WHISTLE]).is_empty());
    let wrong = [WHISTLE, ("MENDLINE_PIGEON_BASE_URL", "nowhere"), ("MENDLINE_PIGEON_RATE", "many")];
    let told = complaints(&wrong);
    assert!(told.iter().any(|line| line.starts_with("MENDLINE_PIGEON_BASE_URL: is not a URL")), "{told:?}");
    assert!(told.iter().any(|line| line.starts_with("MENDLINE_PIGEON_RATE: cannot be read")), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
}

#[tokio::test]
async fn its_addresses_have_their_own_form_and_every_fault_its_field() {
    let app = app_with("http://127.0.0.1:9").await;
    let clinic = app.stage_clinic().await;
    let ada = app.stage(clinic, Role::Patient).await;
    let wrong = json!({ "address": "7", "address_kind": "fid", "environment": "sandbox", "vapid_key_id": "x" });
    let (status, problem) = register(&app, &ada, Uuid::new_v4(), wrong).await;
    let faults = problem["errors"].as_array().unwrap().iter();
    let pointers: Vec<_> = faults.map(|fault| fault["pointer"].as_str().unwrap()).collect();
    assert_eq!((status, pointers), (422, vec!["/address", "/address_kind", "/environment", "/vapid_key_id"]));
    assert_eq!(problem["errors"][0]["detail"], "is not a ring, such as tower-7");
    let (status, problem) = register(&app, &ada, Uuid::new_v4(), json!({ "provider": "owl" })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("/provider")));
    assert!(
        problem["errors"][0]["detail"].as_str().unwrap().ends_with("expo, pigeon, pigeon_subscriptions"),
        "{problem}"
    );
    let (status, device) = register(&app, &ada, Uuid::new_v4(), json!({})).await;
    assert_eq!((status, &device["provider"], &device["address_kind"]), (201, &json!("pigeon"), &json!("token")));
}

#[tokio::test]
async fn a_subscription_is_registered_with_the_key_that_it_was_made_with() {
    let app = app_with("http://127.0.0.1:9").await;
    let clinic = app.stage_clinic().await;
    let ada = app.stage(clinic, Role::Patient).await;
    let subscription = json!({ "provider": "pigeon_subscriptions", "keys": Receiver::generate().unwrap().keys() });
    let (status, device) = register(&app, &ada, Uuid::new_v4(), subscription).await;
    assert_eq!((status, &device["address_kind"]), (201, &json!("endpoint")), "{device}");
    assert_eq!(device["vapid_key_id"], app.state.about.vapid_key_ids()[0]);
}

#[tokio::test]
async fn an_alert_is_carried_to_the_address_that_was_registered() {
    let lofts = MockServer::start().await;
    let flight = Mock::given(method("POST")).and(path("/fly/tower-7")).and(header("authorization", WHISTLE.1));
    flight.respond_with(ResponseTemplate::new(200)).expect(1).mount(&lofts).await;
    let app = app_with(&lofts.uri()).await;
    let clinic = app.stage_clinic().await;
    let ada = app.stage(clinic, Role::Patient).await;
    let id = Uuid::new_v4();
    assert_eq!(register(&app, &ada, id, json!({})).await.0, 201);
    app.post(&format!("/v1/me/devices/{id}/test"), &ada.token, json!({})).await.expect(202);
    Worker::new(app.wire_parts()).drain().await.unwrap();
    assert_eq!(seed::outcomes(&app).await, ["accepted"]);
    let flown: Value = lofts.received_requests().await.unwrap()[0].body_json().unwrap();
    assert!(!flown["note"].as_str().unwrap().is_empty() && flown["within"].as_u64().unwrap() > 0, "{flown}");

    let features = ask(&app, Method::GET, "/v1/config", "", None).await.1["features"].clone();
    assert_eq!(features, json!(["web_push", "expo", "pigeon"]));
}

#[tokio::test]
async fn its_addresses_are_believed_for_as_long_as_it_says() {
    let app = app_with("http://127.0.0.1:9").await;
    flock(&app, "tower", 1).await;
    let retire = async |days| {
        let (providers, then) = (&app.state.providers, app.state.clocks.wall.now() + TimeDelta::days(days));
        seed::run(&app, async |conn| store::retire_stale(conn, providers, then).await).await
    };
    assert_eq!(retire(30).await, []);
    assert_eq!(retire(31).await, [("pigeon".to_owned(), 1)]);
}

fn state(service: &str, state: &str) -> (String, String) {
    (service.to_owned(), state.to_owned())
}

/// People whose pigeons live in this loft, each with an alert that is due.
async fn flock(app: &TestApp, loft: &str, size: usize) {
    for number in 0..size {
        let person = seed::person(app).await;
        let ring = SealedAddress { address: format!("{loft}-{number}"), keys: None };
        seed::device(app, person, Uuid::new_v4(), "pigeon", &ring).await;
        seed::due_now(app, person, "m:a").await;
    }
}

#[tokio::test]
async fn no_more_fly_at_once_than_its_own_limit_lets() {
    let lofts = Service::open().await;
    let app = app_with(&format!("http://{}", lofts.host)).await;
    flock(&app, "tower", 6).await;
    let worker = Worker::new(app.wire_parts());
    let story = async {
        let held = [lofts.next().await, lofts.next().await];
        assert_eq!(lofts.paths().len(), 2, "two are in the air");
        for pigeon in held {
            pigeon.accept().await;
        }
        lofts.well(std::future::pending::<()>()).await;
    };
    tokio::select! {
        round = worker.drain() => assert_eq!(round.unwrap().settled, 6),
        () = story => {}
    }
    assert_eq!(lofts.paths().len(), 6);
}

#[tokio::test]
async fn a_loft_in_trouble_is_paused_and_the_others_fly_on() {
    let lofts = Service::open().await;
    let app = app_with(&format!("http://{}", lofts.host)).await;
    let clinic = app.stage_clinic().await;
    let admin = app.stage(clinic, Role::Administrator).await;
    let worker = Worker::new(app.wire_parts());
    flock(&app, "barn", 1).await;
    lofts.well(worker.drain()).await.unwrap();
    flock(&app, "tower", 1).await;
    lofts.answering("401 Unauthorized", b"", worker.drain()).await.unwrap();
    let (item, services) = listed(&app, &admin, "pigeon").await;
    assert_eq!(item["configured"], true);
    assert_eq!(services, [state("barn", "healthy"), state("tower", "paused")]);

    flock(&app, "tower", 1).await;
    flock(&app, "barn", 1).await;
    lofts.well(worker.drain()).await.unwrap();
    let flown: Vec<_> = lofts.paths().iter().map(|path| path.split('-').next().unwrap().to_owned()).collect();
    assert_eq!(flown, ["/fly/barn", "/fly/tower", "/fly/barn"], "nothing is sent to a loft that is paused");
    app.pass(TimeDelta::seconds(90));
    lofts.well(worker.drain()).await.unwrap();
    app.pass(TimeDelta::seconds(90));
    lofts.well(worker.drain()).await.unwrap();
    assert!(seed::alerts(&app).await.iter().all(|alert| alert.state == "sent"));
}

#[tokio::test]
async fn a_loft_that_is_called_like_another_provider_is_paused_alone() {
    let lofts = Service::open().await;
    let app = app_with(&format!("http://{}", lofts.host)).await;
    let clinic = app.stage_clinic().await;
    let admin = app.stage(clinic, Role::Administrator).await;
    flock(&app, "fcm", 1).await;
    lofts.answering("401 Unauthorized", b"", app.drain_worker()).await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    lofts.well(app.drain_worker()).await;
    assert_eq!(seed::outcomes(&app).await, ["unauthorized", "accepted"]);
    assert_eq!(listed(&app, &admin, "pigeon").await.1, [state("fcm", "paused")]);
    assert_eq!(listed(&app, &admin, "fcm").await.1, [state("fcm", "healthy")]);
}

#[tokio::test]
async fn a_service_that_a_worker_forgot_leaves_its_list_even_if_another_providers_is_called_so() {
    let app = TestApp::start().await;
    let (worker, now) = (Uuid::new_v4(), app.state.clocks.wall.now());
    let row = |provider: &str, service: &str| ServiceRow {
        worker,
        provider: provider.to_owned(),
        service: service.to_owned(),
        configured: true,
        state: "healthy".to_owned(),
        cause: None,
        reason: None,
        since: None,
        until: None,
        round: 0,
        waiting: 0,
        accepted: 0,
        failed: 0,
        seen_at: now,
    };
    let met = [row("fcm", "fcm"), row("pigeon", "barn"), row("pigeon", "fcm")];
    for known in [&met[..], &met[..2], &met[1..], &[]] {
        seed::run(&app, async |conn| replace_services(conn, worker, known).await).await;
        assert_eq!(seed::run(&app, async |conn| list_services(conn, now).await).await, known);
    }
}
