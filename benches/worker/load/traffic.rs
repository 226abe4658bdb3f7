//! What callers ask, and how their requests arrive: one after the other from a few, or at moments of their own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use mendline::clock::Clock;
use serde_json::json;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::report::{Outcome, Phase};
use super::since;

/// What everybody's password is.
pub const PASSWORD: &str = "four plain words together";
/// Callers who wait for each answer before they ask again.
const IMPATIENT: usize = 8;
/// Requests that wait for their answers at most: what a machine has sockets for. Those beyond are not sent, and told of.
const IN_FLIGHT: usize = 8_000;
/// A caller who has waited for so long goes away.
const GIVES_UP: Duration = Duration::from_secs(15);

/// Those who ask. Cheap to clone.
#[derive(Clone)]
pub struct Traffic(Arc<Inner>);

struct Inner {
    client: reqwest::Client,
    base: String,
    token: String,
    people: Vec<Uuid>,
    asked: AtomicU32,
    in_flight: AtomicUsize,
}

impl Traffic {
    pub fn new(address: SocketAddr, token: String, people: Vec<Uuid>) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(GIVES_UP).build()?;
        let (asked, in_flight) = (AtomicU32::new(0), AtomicUsize::new(0));
        Ok(Self(Arc::new(Inner { client, base: format!("http://{address}"), token, people, asked, in_flight })))
    }

    /// Returns once the server answers that it is ready.
    pub async fn until_ready(&self, patience: Duration) -> anyhow::Result<()> {
        let ready = async {
            let path = format!("{}/readyz", self.0.base);
            while !self.0.client.get(&path).send().await.is_ok_and(|answer| answer.status().is_success()) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(patience, ready).await.context("the server does not start")
    }

    /// What a few callers get through in a second who ask again as soon as they are answered.
    pub async fn closed(&self, length: Duration) -> anyhow::Result<f64> {
        let started = Instant::now();
        let callers = (0..IMPATIENT).map(|_| async {
            let mut served = 0_u32;
            while started.elapsed() < length {
                served += u32::from(self.ask().await.0 == Outcome::Accepted);
            }
            served
        });
        let served: u32 = futures_util::future::join_all(callers).await.into_iter().sum();
        anyhow::ensure!(served > 0, "no request was accepted");
        Ok(f64::from(served) / started.elapsed().as_secs_f64())
    }

    /// Requests at even distances for some time, and all of their answers.
    pub async fn open(&self, rate: f64, length: Duration, memory: impl Fn() -> Option<u64>) -> Phase {
        let (sender, mut answers) = mpsc::unbounded_channel();
        let started = Instant::now();
        let mut phase = Phase::default();
        let (mut due, mut second) = (0_u64, 1);
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        while started.elapsed() < length {
            ticks.tick().await;
            let owed = (started.elapsed().as_secs_f64() * rate) as u64;
            while due < owed {
                due += 1;
                if self.0.in_flight.fetch_add(1, Ordering::Relaxed) >= IN_FLIGHT {
                    self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
                    phase.note(Outcome::NotSent, 0.0);
                    continue;
                }
                let (this, sender) = (self.clone(), sender.clone());
                #[expect(
                    clippy::disallowed_methods,
                    reason = "each ends by its answer or by giving up; all are awaited"
                )]
                tokio::spawn(async move {
                    let answer = this.ask().await;
                    this.0.in_flight.fetch_sub(1, Ordering::Relaxed);
                    sender.send(answer).ok();
                });
            }
            while let Ok((outcome, took)) = answers.try_recv() {
                phase.note(outcome, took);
            }
            if started.elapsed().as_secs() >= second {
                second += 1;
                println!("  {}", phase.second(memory()));
            }
        }
        drop(sender);
        while let Some((outcome, took)) = answers.recv().await {
            phase.note(outcome, took);
        }
        println!("  {}", phase.second(memory()));
        phase
    }

    /// One request: what came of it, and after how many milliseconds.
    async fn ask(&self) -> (Outcome, f64) {
        let Inner { client, base, token, people, asked, .. } = &*self.0;
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let person = number as usize % people.len();
        let request = match number % 10 {
            0..3 => client.get(format!("{base}/v1/patients?limit=20")).bearer_auth(token),
            3..6 => client.get(format!("{base}/v1/patients/{}", people[person])).bearer_auth(token),
            6..9 => {
                // There may be one from the round before.
                let body = json!({
                    "patient_id": people[person], "performed_at": Clock::system().now(), "allow_duplicate": true,
                });
                client.post(format!("{base}/v1/treatments")).bearer_auth(token).json(&body)
            }
            _ => {
                let body = json!({ "email": format!("{}@example.org", person + 1), "password": PASSWORD });
                // Each from an address of its own: they are many people.
                let from = Ipv4Addr::from_bits(0x0a00_0000 + number);
                client.post(format!("{base}/v1/auth/login")).header("x-forwarded-for", from.to_string()).json(&body)
            }
        };
        let started = Instant::now();
        let outcome = match request.send().await {
            Err(_) => Outcome::NoAnswer,
            Ok(answer) => {
                let status = answer.status().as_u16();
                match (status, answer.bytes().await) {
                    (_, Err(_)) => Outcome::NoAnswer,
                    (200..300, _) => Outcome::Accepted,
                    (429, _) => Outcome::TooMany,
                    (503, _) => Outcome::Unavailable,
                    (_, Ok(_)) => Outcome::Failed(status),
                }
            }
        };
        (outcome, since(started))
    }
}
