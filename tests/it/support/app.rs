//! The app under test: the real servers on port 0, a stepped care clock, and verbs to talk to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use chrono::{DateTime, TimeDelta, Utc};
use mendline::app::{State, api_server, ops_server};
use mendline::clock::{Clock, Clocks};
use mendline::config::{Config, Vars};
use mendline::db::{Access, Db, Group};
use mendline::push::recording::Recording;
use mendline::push::{CARRIERS, Carrier, fcm};
use mendline::worker::{self, Round, Worker};
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::contract::{Exchange, assert_kept};
use super::{TestDatabase, as_group};

/// Where every test's story begins: a Monday noon in winter, UTC.
const START: &str = "2026-02-02T12:00:00Z";

/// How long a connection that is not used is kept: less than the server keeps it, or a request may meet its end.
const REUSED_WITHIN: Duration = Duration::from_secs(3);

/// A running mendline of one test's own.
pub struct TestApp {
    pub state: State,
    pub care: Clock,
    pub database: TestDatabase,
    pub api: SocketAddr,
    pub ops: SocketAddr,
    pub config: Config,
    /// What the worker hands to FCM, and what that answers. Web Push goes over the wire.
    pub fcm: Arc<Recording>,
    worker: Worker,
    client: reqwest::Client,
    servers: Vec<ServerHandle>,
    _data_dir: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl TestApp {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// An app with some settings of its own.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create().await;
        let url = database.url.clone();
        Self::start_at(database, &url, settings).await
    }

    /// An app whose wall clock is the test's to move as well: [`TestApp::pass`].
    pub async fn start_stepped(settings: &[(&str, &str)]) -> Self {
        Self::start_with_carriers(CARRIERS, settings).await
    }

    /// The same for a program with these push providers.
    pub async fn start_with_carriers(carriers: &[&'static Carrier], settings: &[(&str, &str)]) -> Self {
        let start: DateTime<Utc> = START.parse().unwrap();
        let clocks = Clocks { care: Clock::manual(start), wall: Clock::manual(start) };
        let database = TestDatabase::create().await;
        let url = database.url.clone();
        Self::start_by(clocks, database, &url, settings, carriers)
    }

    /// An app whose care clock runs, as a development server's does.
    pub async fn start_running() -> Self {
        let database = TestDatabase::create().await;
        let url = database.url.clone();
        Self::start_by(Clocks::of_development(TimeDelta::zero()), database, &url, &[], CARRIERS)
    }

    /// An app that reaches its database at the owner's `url`, which may be a proxy's; it goes there as the server's roles.
    pub async fn start_at(database: TestDatabase, url: &SecretString, settings: &[(&str, &str)]) -> Self {
        Self::start_by(Clocks::stepped(START.parse().unwrap()), database, url, settings, CARRIERS)
    }

    /// An app on a database that has been somebody else's, by these clocks.
    pub fn start_anew(clocks: Clocks, url: &SecretString, settings: &[(&str, &str)]) -> Self {
        Self::start_by(clocks, TestDatabase { url: url.clone() }, url, settings, CARRIERS)
    }

    fn start_by(
        clocks: Clocks,
        database: TestDatabase,
        url: &SecretString,
        settings: &[(&str, &str)],
        carriers: &[&'static Carrier],
    ) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let config = config(settings, data_dir.path(), carriers);
        let care = clocks.care.clone();
        let pool = |group| Db::connect(&as_group(url, group), 6, None).unwrap();
        let access = Access { api: pool(Group::Api), worker: pool(Group::Worker) };
        let state = State::build(&config, access, clocks).expect("a state").with_stepping(&config);
        let (api_server, api) = api_server(&config.http, &state).expect("the API");
        let (ops_server, ops) = ops_server(config.http.ops_bind, &state).expect("the operators' server");
        let servers = vec![api_server.handle(), ops_server.handle()];
        #[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
        {
            tokio::spawn(api_server);
            tokio::spawn(ops_server);
            tokio::spawn(state.clone().background());
        }
        let client = reqwest::Client::builder().no_proxy().pool_idle_timeout(REUSED_WITHIN).build().unwrap();
        let fcm = Arc::new(Recording::new(&fcm::CARRIER.provider));
        let worker = Worker::new(worker_parts(&state, &config, &fcm));
        Self { state, care, database, api, ops, config, fcm, worker, client, servers, _data_dir: data_dir }
    }

    /// What a second worker of this installation would work with.
    pub fn worker_parts(&self) -> worker::Parts {
        worker_parts(&self.state, &self.config, &self.fcm)
    }

    /// Works off everything that is due at the care clock's time.
    pub async fn drain_worker(&self) -> Round {
        self.worker.drain().await.expect("a worker that works")
    }

    /// Runs a worker beside `story`, until that is told.
    pub async fn beside<T>(&self, story: impl Future<Output = T>) -> T {
        let (stop, worker) = (CancellationToken::new(), Worker::new(self.worker_parts()));
        let story = async {
            let told = story.await;
            stop.cancel();
            told
        };
        let (ended, told) = tokio::join!(worker.run(stop.clone()), story);
        ended.expect("a worker that works");
        told
    }

    /// Steps the care clock and works off what is due then.
    pub async fn advance(&self, by: TimeDelta) -> Round {
        self.care.advance(by);
        self.drain_worker().await
    }

    /// Time passes, on both clocks where the wall's is the test's.
    pub fn pass(&self, by: TimeDelta) {
        self.state.clocks.wall.advance(by);
        self.care.advance(by);
    }

    /// What a worker works with that hands messages to FCM over the wire, as the server itself does.
    pub fn wire_parts(&self) -> worker::Parts {
        self.state.worker_parts(&self.config).expect("a worker's parts")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.api)
    }

