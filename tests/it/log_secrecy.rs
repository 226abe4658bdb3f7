//! What the log never holds, however much of it an operator asks for: a server at its most talkative is given secrets, names,
//! symptoms and nonsense through every door, and none of them stands in what it wrote.

use std::process::Stdio;

use nix::sys::signal::Signal;
use reqwest::{Client, Method};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use uuid::Uuid;

use crate::support::binary::{mendline, signal};
use crate::support::people::registration;
use crate::support::{Answer, TestApp, send};

/// Nobody is called that, and no word of ours contains one of them.
const NAME: &str = "Quixotia Zweigert";
const EMAIL: &str = "quixotia.zweigert@clinic.example";
const PASSWORD: &str = "umbrella xylophone marzipan";
const NOTE: &str = "zinnober on the left cheek";
const ADDRESS: &str = "fcm-address-of-quixotia";

/// Asks a server for things.
struct Caller {
    client: Client,
    api: String,
    token: String,
}

impl Caller {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = self.client.request(method, format!("http://{}{path}", self.api)).bearer_auth(&self.token);
        send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, Some(body)).await
    }
}

/// Tells a server everything; returns what it must not repeat.
async fn tell_all(mut caller: Caller, code: &str) -> Vec<String> {
    let mut body = registration(code, EMAIL);
    (body["password"], body["display_name"]) = (json!(PASSWORD), json!(NAME));
    let registered = caller.post("/v1/auth/register", body.clone()).await.expect(201);
    assert_eq!(caller.post("/v1/auth/register", body).await.status, 422, "the code is used up");
    let login = json!({ "email": EMAIL, "password": PASSWORD });
    let tokens = caller.post("/v1/auth/login", login).await.expect(200)["tokens"].clone();
    caller.post("/v1/auth/login", json!({ "email": EMAIL, "password": "wrong umbrella xylophone" })).await.expect(401);
    caller.post("/v1/auth/reset", json!({ "code": NOTE, "password": PASSWORD })).await;
    let fresh = caller.post("/v1/auth/refresh", json!({ "refresh_token": tokens["refresh_token"] })).await.expect(200);
    caller.token = fresh["tokens"]["access_token"].as_str().unwrap().to_owned();

    let device = json!({
        "provider": "fcm", "address": ADDRESS, "locale": "en", "time_zone": "Europe/Berlin", "permission": "granted",
    });
    caller.ask(Method::PUT, &format!("/v1/me/devices/{}", Uuid::new_v4()), Some(device)).await.expect(201);
    let treated = caller.post("/v1/treatments", json!({ "performed_at": chrono_now() })).await.expect(201);
    let check_ins = format!("/v1/treatments/{}/check-ins", treated["id"].as_str().unwrap());
    let symptoms = json!({ "redness": 3, "pus": "coloured" });
    let report = json!({ "recorded_at": chrono_now(), "symptoms": symptoms, "note": NOTE });
    caller.post(&check_ins, report).await.expect(201);
    // Nonsense comes back in answers, and in no log.
    caller.post(&check_ins, json!({ "recorded_at": NOTE, "symptoms": { NOTE: NAME } })).await.expect(400);
    caller.post(&format!("/v1/{}", "quixotia-zweigert"), json!({})).await;
    let feed = caller.post("/v1/me/calendar-feeds", json!({ "label": NAME })).await.expect(201);
    let feed = feed["url"].as_str().unwrap().split_once("/v1/").unwrap().1.to_owned();
    let secret = feed.trim_start_matches("calendar/").trim_end_matches(".ics").to_owned();
    assert_eq!(caller.ask(Method::GET, &format!("/v1/{feed}"), None).await.status, 200);
    let reminders = caller.ask(Method::GET, "/v1/me/reminders", None).await.expect(200);
    let title = reminders["items"][0]["title"].as_str().unwrap().to_owned();

    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = [&registered["tokens"], &tokens, &fresh["tokens"]];
    let mut secrets: Vec<String> =
        all.iter().flat_map(|tokens| [text(&tokens["access_token"]), text(&tokens["refresh_token"])]).collect();
    let told = [NAME, EMAIL, PASSWORD, NOTE, ADDRESS, "quixotia", "zinnober", "coloured", code];
    secrets.extend(told.map(str::to_owned));
    secrets.extend([secret, title]);
    secrets
}

/// By the clock of a server that runs by the real one.
fn chrono_now() -> Value {
    json!(mendline::clock::Clock::system().now())
}

#[tokio::test]
async fn a_server_at_its_most_talkative_repeats_nothing_that_it_was_told() {
    let app = TestApp::start().await;
    let clinic = app.clinic().await;
    let code = app.invite(&clinic, &json!({ "role": "patient", "patient": { "display_name": NAME } })).await;
    let dir = tempfile::tempdir().unwrap();
    let mut serve = mendline(dir.path(), Some(app.database.url.expose_secret()), &["serve"]);
    let mut process = serve
        .env("RUST_LOG", "trace,tokio_postgres::query=trace,h2::codec=trace,hyper::proto=trace")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut said = Vec::new();
    let api = loop {
        let line = lines.next_line().await.unwrap().expect("a server that serves");
        let address = line.split_once("API address=").map(|(_, address)| address.trim().to_owned());
        said.push(line);
        if let Some(address) = address {
            break address;
        }
    };
    let story = async {
        let caller = Caller { client: Client::builder().no_proxy().build().unwrap(), api, token: String::new() };
        let secrets = tell_all(caller, &code).await;
        signal(&process, Signal::SIGTERM);
        secrets
    };
    let rest = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            said.push(line);
        }
    };
    let (secrets, ()) = tokio::join!(story, rest);
    let served = said.iter().filter(|line| line.contains("/v1/treatments/{id}/check-ins")).count();
    assert_eq!(served, 2, "it did write of what it served: {said:#?}");
    for line in &said {
        let lower = line.to_lowercase();
        for secret in &secrets {
            assert!(!lower.contains(&secret.to_lowercase()), "{secret:?} stands in the log: {line}");
        }
    }
}
