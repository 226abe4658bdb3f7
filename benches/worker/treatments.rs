//! `treatments`: what registering a treatment costs over HTTP, with all its alerts, beside nothing but the INSERTs of the
//! same rows in one transaction.

use std::time::Instant;

use anyhow::{Context, ensure};
use diesel::prelude::*;
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mendline::app::{State, api_server};
use mendline::auth::extract::Caller;
use mendline::clock::Clock;
use mendline::domain::role::Role;
use mendline::schema::{clinics, patients};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use super::lab::{self, Lab};
use super::measure::{median, verdict};
use super::raw::Rows;
use super::seed;

/// The most that a request may cost, in times its bare INSERTs.
const TARGET: f64 = 2.5;
/// Treatments on each side before it counts.
const WARM_UP: usize = 20;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Treatments on each side.
    #[arg(long, default_value_t = 300)]
    treatments: usize,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let lab = Lab::open().await?;
    let url = lab.database("treatments").await?;
    let config = lab.config(&[("MENDLINE_HTTP_WORKERS", "1".to_owned())])?;
    let state = lab.state(&config, &url)?;
    let mut conn = lab::connect(&url).await?;
    let rounds = options.treatments + WARM_UP;
    seed::people(&mut conn, &state.keys, 2 * rounds + 1).await?;
    conn.batch_execute("VACUUM ANALYZE").await?;
    let clinic: Uuid = clinics::table.select(clinics::id).get_result(&mut conn).await?;
    let people: Vec<Uuid> = patients::table.select(patients::id).load(&mut conn).await?;
    let token = clinician(&url, &state, clinic).await?;

    let (server, address) = api_server(&config.http, &state)?;
    let handle = server.handle();
    #[expect(clippy::disallowed_methods, reason = "stopped below")]
    tokio::spawn(server);
    let app = App { client: reqwest::Client::builder().no_proxy().build()?, base: format!("http://{address}"), token };
    let bare = Bare::prepare(&url, app.register(people[0]).await?, people[0]).await?;

    let (mut requests, mut inserts) = (Vec::new(), Vec::new());
    for pair in people[1..].chunks_exact(2) {
        let started = Instant::now();
        app.register(pair[0]).await?;
        requests.push(started.elapsed().as_secs_f64() * 1e3);
        inserts.push(bare.insert(pair[1]).await?);
    }
    handle.stop(false).await;

    let of = |times: Vec<f64>| median(times.into_iter().skip(WARM_UP));
    let (request, insert) = (of(requests), of(inserts));
    println!("registering a treatment with {} alerts, median of {} each:", bare.alerts.count(), options.treatments);
    println!("  POST /v1/treatments: {request:.2} ms");
    println!("  bare INSERTs:        {insert:.2} ms");
    let ratio = request / insert;
    println!("ratio {ratio:.2} (target: at most {TARGET}): {}", verdict(ratio <= TARGET));
    Ok(())
}

/// A clinician of the clinic: the access token, as the server would issue it.
pub async fn clinician(url: &SecretString, state: &State, clinic: Uuid) -> anyhow::Result<String> {
    let [user, membership, session] = std::array::from_fn(|_| Uuid::new_v4());
    let sql = format!(
        "INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
             VALUES ('{user}', 'staff@example.org', '', 'Staff', 'UTC', 'en', now() - interval '1 hour', 1, now());
         INSERT INTO memberships (clinic_id, id, user_id, role, created_at)
             VALUES ('{clinic}', '{membership}', '{user}', 'clinician', now());
         INSERT INTO sessions (id, user_id, clinic_id, created_at, last_used_at, idle_expires_at, expires_at)
             VALUES ('{session}', '{user}', '{clinic}', now(), now(), now() + interval '1 day', now() + interval '1 day')"
    );
    lab::connect(url).await?.batch_execute(&sql).await?;
    let caller = Caller {
        user_id: user,
        clinic_id: clinic,
        membership_id: membership,
        role: Role::Clinician,
        patient_id: None,
        session_id: session,
    };
    state.auth.tokens.issue(&caller, state.clocks.wall.now())
}

/// The API as the clinician sees it.
struct App {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl App {
    /// Registers a treatment that ends now; returns its id.
    async fn register(&self, patient: Uuid) -> anyhow::Result<Uuid> {
        let body = json!({ "patient_id": patient, "performed_at": Clock::system().now() });
        let request = self.client.post(format!("{}/v1/treatments", self.base)).bearer_auth(&self.token).json(&body);
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.as_u16() == 201, "{status}: {text}");
        let answer: serde_json::Value = serde_json::from_str(&text)?;
        answer["id"].as_str().context("an id")?.parse().context("a treatment's id")
    }
}

/// The rows of one treatment, to be inserted again for others.
struct Bare {
    client: Client,
    treatment: Rows,
    alerts: Rows,
    audit: Rows,
    template: Uuid,
    patient: Uuid,
}

impl Bare {
    async fn prepare(url: &SecretString, template: Uuid, patient: Uuid) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url.expose_secret(), NoTls).await?;
        #[expect(clippy::disallowed_methods, reason = "it ends with the client")]
        tokio::spawn(connection);
        let treatment = Rows::read(&client, "treatments", "id", template).await?;
        let alerts = Rows::read(&client, "alerts", "treatment_id", template).await?;
        let audit = Rows::read(&client, "audit", "subject_id", template).await?;
        Ok(Self { client, treatment, alerts, audit, template, patient })
    }

    /// Inserts one treatment's rows for another patient; how long that took, in milliseconds.
    async fn insert(&self, patient: Uuid) -> anyhow::Result<f64> {
        let fresh = Uuid::new_v4();
        let rename = |column: &str, id: Uuid| match column {
            _ if id == self.template => fresh,
            _ if id == self.patient => patient,
            "id" => Uuid::new_v4(),
            _ => id,
        };
        let [treatment, alerts, audit] = [&self.treatment, &self.alerts, &self.audit].map(|rows| rows.under(rename));
        let started = Instant::now();
        self.client.batch_execute("BEGIN").await?;
        treatment.insert(&self.client).await?;
        alerts.insert(&self.client).await?;
        audit.insert(&self.client).await?;
        self.client.batch_execute("COMMIT").await?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    }
}
