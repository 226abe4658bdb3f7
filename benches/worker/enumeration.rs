//! `enumeration`: whether a stranger can tell from the answer to a login, or from how long it takes, that an address has a
//! login here. Wrong passwords for addresses that are known and for some that nobody has, in turn, one at a time.

use std::time::Instant;

use anyhow::ensure;
use diesel_async::SimpleAsyncConnection;
use mendline::app::api_server;
use serde_json::{Value, json};

use super::lab::{self, Lab};
use super::measure::{percentile, verdict};

/// How far the share of pairs in which the known address took longer may be from a half. Whoever tries once guesses right
/// hardly more often than a coin; a hundred tries cost a wait each ([`mendline::auth`]).
const TARGET: f64 = 0.05;
/// Logins of each kind before it counts.
const WARM_UP: usize = 10;

#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Logins of each kind.
    #[arg(long, default_value_t = 300)]
    tries: usize,
}

pub async fn run(options: Options) -> anyhow::Result<()> {
    let lab = Lab::open().await?;
    let url = lab.database("enumeration").await?;
    let settings =
        [("MENDLINE_HTTP_WORKERS", "1".to_owned()), ("MENDLINE_TRUSTED_PROXIES", "127.0.0.1,::1".to_owned())];
    let config = lab.config(&settings)?;
    let state = lab.state(&config, &url)?;
    let hash = state.auth.passwords.hash("four plain words together").await?;
    let count = WARM_UP + options.tries;
    lab::connect(&url)
        .await?
        .batch_execute(&format!(
            "INSERT INTO users (id, email, password_hash, display_name, time_zone, locale, tokens_valid_after, version, created_at)
             SELECT gen_random_uuid(), 'known' || n || '@example.org', '{hash}', 'Somebody', 'UTC', 'en', now(), 1, now()
               FROM generate_series(1, {count}) AS n;
             ANALYZE users"
        ))
        .await?;
    let (server, address) = api_server(&config.http, &state)?;
    let handle = server.handle();
    #[expect(clippy::disallowed_methods, reason = "stopped below")]
    tokio::spawn(server);
    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut asked = 0u32;
    let mut log_in = async |email: String| {
        // Each from an address of its own: what is measured is the work, not the wait.
        asked += 1;
        let from = std::net::Ipv4Addr::from_bits(0x0a00_0000 + asked);
        let body = json!({ "email": email, "password": "four other words together" });
        let request = client.post(format!("http://{address}/v1/auth/login")).json(&body);
        let started = Instant::now();
        let response = request.header("x-forwarded-for", from.to_string()).send().await?;
        let (status, text) = (response.status().as_u16(), response.text().await?);
        let took = started.elapsed().as_secs_f64() * 1e3;
        let mut answer: Value = serde_json::from_str(&text)?;
        ensure!(status == 401, "{status}: {text}");
        answer.as_object_mut().map(|answer| answer.remove("instance"));
        Ok::<_, anyhow::Error>((took, answer))
    };
    let (mut known, mut unknown) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for number in 1..=count {
        let emails = [format!("known{number}@example.org"), format!("other{number}@example.org")];
        // Now the one first, now the other.
        let (one, other) = if number % 2 == 0 {
            let [one, other] = emails;
            let one = log_in(one).await?;
            (one, log_in(other).await?)
        } else {
            let [one, other] = emails;
            let other = log_in(other).await?;
            (log_in(one).await?, other)
        };
        ensure!(one.1 == other.1, "the answers differ: {} and {}", one.1, other.1);
        known.push(one.0);
        unknown.push(other.0);
    }
    handle.stop(false).await;

    let (mut known, mut unknown) = (known.split_off(WARM_UP), unknown.split_off(WARM_UP));
    known.sort_by(f64::total_cmp);
    unknown.sort_by(f64::total_cmp);
    println!("wrong passwords, {} of each kind, the same answer to all:", options.tries);
    let shown = |times: &[f64]| (percentile(times, 0.5), percentile(times, 0.95));
    let (of_known, of_unknown) = (shown(&known), shown(&unknown));
    for (kind, (p50, p95)) in [("known address:  ", of_known), ("unknown address:", of_unknown)] {
        println!("  {kind} p50 {p50:.2} ms, p95 {p95:.2} ms");
    }
    println!("  difference:      p50 {:+.2} ms, p95 {:+.2} ms", of_known.0 - of_unknown.0, of_known.1 - of_unknown.1);
    let share = longer(&known, &unknown);
    let met = (share - 0.5).abs() <= TARGET;
    println!(
        "of all pairs the known one took longer in {:.1} % (target: 50 ± {:.0}): {}",
        share * 100.0,
        TARGET * 100.0,
        verdict(met)
    );
    Ok(())
}

/// The share of pairs of which the first is larger. Both are sorted; what is equal counts half.
fn longer(first: &[f64], second: &[f64]) -> f64 {
    let wins: f64 = first
        .iter()
        .map(|value| {
            let (less, at_most) =
                (second.partition_point(|other| other < value), second.partition_point(|other| other <= value));
            (less + at_most) as f64 / 2.0
        })
        .sum();
    wins / (first.len() * second.len()) as f64
}
