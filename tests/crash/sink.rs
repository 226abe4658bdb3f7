//! A push service on loopback, as unreliable as the seed says: it grants tokens, takes messages, stalls, fails, hangs up,
//! and writes down every message it ever saw. Each process sends to a path of its own, so that it knows who sent.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::dice::Dice;
use crate::micros_now;

/// What it did with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Accepted,
    /// Taken, but so late that the sender had given up.
    TooLate,
    /// 503, or 429 for this device.
    Refused,
    /// The address is dead.
    Unregistered,
    /// Hung up without a word: nobody knows whether it was delivered.
    HungUp,
}

/// One message.
#[derive(Debug, Clone)]
pub struct Push {
    /// The process's name.
    pub who: String,
    pub alert: Uuid,
    /// The address is made of the device's id.
    pub device: Uuid,
    pub tag: String,
    pub ttl: i64,
    /// When it was there, in microseconds of the machine's time.
    pub at: i64,
    pub answered_at: i64,
    pub answer: Answer,
}

#[derive(Default)]
struct Seen {
    pushes: Vec<Push>,
    tries: HashMap<(Uuid, Uuid), u64>,
}

pub struct Sink {
    pub base: String,
    seen: Arc<Mutex<Seen>>,
    well: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Sink {
    pub async fn open(seed: u64, flawless: bool) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let base = format!("http://{}", listener.local_addr()?);
        let (seen, well) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(flawless)));
        let shared = (Arc::clone(&seen), Arc::clone(&well));
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, seed, Arc::clone(&shared.0), Arc::clone(&shared.1)));
            }
        });
        Ok(Self { base, seen, well, serving })
    }

    /// From now on it takes everything at once.
    pub fn heal(&self) {
        self.well.store(true, Ordering::SeqCst);
    }

    pub fn pushes(&self) -> Vec<Push> {
        self.seen.lock().unwrap().pushes.clone()
    }
}

async fn serve(mut stream: TcpStream, seed: u64, seen: Arc<Mutex<Seen>>, well: Arc<AtomicBool>) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            anyhow::ensure!(stream.read_buf(&mut buffer).await? > 0, "gone");
        };
        let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
        let length =
            text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0").parse::<usize>()?;
        while buffer.len() < head + length {
            anyhow::ensure!(stream.read_buf(&mut buffer).await? > 0, "gone");
        }
        let body: Vec<u8> = buffer.drain(..head + length).skip(head).collect();
        let path = text.split(' ').nth(1).context("a path")?;
        if path == "/token" {
            reply(&mut stream, "200 OK", &json!({"access_token": "t", "expires_in": 360_000})).await?;
            continue;
        }
        let who = path.split('/').nth(1).context("a sender")?.to_owned();
        let (index, wait) = take(&who, &body, seed, &seen, well.load(Ordering::SeqCst))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let answer = seen.lock().unwrap().pushes[index].answer;
        seen.lock().unwrap().pushes[index].answered_at = micros_now();
        let (status, body) = match answer {
            Answer::Accepted | Answer::TooLate => ("200 OK", json!({"name": "projects/p/messages/1"})),
            Answer::Refused => ("503 Service Unavailable", fault("UNAVAILABLE")),
            Answer::Unregistered => ("404 Not Found", fault("UNREGISTERED")),
            Answer::HungUp => return Ok(()),
        };
        reply(&mut stream, status, &body).await?;
    }
}

/// Writes a message down; what to do with it depends on seed, alert, device and try, not on the order of arrival.
fn take(who: &str, body: &[u8], seed: u64, seen: &Mutex<Seen>, well: bool) -> anyhow::Result<(usize, Duration)> {
    let message: Value = serde_json::from_slice(body)?;
    let message = &message["message"];
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a field");
    let alert: Uuid = text(&message["data"]["alert_id"])?.parse()?;
    let device: Uuid = text(&message["token"])?.trim_start_matches("token-").parse()?;
    let ttl = text(&message["android"]["ttl"])?.trim_end_matches('s').parse()?;
    let mut seen = seen.lock().unwrap();
    let tries = seen.tries.entry((alert, device)).or_default();
    *tries += 1;
    let (high, low) = alert.as_u64_pair();
    let mut dice = Dice::new(seed ^ high ^ low.rotate_left(17) ^ device.as_u64_pair().1 ^ (*tries << 40));
    let (answer, wait_ms) = match dice.between(1, 1000) {
        _ if well => (Answer::Accepted, 0),
        1..=8 => (Answer::TooLate, 2500),
        9..=60 => (Answer::Refused, dice.between(0, 30)),
        61..=75 => (Answer::Unregistered, dice.between(0, 30)),
        76..=120 => (Answer::HungUp, dice.between(0, 30)),
        121..=220 => (Answer::Accepted, dice.between(50, 500)),
        _ => (Answer::Accepted, dice.between(0, 30)),
    };
    let at = micros_now();
    let tag = text(&message["android"]["notification"]["tag"])?;
    seen.pushes.push(Push { who: who.to_owned(), alert, device, tag, ttl, at, answered_at: 0, answer });
    Ok((seen.pushes.len() - 1, Duration::from_millis(wait_ms.unsigned_abs())))
}

fn fault(code: &str) -> Value {
    let detail = json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code});
    json!({"error": {"status": code, "details": [detail]}})
}

async fn reply(stream: &mut TcpStream, status: &str, body: &Value) -> anyhow::Result<()> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    Ok(stream.write_all(format!("{head}{body}").as_bytes()).await?)
}
