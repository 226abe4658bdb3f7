//! A push service that takes everything: it grants tokens and accepts messages, as FCM does, with as little work as can
//! be. A process of its own, so that its processor time is not counted as the sender's.

use std::collections::HashMap;
use std::io::Read;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use mendline::clock::Clock;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use uuid::Uuid;

const TOKEN: &str = r#"{"access_token":"t","expires_in":3599,"token_type":"Bearer"}"#;
const ACCEPTED: &str = r#"{"name":"projects/p/messages/1"}"#;
/// Before the alert's id in a message's body.
const ALERT_ID: &[u8] = br#""alert_id":""#;

#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Options {
    /// How long an answer takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:0")]
    bind: std::net::SocketAddr,
}

/// What arrived since it was last asked.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Seen {
    /// Messages.
    pub messages: usize,
    /// Different alerts among them.
    pub alerts: usize,
    /// Bytes of the messages' bodies.
    pub bytes: usize,
    /// Each alert's first arrival, in microseconds since 1970, where they were asked for.
    pub arrivals: HashMap<Uuid, i64>,
}

#[derive(Default)]
struct Counts {
    messages: usize,
    alerts: HashMap<[u8; 36], i64>,
    bytes: usize,
}

impl Counts {
    fn show(self, arrivals: bool) -> Seen {
        let (messages, alerts, bytes) = (self.messages, self.alerts.len(), self.bytes);
        let moments = self.alerts.into_iter().filter(|_| arrivals);
        let arrivals = moments.filter_map(|(id, at)| Some((Uuid::try_parse_ascii(&id).ok()?, at))).collect();
        Seen { messages, alerts, bytes, arrivals }
    }
}

/// Says its port, then serves until its standard input ends.
pub async fn serve(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.bind).await?;
    println!("{}", listener.local_addr()?.port());
    let counts = Arc::new(Mutex::new(Counts::default()));
    let mut orphaned = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0; 1]));
    loop {
        tokio::select! {
            _ = &mut orphaned => return Ok(()),
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                #[expect(clippy::disallowed_methods, reason = "it ends with the process")]
                tokio::spawn(answer(stream, Arc::clone(&counts), Duration::from_millis(options.delay_ms)));
            }
        }
    }
}

/// Answers one connection's requests, one after the other.
async fn answer(mut stream: TcpStream, counts: Arc<Mutex<Counts>>, delay: Duration) -> Option<()> {
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let (head, length) = loop {
            if let Some(head) = find(&buffer, b"\r\n\r\n") {
                break (head + 4, content_length(&buffer[..head])?);
            }
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        };
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        }
        let (request, body) = (&buffer[..head], &buffer[head..head + length]);
        let reply = if request.starts_with(b"GET ") {
            let counts = std::mem::take(&mut *counts.lock().ok()?);
            serde_json::to_string(&counts.show(request.starts_with(b"GET /arrivals"))).ok()?
        } else if request.starts_with(b"POST /token") {
            TOKEN.to_owned()
        } else {
            let at = find(body, ALERT_ID)? + ALERT_ID.len();
            let alert = body.get(at..at + 36)?.try_into().ok()?;
            let now = Clock::system().now().timestamp_micros();
            let mut counts = counts.lock().ok()?;
            counts.messages += 1;
            counts.bytes += length;
            counts.alerts.entry(alert).or_insert(now);
            ACCEPTED.to_owned()
        };
        buffer.drain(..head + length);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let length = reply.len();
        let reply = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\ncontent-length: {length}\r\n\r\n{reply}"
        );
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, wanted)
}

fn content_length(head: &[u8]) -> Option<usize> {
    // hyper writes names in lower case.
    let Some(at) = find(head, b"content-length:") else { return Some(0) };
    let value = &head[at + b"content-length:".len()..];
    let value = &value[..find(value, b"\r\n").unwrap_or(value.len())];
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// A running sink; it ends when this is dropped.
pub struct Sink {
    child: Child,
    base: String,
    client: reqwest::Client,
}

impl Sink {
    pub async fn start(delay_ms: u64) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["sink", "--delay-ms", &delay_ms.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut port = String::new();
        BufReader::new(child.stdout.take().context("the sink's output")?).read_line(&mut port).await?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { child, base: format!("http://127.0.0.1:{}", port.trim()), client })
    }

    /// Where it listens.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What arrived since the last call.
    pub async fn seen(&self) -> anyhow::Result<Seen> {
        self.ask("seen").await
    }

    /// The same with each alert's first arrival.
    pub async fn arrivals(&self) -> anyhow::Result<Seen> {
        self.ask("arrivals").await
    }

    async fn ask(&self, what: &str) -> anyhow::Result<Seen> {
        let text = self.client.get(format!("{}/{what}", self.base)).send().await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Its processor.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}