    /// A request to the API, with a token unless it is empty.
    pub fn request(&self, method: Method, path: &str, token: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, self.url(path));
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        send(self.request(Method::GET, path, token)).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path, token).json(&body)).await
    }

    pub async fn put(&self, path: &str, token: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path, token).json(&body)).await
    }

    pub async fn patch(&self, path: &str, token: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path, token).json(&body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        send(self.request(Method::DELETE, path, token)).await
    }

    /// A request to the operators' server, which is no part of the contract.
    pub async fn ops(&self, path: &str) -> Answer {
        read(self.client.get(format!("http://{}{path}", self.ops)).send().await).await
    }
}

fn worker_parts(state: &State, config: &Config, fcm: &Arc<Recording>) -> worker::Parts {
    let mut parts = state.worker_parts(config).expect("a worker's parts");
    parts.registry = parts.registry.with(fcm.clone());
    parts
}

/// Settings of a development server on free ports, one HTTP thread, its own data directory.
fn config(settings: &[(&str, &str)], data_dir: &std::path::Path, carriers: &[&'static Carrier]) -> Config {
    let data_dir = data_dir.display().to_string();
    let base = [
        ("MENDLINE_DATA_DIR", data_dir.as_str()),
        ("MENDLINE_BIND", "127.0.0.1:0"),
        ("MENDLINE_OPS_BIND", "127.0.0.1:0"),
        ("MENDLINE_HTTP_WORKERS", "1"),
    ];
    let vars = base.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::read_for(Vars::from_map(vars), carriers).expect("settings")
}

/// Sends and reads it all, and holds what went both ways to the contract.
pub async fn send(request: reqwest::RequestBuilder) -> Answer {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let (method, url) = (request.method().clone(), request.url().clone());
    let form = request.headers().get("content-type").is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let sent = request.body().and_then(reqwest::Body::as_bytes).and_then(|body| match form {
        true => serde_urlencoded::from_bytes::<BTreeMap<String, String>>(body).ok().map(|fields| json!(fields)),
        false => serde_json::from_slice(body).ok(),
    });
    let answer = read(client.execute(request).await).await;
    let (status, headers, text) = (answer.status, &answer.headers, answer.text.as_str());
    assert_kept(&Exchange { method: &method, url: &url, sent, status, headers, text });
    answer
}

/// Reads all of an answer.
async fn read(response: reqwest::Result<reqwest::Response>) -> Answer {
    let response = response.expect("an answer");
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text }
}

impl Answer {
    /// The body, if the status is the expected one; panics with the whole answer otherwise.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.body
    }

    /// The slug of the problem, if the status is the expected one.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.text);
        let body = self.expect(status);
        assert_eq!(body["status"], status);
        assert!(body["instance"].as_str().unwrap().starts_with("urn:uuid:"));
        body["type"].as_str().unwrap().strip_prefix("urn:problem:mendline:").unwrap().to_owned()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        for server in &self.servers {
            drop(server.stop(false));
        }
        if !std::thread::panicking() {
            assert_eq!(
                self.database.stranded(),
                0,
                "alerts were left sending, or scheduled without a place in the queue"
            );
        }
    }
}
