//! The one builder of outgoing clients, and the one way a provider talks to the outside: a bounded POST.
//! No redirects, no proxy from the environment, timeouts on everything, answers read up to a limit, and for addresses
//! that users chose the guard of `http/guard.rs`. What an answer means is each provider's business.

mod failure;
mod guard;
mod one_connection;
mod retry_after;
mod tls;

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{ClientBuilder, redirect};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::Url;

use crate::domain::endpoint::{self, AllowedHosts, Trust};

pub use failure::Failure;
pub use one_connection::OneConnection;
pub use retry_after::{MAX_RETRY_AFTER, parse_retry_after};

/// As much of an answer as is read, unless somebody expects more. Every documented error body is below 2 KiB.
pub const MAX_BODY_BYTES: usize = 16 * 1024;

/// Requests in flight per client, which is per HTTP/2 connection: servers announce about 100 streams.
const STREAMS_PER_CONNECTION: usize = 100;

/// FCM ends connections after four idle minutes; a pooled one must not be older than that.
const POOL_IDLE: Duration = Duration::from_secs(180);

/// How outgoing clients are built.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// From the start of a request to the end of its answer.
    pub total_timeout: Duration,
    /// For the connection alone.
    pub connect_timeout: Duration,
    /// Further root certificates in PEM, beside the system's.
    pub extra_ca: Option<String>,
    /// Requests that may be in flight at once.
    pub max_in_flight: usize,
    /// Speak HTTP/2 without negotiating it, also over plain http.
    pub http2_prior_knowledge: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            total_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(5),
            extra_ca: None,
            max_in_flight: 256,
            http2_prior_knowledge: false,
        }
    }
}

/// A client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The extra certificates cannot be read.
    #[error("the extra root certificates are not PEM certificates")]
    ExtraCa,
    /// The TLS library has none of the protocol versions it should have.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// Anything else.
    #[error("no HTTP client can be built")]
    Build(#[source] reqwest::Error),
}

/// How a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// All of it was read.
    Whole,
    /// It was longer than is read and cut off.
    CutOff,
    /// The connection ended or the time was over before it was complete.
    Broken,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// What came of the body.
    pub end: BodyEnd,
    /// The body, or as much as was read of it.
    pub body: Vec<u8>,
    retry_after: Option<String>,
}

impl Reply {
    /// How long the answer asks us to wait, reckoned from `now` where it names a date.
    pub fn retry_after(&self, now: DateTime<Utc>) -> Option<chrono::TimeDelta> {
        parse_retry_after(self.retry_after.as_deref()?, now)
    }
}

/// Where a client may connect to.
#[derive(Debug)]
enum Reach {
    /// To URLs that the operator wrote into the settings.
    Anywhere,
    /// To URLs that users chose: the public internet, and what the operator listed.
    Guarded { allowed: AllowedHosts, listed: Lanes },
}

/// The way out.
#[derive(Debug)]
pub struct HttpClient {
    lanes: Lanes,
    reach: Reach,
}

impl HttpClient {
    /// For URLs that the operator chose: any address, http or https.
    pub fn for_settings(settings: &HttpSettings) -> Result<Self, HttpClientError> {
        let lanes = Lanes::build(settings, |builder| builder)?;
        Ok(Self { lanes, reach: Reach::Anywhere })
    }

    /// For URLs that users chose: https to public addresses only, except for the hosts that the operator listed.
    pub fn for_endpoints(settings: &HttpSettings, allowed: AllowedHosts) -> Result<Self, HttpClientError> {
        let lanes = Lanes::build(settings, |builder| builder.dns_resolver(guard::PublicOnly))?;
        // A pool of its own: a connection that was opened without the guard is never used for another endpoint.
        let listed = Lanes::build(settings, |builder| builder)?;
        Ok(Self { lanes, reach: Reach::Guarded { allowed, listed } })
    }

    /// Posts `body` and reads the answer, whatever its status.
    pub async fn post(&self, url: Url, headers: HeaderMap, body: Vec<u8>) -> Result<Reply, Failure> {
        self.turn(url).await?.post(headers, body).await
    }

    /// Waits until one more request may be in flight. What depends on the time is best computed after that.
    pub async fn turn(&self, url: Url) -> Result<Turn<'_>, Failure> {
        let lanes = match &self.reach {
            Reach::Anywhere => &self.lanes,
            // Addresses written as numbers never reach the resolver, so they are judged here.
            Reach::Guarded { allowed, listed } => match endpoint::admit(&url, allowed) {
                Ok(Trust::Public) => &self.lanes,
                Ok(Trust::Listed) => listed,
                Err(_) => return Err(Failure::NotAllowed),
            },
        };
        let lane = lanes.freest();
        let permit = lane.permits.acquire().await.map_err(|_closed| Failure::NotSent("shutting_down"))?;
        Ok(Turn { client: &lane.client, url, most: MAX_BODY_BYTES, _permit: permit })
    }
}

