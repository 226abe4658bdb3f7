//! The worst moments: a worker killed between claim and settle, and a database that goes away under a running worker.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use mendline::db::migrate;
use mendline::devices::sealed::SealedAddress;
use mendline::embedded::{DATABASE, Durability, Embedded};
use mendline::push::web_push::Receiver;
use mendline::worker::Worker;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{TestApp, TestDatabase, seed};

/// A push service that answers nothing until it is told to, and remembers each message's `Topic`.
struct SlowService {
    host: String,
    topics: Arc<Mutex<Vec<String>>>,
    arrived: Arc<Notify>,
    answers: Arc<std::sync::atomic::AtomicBool>,
}

impl SlowService {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = Self {
            host: listener.local_addr().unwrap().to_string(),
            topics: Arc::default(),
            arrived: Arc::default(),
            answers: Arc::default(),
        };
        let (topics, arrived, answers) = (service.topics.clone(), service.arrived.clone(), service.answers.clone());
        #[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (topics, arrived, answers) = (topics.clone(), arrived.clone(), answers.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut chunk = [0; 4096];
                    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
                        match stream.read(&mut chunk).await {
                            Ok(read) if read > 0 => request.extend_from_slice(&chunk[..read]),
                            _ => return,
                        }
                    }
                    let head = String::from_utf8_lossy(&request).to_lowercase();
                    let topic = head.lines().find_map(|line| line.strip_prefix("topic: ")).unwrap().to_owned();
                    topics.lock().unwrap().push(topic);
                    arrived.notify_one();
                    if answers.load(std::sync::atomic::Ordering::SeqCst) {
                        let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                        stream.write_all(answer).await.ok();
                    } else {
                        std::future::pending::<()>().await;
                    }
                });
            }
        });
        service
    }

    async fn subscribe(&self, app: &TestApp, person: seed::Person) {
        let receiver = Receiver::generate().unwrap();
        let address = format!("http://{}/push/1", self.host);
        let sealed = SealedAddress { address, keys: Some(receiver.keys()) };
        seed::device(app, person, Uuid::new_v4(), "web_push", &sealed).await;
    }
}

#[tokio::test]
async fn what_a_killed_worker_held_is_sent_again_at_once_under_the_same_name() {
    let service = SlowService::open().await;
    let hosts = [("MENDLINE_PUSH_ALLOWED_HOSTS", service.host.as_str())];
    let app = TestApp::start_with(&hosts).await;
    app.care.set(app.state.clocks.wall.now());
    let person = seed::person(&app).await;
    service.subscribe(&app, person).await;
    seed::due_now(&app, person, "m:a").await;

    let mut worker = tokio::process::Command::new(env!("CARGO_BIN_EXE_mendline"))
        .arg("worker")
        .env("DATABASE_URL", app.database.url.expose_secret())
        .env("MENDLINE_DATA_DIR", &app.config.data_dir)
        .env("MENDLINE_PUSH_ALLOWED_HOSTS", &service.host)
        .env("MENDLINE_OPS_BIND", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    tokio::time::timeout(Duration::from_secs(60), service.arrived.notified()).await.expect("the worker sends");
    assert_eq!(seed::state(&app, "m:a").await, "sending");
    worker.kill().await.unwrap();

    service.answers.store(true, std::sync::atomic::Ordering::SeqCst);
    // Postgres notices the closed connection by itself; the rescue asks it, not the lease.
    let sent = async {
        while seed::state(&app, "m:a").await != "sent" {
            app.care.set(app.state.clocks.wall.now());
            app.drain_worker().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), sent).await.expect("rescued long before the lease of a minute");
    let topics = service.topics.lock().unwrap().clone();
    assert_eq!(topics.len(), 2);
    assert_eq!(topics[0], topics[1], "a phone that got both shows one");
}

/// A private cluster of the test's own, which it may stop.
fn cluster(dir: &Path) -> Embedded {
    Embedded::start(dir, None, Durability::None).expect("a cluster")
}

#[tokio::test]
async fn a_database_that_restarts_under_a_running_server_is_found_again_and_nothing_is_lost() {
    let dir = Path::new("/dev/shm").join(format!("mendline-test-restart-{}", std::process::id()));
    let dir = if Path::new("/dev/shm").is_dir() { dir } else { std::env::temp_dir().join("mendline-test-restart") };
    let first = cluster(&dir);
    let url = SecretString::from(first.url(DATABASE));
    migrate(&url, None).await.unwrap();
    let app = TestApp::start_at(TestDatabase { url: url.clone() }, &url, &[]).await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    app.get("/readyz", "").await.expect(200);

    let stop = CancellationToken::new();
    let worker = Worker::new(app.worker_parts());
    let run = worker.run(stop.clone());
    let story = async {
        seed::due_now(&app, person, "m:a").await;
        wait_for(&app, "m:a").await;
        tokio::task::spawn_blocking(move || first.stop()).await.unwrap().unwrap();
        assert_eq!(app.get("/readyz", "").await.problem(503), "unavailable");

        let again = dir.clone();
        let second = tokio::task::spawn_blocking(move || cluster(&again)).await.unwrap();
        let ready = async {
            while app.get("/readyz", "").await.status != 200 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ready).await.expect("ready again");
        let later = seed::owed(&app, "t:b", TimeDelta::zero(), TimeDelta::hours(1));
        seed::plan(&app, person, &[later]).await;
        wait_for(&app, "t:b").await;
        stop.cancel();
        second
    };
    let (ended, second) = tokio::join!(run, story);
    ended.unwrap();
    drop(app);
    drop(second);
    std::fs::remove_dir_all(dir).ok();
}

async fn wait_for(app: &TestApp, key: &str) {
    let sent = async {
        while seed::state(app, key).await != "sent" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), sent).await.expect("sent in time");
}
