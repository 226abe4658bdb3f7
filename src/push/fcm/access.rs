//! The bearer token: one for the whole process, renewed by one task at a time and before it is needed.
//!
//! While renewal fails the old token is used as long as it lives, and the token server is asked less and less often.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Deserialize;
use url::form_urlencoded;

use super::credentials::ServiceAccount;
use crate::clock::Clock;
use crate::domain::alert::{PushOutcome, Reason, Scope};
use crate::push::http::{BodyEnd, Failure, HttpClient, Reply};

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// A token is renewed when less than this is left of its hour.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(5);
/// Google's tokens live for an hour; where an answer does not say, that is assumed.
const USUAL_LIFETIME_SECONDS: i64 = 3600;
const FIRST_PAUSE_SECONDS: i64 = 10;
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(10);
/// A token that FCM refuses is replaced at most this often: if a fresh one is refused as well, tokens are not the matter.
const REPLACE_AT_MOST_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoToken {
    /// The token server does not know us.
    Refused { reason: Reason },
    /// The token server is down or busy, and is not asked again before that time is over.
    Unavailable { wait: TimeDelta, reason: Reason },
}

impl From<NoToken> for PushOutcome {
    fn from(failure: NoToken) -> Self {
        match failure {
            NoToken::Refused { reason } => Self::Unauthorized { scope: Scope::Provider, reason },
            // Nothing was sent, and nothing can be to anybody until there is a token: all of FCM waits, and no alert
            // loses one of its tries.
            NoToken::Unavailable { wait, reason } => {
                Self::Throttled { scope: Scope::Provider, retry_after: Some(wait), reason }
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Token {
    header: HeaderValue,
    renew_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Token>,
    /// The last failure, until the moment from which it is worth trying again.
    failure: Option<(NoToken, DateTime<Utc>)>,
    failures_in_a_row: u32,
    replaced_at: Option<DateTime<Utc>>,
}

/// See the module's words.
#[derive(Debug)]
pub(super) struct Access {
    account: ServiceAccount,
    http: Arc<HttpClient>,
    wall: Clock,
    held: Mutex<Held>,
    renewing: tokio::sync::Mutex<()>,
}

impl Access {
    pub(super) fn new(account: ServiceAccount, http: Arc<HttpClient>, wall: Clock) -> Self {
        Self { account, http, wall, held: Mutex::default(), renewing: tokio::sync::Mutex::default() }
    }

    /// A token's `Authorization` header.
    pub(super) async fn token(&self) -> Result<HeaderValue, NoToken> {
        let now = self.wall.now();
        let usable = self.held().token.clone().filter(|token| token.expires_at > now);
        match usable {
            Some(token) if token.renew_at > now => Ok(token.header),
            // Whoever comes first renews it; the others need not wait for that.
            Some(token) => match self.renewing.try_lock() {
                Ok(_renewing) => Ok(self.renew().await.unwrap_or(token.header)),
                Err(_) => Ok(token.header),
            },
            None => {
                let _renewing = self.renewing.lock().await;
                let meanwhile = self.held().token.clone().filter(|token| token.renew_at > self.wall.now());
                match meanwhile {
                    Some(token) => Ok(token.header),
                    None => self.renew().await,
                }
            }
        }
    }

    /// Another token in place of one that FCM refused. `None`: it was replaced only just now, and that did not help.
    pub(super) async fn replace(&self, refused: &HeaderValue) -> Result<Option<HeaderValue>, NoToken> {
        let _renewing = self.renewing.lock().await;
        let now = self.wall.now();
        {
            let mut held = self.held();
            if let Some(token) = held.token.as_ref().filter(|token| token.header != *refused) {
                return Ok(Some(token.header.clone()));
            }
            if held.replaced_at.is_some_and(|at| now < at + REPLACE_AT_MOST_EVERY) {
                return Ok(None);
            }
            held.token = None;
            held.replaced_at = Some(now);
        }
        self.renew().await.map(Some)
    }

    /// Asks the token server, unless it failed only just now. The caller holds `renewing`.
    async fn renew(&self) -> Result<HeaderValue, NoToken> {
        let now = self.wall.now();
        if let Some((failure, until)) = self.held().failure.clone().filter(|(_, until)| *until > now) {
            return Err(failure.waiting(until - now));
        }
        let asked = self.ask().await;
        let now = self.wall.now();
        let mut held = self.held();
        match asked {
            Ok(token) => {
                *held = Held { token: Some(token.clone()), replaced_at: held.replaced_at, ..Held::default() };
                Ok(token.header)
            }
            Err((failure, retry_after)) => {
                let doubled = FIRST_PAUSE_SECONDS << held.failures_in_a_row.min(10);
                let pause = TimeDelta::seconds(doubled).min(LONGEST_PAUSE).max(retry_after.unwrap_or_default());
                held.failures_in_a_row += 1;
                held.failure = Some((failure.clone(), now + pause));
                Err(failure.waiting(pause))
            }
        }
    }

    async fn ask(&self) -> Result<Token, (NoToken, Option<TimeDelta>)> {
        let now = self.wall.now();
        let assertion =
            self.account.assertion(now).map_err(|_secret| (NoToken::Refused { reason: "oauth_key".into() }, None))?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", GRANT_TYPE)
            .append_pair("assertion", &assertion)
            .finish();
        let headers =
            HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))]);
        match self.http.post(self.account.token_uri().clone(), headers, form.into_bytes()).await {
            Ok(reply) => read(&reply, now),
            Err(Failure::NotAllowed) => Err((NoToken::Refused { reason: "oauth_uri".into() }, None)),
            Err(failure) => Err((NoToken::unavailable(format!("oauth_{}", failure.reason())), None)),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoToken {
    fn unavailable(reason: impl Into<Reason>) -> Self {
        Self::Unavailable { wait: TimeDelta::zero(), reason: reason.into() }
    }

    fn waiting(self, wait: TimeDelta) -> Self {
        match self {
            Self::Refused { .. } => self,
            Self::Unavailable { reason, .. } => Self::Unavailable { wait, reason },
        }
    }
}

fn read(reply: &Reply, now: DateTime<Utc>) -> Result<Token, (NoToken, Option<TimeDelta>)> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
        expires_in: Option<i64>,
    }
    #[derive(Deserialize)]
    struct Denied {
        error: String,
    }
    match reply.status {
        200..=299 if reply.end == BodyEnd::Whole => {
            let unreadable = || (NoToken::unavailable("oauth_unreadable_answer"), None);
            let granted: Granted = serde_json::from_slice(&reply.body).map_err(|_secret| unreadable())?;
            let mut header =
                HeaderValue::from_str(&format!("Bearer {}", granted.access_token)).map_err(|_secret| unreadable())?;
            header.set_sensitive(true);
            let lifetime = TimeDelta::seconds(granted.expires_in.unwrap_or(USUAL_LIFETIME_SECONDS).clamp(1, 86_400));
            let expires_at = now + lifetime;
            Ok(Token { header, renew_at: expires_at - RENEW_BEFORE.min(lifetime / 2), expires_at })
        }
        400..=499 if !matches!(reply.status, 408 | 429) => {
            // RFC 6749, section 5.2: one word. Anything else is not repeated.
            let word = serde_json::from_slice(&reply.body).ok().map(|denied: Denied| denied.error);
            let word =
                word.filter(|word| word.len() <= 40 && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            let reason = word.map_or_else(|| format!("oauth_http_{}", reply.status), |word| format!("oauth_{word}"));
            Err((NoToken::Refused { reason: reason.into() }, reply.retry_after(now)))
        }
        status => Err((NoToken::unavailable(format!("oauth_http_{status}")), reply.retry_after(now))),
    }
}