/// One request's turn on a connection.
#[derive(Debug)]
pub struct Turn<'a> {
    client: &'a reqwest::Client,
    url: Url,
    /// As much of the answer as is read.
    most: usize,
    _permit: SemaphorePermit<'a>,
}

impl Turn<'_> {
    /// Reads more of the answer than is usual: for those who are answered about many messages at once.
    #[must_use]
    pub fn reading(self, most: usize) -> Self {
        Self { most, ..self }
    }

    /// Posts `body` and reads the answer, whatever its status.
    pub async fn post(self, headers: HeaderMap, body: Vec<u8>) -> Result<Reply, Failure> {
        post(self.client, self.url, headers, body, self.most).await
    }
}

async fn post(
    client: &reqwest::Client,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
    most: usize,
) -> Result<Reply, Failure> {
    let request = client.post(url).headers(headers).body(body);
    let response = request.send().await.map_err(|error| Failure::from_error(&error))?;
    Ok(read(response, most).await)
}

async fn read(mut response: reqwest::Response, most: usize) -> Reply {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = Vec::new();
    let end = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => {
                let room = most - body.len();
                body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
                if chunk.len() > room {
                    break BodyEnd::CutOff;
                }
            }
            Ok(None) => break BodyEnd::Whole,
            Err(_) => break BodyEnd::Broken,
        }
    };
    Reply { status, end, body, retry_after }
}

/// What all clients have in common.
fn builder(settings: &HttpSettings, tls: rustls::ClientConfig) -> ClientBuilder {
    let builder = ClientBuilder::new()
        .user_agent(concat!("mendline/", env!("CARGO_PKG_VERSION")))
        .timeout(settings.total_timeout)
        .connect_timeout(settings.connect_timeout)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .pool_idle_timeout(POOL_IDLE)
        // Pings only while a request is waiting: FCM cuts connections that ping without one.
        .http2_keep_alive_interval(Duration::from_secs(60))
        .http2_keep_alive_while_idle(false)
        .tls_backend_preconfigured(tls);
    if settings.http2_prior_knowledge { builder.http2_prior_knowledge() } else { builder }
}

/// reqwest keeps one HTTP/2 connection per host and client, and a connection takes about a hundred requests at a time:
/// more in flight need more clients.
#[derive(Debug)]
struct Lanes(Vec<Lane>);

#[derive(Debug)]
struct Lane {
    client: reqwest::Client,
    permits: Semaphore,
}

impl Lanes {
    fn build(
        settings: &HttpSettings,
        finish: impl Fn(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, HttpClientError> {
        let tls = tls::client_config(settings.extra_ca.as_deref(), settings.http2_prior_knowledge)?;
        let lane = || {
            let client = finish(builder(settings, tls.clone())).build().map_err(HttpClientError::Build)?;
            Ok(Lane { client, permits: Semaphore::new(STREAMS_PER_CONNECTION) })
        };
        (0..settings.max_in_flight.div_ceil(STREAMS_PER_CONNECTION).max(1)).map(|_| lane()).collect()
    }

    fn freest(&self) -> &Lane {
        let freest = self.0.iter().max_by_key(|lane| lane.permits.available_permits());
        // `build` makes at least one.
        freest.unwrap_or(&self.0[0])
    }
}

impl FromIterator<Lane> for Lanes {
    fn from_iter<I: IntoIterator<Item = Lane>>(lanes: I) -> Self {
        Self(lanes.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_refused_at_connection_time() {
        let settings = HttpSettings::default();
        let lanes = Lanes::build(&settings, |builder| builder.dns_resolver(guard::PublicOnly)).unwrap();
        // Without the look at the URL, so that the resolver is the only wall left.
        let client = HttpClient { lanes, reach: Reach::Anywhere };
        let answer = client.post("http://localhost:9/".parse().unwrap(), HeaderMap::new(), Vec::new()).await;
        assert_eq!(answer.err(), Some(Failure::NotAllowed));
    }

    #[test]
    fn there_is_a_client_for_every_hundred_requests_in_flight() {
        for (max_in_flight, lanes) in [(0, 1), (1, 1), (100, 1), (256, 3)] {
            let settings = HttpSettings { max_in_flight, ..HttpSettings::default() };
            assert_eq!(Lanes::build(&settings, |builder| builder).unwrap().0.len(), lanes);
        }
    }
}
