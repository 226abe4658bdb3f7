//! The least that draining a queue can cost on this machine, whoever does it: a lean table of its own (an id, a moment, a
//! number; one partial index), prepared statements on two connections, and bare POSTs by hyper. No devices, no rendering,
//! no decision, no attempts, no fence, no lease. Claims, sends and settles overlap.
//!
//! It shares nothing with the worker but Postgres and the sink, so that the worker cannot look better by making it worse.

use std::sync::Arc;

use anyhow::{Context, ensure};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Request, Uri};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, mpsc};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::raw::Id;

/// Rows per statement.
const BATCH: usize = 500;
/// Ids that a sending task takes at a time.
const HANDFUL: usize = 50;
/// Tasks that send.
const SENDERS: usize = 4;

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS ideal (id uuid PRIMARY KEY, due_at timestamptz NOT NULL, state smallint NOT NULL);
    CREATE INDEX IF NOT EXISTS ideal_due ON ideal (due_at, id) WHERE state = 0";
const CLAIM: &str = "
    UPDATE ideal SET state = 1 WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ideal WHERE state = 0 AND due_at <= now() ORDER BY due_at, id LIMIT $1 FOR UPDATE SKIP LOCKED))
    RETURNING id";
const SETTLE: &str = "UPDATE ideal SET state = 2 WHERE id = ANY ($1) AND state = 1";

/// What to send and how many at once.
#[derive(Debug, Clone)]
pub struct Post {
    pub url: String,
    /// A message as long as the worker's, around the alert's id.
    pub body: (String, String),
    pub concurrency: usize,
}

/// Fills the lean table as the worker's is filled.
pub async fn seed(url: &SecretString, due: usize, future: usize) -> anyhow::Result<()> {
    let fill = format!(
        "{TABLE}; TRUNCATE ideal;
         INSERT INTO ideal SELECT gen_random_uuid(), CASE WHEN n <= {due} THEN now()
             ELSE now() + interval '1 hour' + (n - {due}) * (interval '42 days' / greatest({future}, 1)) END, 0
           FROM generate_series(1, {due} + {future}) AS n"
    );
    let client = connect(url).await?;
    client.batch_execute(&fill).await?;
    client.batch_execute("VACUUM ANALYZE ideal").await?;
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

/// Sends everything that is due; returns how many alerts were settled.
pub async fn drain(url: &SecretString, post: &Post) -> anyhow::Result<usize> {
    let (claimer, settler) = (connect(url).await?, connect(url).await?);
    let (claimed, claims) = mpsc::channel(2 * BATCH / HANDFUL);
    let (sent, settlements) = mpsc::channel(4 * BATCH);
    let (claims, post) = (Arc::new(Mutex::new(claims)), Arc::new(post.clone()));
    let http = HttpClient::builder(TokioExecutor::new()).build_http();
    #[expect(clippy::disallowed_methods, reason = "all are awaited below")]
    let (claim, settle) = (tokio::spawn(claim(claimer, claimed)), tokio::spawn(settle(settler, settlements)));
    let sends: Vec<_> = (0..SENDERS)
        .map(|_| {
            let work = send(Arc::clone(&claims), http.clone(), Arc::clone(&post), sent.clone());
            #[expect(clippy::disallowed_methods, reason = "all are awaited below")]
            tokio::spawn(work)
        })
        .collect();
    drop(sent);
    claim.await??;
    for send in sends {
        send.await??;
    }
    settle.await?
}

async fn connect(url: &SecretString) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await?;
    #[expect(clippy::disallowed_methods, reason = "it ends with its client")]
    tokio::spawn(connection);
    client.batch_execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off").await?;
    Ok(client)
}

async fn claim(client: Client, claimed: mpsc::Sender<Vec<Uuid>>) -> anyhow::Result<()> {
    let statement = client.prepare(CLAIM).await?;
    loop {
        let rows = client.query(&statement, &[&i64::try_from(BATCH)?]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for handful in rows.chunks(HANDFUL) {
            let ids = handful.iter().map(|row| row.try_get::<_, Id>(0).map(|id| id.0));
            claimed.send(ids.collect::<Result<_, _>>()?).await.context("nobody sends")?;
        }
    }
}

async fn send(
    claims: Arc<Mutex<mpsc::Receiver<Vec<Uuid>>>>,
    http: HttpClient<HttpConnector, String>,
    post: Arc<Post>,
    sent: mpsc::Sender<Uuid>,
) -> anyhow::Result<()> {
    let uri: Uri = post.url.parse()?;
    let claims = stream::unfold(claims, async |claims| {
        let handful = claims.lock().await.recv().await?;
        Some((stream::iter(handful), claims))
    });
    let sends = claims.flatten().map(|id| {
        let (http, post, sent, uri) = (&http, &post, &sent, uri.clone());
        async move {
            let request = Request::post(uri)
                .header(AUTHORIZATION, "Bearer t")
                .header(CONTENT_TYPE, "application/json; charset=utf-8")
                .body(format!("{}{id}{}", post.body.0, post.body.1))?;
            let response = http.request(request).await?;
            ensure!(response.status() == 200, "the sink answered {}", response.status());
            response.into_body().collect().await?;
            sent.send(id).await.context("nobody settles")
        }
    });
    let mut sends = std::pin::pin!(sends.buffer_unordered(post.concurrency.div_ceil(SENDERS)));
    while let Some(done) = sends.next().await {
        done?;
    }
    Ok(())
}

async fn settle(client: Client, mut sent: mpsc::Receiver<Uuid>) -> anyhow::Result<usize> {
    let statement = client.prepare(SETTLE).await?;
    let (mut batch, mut settled) = (Vec::with_capacity(BATCH), 0);
    while sent.recv_many(&mut batch, BATCH).await > 0 {
        let ids: Vec<Id> = batch.drain(..).map(Id).collect();
        settled += client.execute(&statement, &[&ids]).await?;
    }
    Ok(usize::try_from(settled)?)
}
