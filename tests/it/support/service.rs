//! A push service on loopback that answers nothing by itself: the test takes each request and says what comes back.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mendline::devices::sealed::SealedAddress;
use mendline::push::web_push::Receiver;
use mendline::worker::Worker;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{TestApp, google, seed};

/// Stands in for Web Push services, for FCM and for its token server alike.
pub struct Service {
    pub host: String,
    heads: Arc<Mutex<Vec<String>>>,
    requests: tokio::sync::Mutex<mpsc::UnboundedReceiver<Held>>,
}

/// A request that waits for its answer. Dropped, it hangs up.
pub struct Held {
    head: String,
    socket: TcpStream,
}

impl Service {
    pub async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (arrived, requests) = mpsc::unbounded_channel();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        #[expect(clippy::disallowed_methods, reason = "the test's runtime ends with the test")]
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (arrived, seen) = (arrived.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Some(held) = Held::read(socket).await else { return };
                    seen.lock().unwrap().push(held.head.clone());
                    arrived.send(held).ok();
                });
            }
        });
        Self { host, heads, requests: tokio::sync::Mutex::new(requests) }
    }

    /// An app to which this service is FCM, stepped by both clocks, and its worker.
    pub async fn app_with_fcm(&self, send_timeout: &str) -> (TestApp, Worker) {
        let app = self.app_with_fcm_and(&[("MENDLINE_SEND_TIMEOUT_SECONDS", send_timeout)]).await;
        let worker = Worker::new(app.wire_parts());
        (app, worker)
    }

    /// An app to which this service is FCM, with further settings.
    pub async fn app_with_fcm_and(&self, settings: &[(&str, &str)]) -> TestApp {
        let base = format!("http://{}", self.host);
        let credentials = google::credentials(&format!("{base}/token"));
        let fcm = [("MENDLINE_FCM_CREDENTIALS", credentials.as_str()), ("MENDLINE_FCM_BASE_URL", base.as_str())];
        TestApp::start_stepped(&[&fcm, settings].concat()).await
    }

    /// A device of this person's that is subscribed here.
    pub async fn subscribe(&self, app: &TestApp, person: seed::Person) -> Uuid {
        let address = format!("http://{}/push/1", self.host);
        let sealed = SealedAddress { address, keys: Some(Receiver::generate().unwrap().keys()) };
        seed::device(app, person, Uuid::new_v4(), "web_push", &sealed).await
    }

    /// The next request.
    pub async fn next(&self) -> Held {
        let next = async { self.requests.lock().await.recv().await.expect("the service runs") };
        tokio::time::timeout(Duration::from_secs(60), next).await.expect("a request")
    }

    /// The next message; whoever asks for a token before gets one.
    pub async fn next_push(&self) -> Held {
        loop {
            let held = self.next().await;
            if held.path() != "/token" {
                return held;
            }
            held.accept().await;
        }
    }

    /// Accepts whatever comes while `work` lasts.
    pub async fn well<T>(&self, work: impl Future<Output = T>) -> T {
        self.treating(Held::accept, work).await
    }

    /// Answers every message so while `work` lasts.
    pub async fn answering<T>(&self, head: &str, body: &[u8], work: impl Future<Output = T>) -> T {
        self.treating(async |held: Held| held.answer(head, body).await, work).await
    }

    /// Hangs up on every message while `work` lasts.
    pub async fn hanging_up<T>(&self, work: impl Future<Output = T>) -> T {
        self.treating(async |held: Held| drop(held), work).await
    }

    /// Treats every message so while `work` lasts; whoever asks for a token gets one.
    async fn treating<T>(&self, treat: impl AsyncFn(Held), work: impl Future<Output = T>) -> T {
        let treat_all = async {
            while let Some(held) = self.requests.lock().await.recv().await {
                match held.path() {
                    "/token" => held.accept().await,
                    _ => treat(held).await,
                }
            }
        };
        tokio::select! {
            done = work => done,
            () = treat_all => unreachable!("the service runs as long as the test"),
        }
    }

    /// Paths of all requests so far.
    pub fn paths(&self) -> Vec<String> {
        self.heads.lock().unwrap().iter().map(|head| path(head).to_owned()).collect()
    }

    /// The `Topic` of each Web Push message so far.
    pub fn topics(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let topic = |head: &String| Some(head.lines().find_map(|line| line.strip_prefix("topic: "))?.to_owned());
        heads.iter().filter_map(topic).collect()
    }
}

impl Held {
    async fn read(mut socket: TcpStream) -> Option<Self> {
        let (mut request, mut part) = (Vec::new(), [0; 4096]);
        loop {
            match socket.read(&mut part).await {
                Ok(read) if read > 0 => request.extend_from_slice(&part[..read]),
                _ => return None,
            }
            let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if request.len() >= end + 4 + length.parse::<usize>().unwrap() {
                return Some(Self { head, socket });
            }
        }
    }

    pub fn path(&self) -> &str {
        path(&self.head)
    }

    /// Answers and hangs up. `head` is a status and further header lines, if any.
    pub async fn answer(mut self, head: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        // The client may have given up, or have read as much as it wanted.
        self.socket.write_all(&[head.as_bytes(), body].concat()).await.ok();
        self.socket.shutdown().await.ok();
    }

    /// Does what a service in good health does.
    pub async fn accept(self) {
        match self.path() {
            "/token" => self.answer("200 OK", br#"{"access_token": "t", "expires_in": 3600}"#).await,
            google::SEND => self.answer("200 OK", br#"{"name": "projects/recovery-1/messages/1"}"#).await,
            _ => self.answer("201 Created", b"").await,
        }
    }
}

fn path(head: &str) -> &str {
    head.split(' ').nth(1).unwrap()
}
