//! The least that draining a queue can cost: the worker's own claim and settle statements with a bare POST between them.
//! No devices, no rendering, no decision, no attempts, no free slots to wait for; claims, sends and settles overlap.

use anyhow::Context;
use diesel_async::AsyncPgConnection;
use futures_util::StreamExt;
use mendline::alerts::queue::{self, Claim, Settlement};
use mendline::clock::Clock;
use mendline::domain::alert::Decision;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use secrecy::SecretString;
use tokio::sync::mpsc;

use super::lab;

/// Rows per statement.
const BATCH: usize = 500;
/// No worker has this number; nobody rescues while the loop runs.
const NUMBER: i32 = 1;

/// What to send and how many at once.
#[derive(Debug, Clone)]
pub struct Post {
    pub url: String,
    /// A message as long as the worker's, around the alert's id.
    pub body: (String, String),
    pub concurrency: usize,
}

/// Sends everything that is due; returns how many alerts were settled.
pub async fn drain(url: &SecretString, post: &Post) -> anyhow::Result<usize> {
    let (mut claimer, mut settler) = (lab::connect(url).await?, lab::connect(url).await?);
    let (claimed, claims) = mpsc::channel(BATCH);
    let (sent, settlements) = mpsc::channel(4 * BATCH);
    let post = post.clone();
    #[expect(clippy::disallowed_methods, reason = "all are awaited below")]
    let (claim, send, settle) = (
        tokio::spawn(async move { claim(&mut claimer, claimed).await }),
        tokio::spawn(async move { send(claims, &post, sent).await }),
        tokio::spawn(async move { settle(&mut settler, settlements).await }),
    );
    claim.await??;
    send.await??;
    settle.await?
}

async fn claim(conn: &mut AsyncPgConnection, claimed: mpsc::Sender<Claim>) -> anyhow::Result<()> {
    loop {
        let claims = queue::claim_due(conn, Clock::system().now(), BATCH, NUMBER, 60).await?.claims;
        if claims.is_empty() {
            return Ok(());
        }
        for claim in claims {
            claimed.send(claim).await.context("nobody sends")?;
        }
    }
}

async fn send(mut claims: mpsc::Receiver<Claim>, post: &Post, sent: mpsc::Sender<Claim>) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let claims = futures_util::stream::poll_fn(|context| claims.poll_recv(context));
    let mut sends = claims
        .map(|claim| {
            let (client, sent) = (&client, &sent);
            async move {
                let body = format!("{}{}{}", post.body.0, claim.id, post.body.1);
                let request = client.post(&post.url).header(AUTHORIZATION, "Bearer t");
                let request = request.header(CONTENT_TYPE, "application/json; charset=utf-8").body(body);
                request.send().await?.error_for_status()?.bytes().await?;
                sent.send(claim).await.context("nobody settles")
            }
        })
        .buffer_unordered(post.concurrency);
    while let Some(done) = sends.next().await {
        done?;
    }
    Ok(())
}

async fn settle(conn: &mut AsyncPgConnection, mut sent: mpsc::Receiver<Claim>) -> anyhow::Result<usize> {
    let (mut batch, mut settled) = (Vec::with_capacity(BATCH), 0);
    while sent.recv_many(&mut batch, BATCH).await > 0 {
        let at = Clock::system().now();
        let settlements: Vec<Settlement> = batch
            .drain(..)
            .map(|claim: Claim| Settlement {
                clinic_id: claim.clinic_id,
                alert_id: claim.id,
                claim_no: claim.claim_no,
                decision: Decision::Sent,
                at,
                reason: None,
            })
            .collect();
        settled += queue::settle(conn, &settlements, &[]).await?.len();
    }
    Ok(settled)
}
