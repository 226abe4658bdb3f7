//! `worklist`: a page of the list of a clinic with thousands of running treatments, sorted by compliance, over HTTP with one
//! server thread. The rows are those that a running clinic has: everybody treated in the last three weeks, with a phone, some
//! of what was asked done, some excused.

use std::time::Instant;

use anyhow::ensure;
use diesel::prelude::*;
use diesel::sql_types::{Int8, Nullable};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use mendline::app::api_server;
use mendline::schema::clinics;
use uuid::Uuid;

use super::costs::count_statements;
use super::lab::{self, Lab};
use super::measure::{family_cpu, own_cpu, percentile, verdict};
use super::seed;
use super::treatments::clinician;

/// The most that a page may take at the 95th percentile, in milliseconds, on one core.
const TARGET_MS: f64 = 150.0;
/// The most statements that a page may ask, without those that begin and end its transaction.
const QUERIES: i64 = 3;
/// Pages before it counts.
const WARM_UP: usize = 5;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Running treatments, one for each patient.
    #[arg(long, default_value_t = 10_000)]
    treatments: usize,
    /// Pages that are asked for.
    #[arg(long, default_value_t = 100)]
    pages: usize,
}

#[derive(diesel::QueryableByName)]
struct Calls {
    #[diesel(sql_type = Nullable<Int8>)]
    calls: Option<i64>,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let lab = Lab::open().await?;
    let url = lab.database("worklist").await?;
    let config = lab.config(&[("MENDLINE_HTTP_WORKERS", "1".to_owned())])?;
    let state = lab.state(&config, &url)?;
    let mut conn = lab::connect(&url).await?;
    seed::people(&mut conn, &state.keys, options.treatments).await?;
    conn.batch_execute(TREATMENTS).await?;
    conn.batch_execute("VACUUM ANALYZE").await?;
    count_statements(&mut conn).await;
    let clinic: Uuid = clinics::table.select(clinics::id).get_result(&mut conn).await?;
    let token = clinician(&url, &state, clinic).await?;

    let (server, address) = api_server(&config.http, &state)?;
    let handle = server.handle();
    #[expect(clippy::disallowed_methods, reason = "stopped below")]
    tokio::spawn(server);
    // As served: without its feeds each request would ask whether the token still stands.
    #[expect(clippy::disallowed_methods, reason = "aborted below")]
    let background = tokio::spawn(state.clone().background());
    let client = reqwest::Client::builder().no_proxy().build()?;
    let ask = async || {
        let page = format!("http://{address}/v1/patients?sort=compliance&limit=50");
        let started = Instant::now();
        let response = client.get(page).bearer_auth(&token).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.as_u16() == 200, "{status}: {text}");
        let lines = serde_json::from_str::<serde_json::Value>(&text)?["items"].as_array().map_or(0, Vec::len);
        ensure!(lines == 50.min(options.treatments), "{lines} lines");
        Ok::<_, anyhow::Error>(started.elapsed().as_secs_f64() * 1e3)
    };
    for _ in 0..WARM_UP {
        ask().await?;
    }
    conn.batch_execute("SELECT pg_stat_statements_reset()").await.ok();
    let postmaster = lab.postmaster();
    let cpu = || own_cpu() + postmaster.and_then(family_cpu).unwrap_or_default();
    let (before, mut times) = (cpu(), Vec::with_capacity(options.pages));
    for _ in 0..options.pages {
        times.push(ask().await?);
    }
    let spent = cpu().saturating_sub(before).as_secs_f64() * 1e3 / options.pages as f64;
    let calls = "SELECT sum(calls)::bigint AS calls FROM pg_stat_statements
                  WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND query ~* '^\\s*(select|with)' AND query !~ 'pg_stat' AND query !~ '^SELECT \\$1$'";
    let calls: Option<Calls> = diesel::sql_query(calls).get_result(&mut conn).await.ok();
    handle.stop(false).await;
    background.abort();

    times.sort_by(f64::total_cmp);
    let (p50, p95) = (percentile(&times, 0.5), percentile(&times, 0.95));
    println!("a page of {} running treatments sorted by compliance, {} pages:", options.treatments, options.pages);
    println!("  p50 {p50:.1} ms, p95 {p95:.1} ms (target: at most {TARGET_MS} ms): {}", verdict(p95 <= TARGET_MS));
    println!("  processor time of server, Postgres and client: {spent:.1} ms a page");
    match calls.and_then(|row| row.calls) {
        Some(calls) => {
            let each = (calls as f64 / options.pages as f64).round() as i64;
            println!("  {each} queries a page (target: at most {QUERIES}): {}", verdict(each <= QUERIES));
        }
        None => println!("  queries: this Postgres does not count them"),
    }
    Ok(())
}

/// Everybody was treated at some hour of the last three weeks; of eight in ten something was heard. One in fifty has days
/// that are excused, one in a hundred has travelled.
const TREATMENTS: &str = "
    INSERT INTO treatments (clinic_id, id, patient_id, status, performed_at, anchor_on, counts_from, protocol_version_id, area,
         modality, products, version, plan_revision, activity, done_w, on_time_w, early_until, early_w, created_by, created_at)
    SELECT p.clinic_id, gen_random_uuid(), p.id, 'active', t.at, (t.at AT TIME ZONE 'UTC')::date, t.at, v.id, 'face',
           'microneedling', '{}', 1, 1, CASE WHEN n % 10 < 8 THEN 9 ELSE 0 END,
           CASE WHEN n % 10 < 8 THEN n % 23 ELSE 0 END, CASE WHEN n % 10 < 8 THEN n % 13 ELSE 0 END, '{}', '{}', p.user_id, t.at
      FROM (SELECT p.*, row_number() OVER (ORDER BY p.id) AS n FROM patients AS p) AS p
     CROSS JOIN LATERAL (SELECT now() - (n * 7919 % 500) * interval '1 hour' AS at) AS t
     CROSS JOIN (SELECT id FROM protocol_versions WHERE key = 'conservative' ORDER BY version DESC LIMIT 1) AS v;
    INSERT INTO excuses (clinic_id, id, treatment_id, from_on, to_on, reason, excused_by, excused_at)
    SELECT t.clinic_id, gen_random_uuid(), t.id, t.anchor_on + 2, t.anchor_on + 4, 'Travelling.', t.created_by, now()
      FROM (SELECT t.*, row_number() OVER (ORDER BY t.id) AS n FROM treatments AS t) AS t WHERE n % 50 = 0;
    INSERT INTO patient_zones (clinic_id, patient_id, valid_from, zone)
    SELECT clinic_id, id, linked_at - interval '30 days', 'America/New_York'
      FROM (SELECT p.*, row_number() OVER (ORDER BY p.id) AS n FROM patients AS p) AS p WHERE n % 100 = 0";
