//! Apple Push Notification service: one HTTP/2 connection per environment, a signed token that all requests share, and a
//! table of reasons in which most refusals are ours and few are the phone's.

mod body;
mod classify;
mod link;
mod settings;
mod token;
mod verdict;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{BoxFuture, FutureExt as _, join};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::http::{HttpClientError, HttpSettings};
use super::{Carrier, Finding, PushMessage, PushProvider, PushTarget, Urgency};
use crate::clock::Clocks;
use crate::config::LimitSettings;
use crate::domain::address::{AddressForm, Problem, Said};
use crate::domain::alert::PushOutcome;
use crate::domain::device::Environment;
use crate::domain::provider::{Provider, Services};
use classify::{Answer, Beside};
use link::World;

pub use token::{ApnsKey, InvalidApnsKey};

/// Apple's own addresses of the API.
pub const BASE_URL: &str = "https://api.push.apple.com";
/// The same for development builds.
pub const SANDBOX_BASE_URL: &str = "https://api.sandbox.push.apple.com";

/// An address that no device has: what is asked with it concerns our credentials alone.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// How APNs is set up.
#[derive(Debug, Clone)]
pub struct ApnsSettings {
    /// Who we are.
    pub key: ApnsKey,
    /// The app that devices belong to unless they name another.
    pub topic: String,
    /// Where the API is: [`BASE_URL`], or a stand-in's address. Plain http speaks HTTP/2 all the same.
    pub base_url: Url,
    /// Likewise for devices of the sandbox: [`SANDBOX_BASE_URL`].
    pub sandbox_base_url: Url,
    /// Timeouts and certificates.
    pub http: HttpSettings,
}

/// The sender.
#[derive(Debug)]
pub struct Apns {
    signer: token::Signer,
    topic: String,
    production: World,
    sandbox: World,
    /// Of everything that one message may cost: waiting for the connection to be known, sending, and sending again.
    patience: Duration,
    clocks: Clocks,
}

/// APNs cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ApnsError {
    /// No client.
    #[error(transparent)]
    Http(#[from] HttpClientError),
    /// The topic could not stand in a header.
    #[error("the topic is not a bundle id")]
    Topic,
}

/// APNs as one of the providers.
pub static CARRIER: Carrier = Carrier {
    provider: Provider {
        word: "apns",
        // Apple tells of a token that is gone, but not when it wants to.
        believed_for: TimeDelta::days(180),
        address: AddressForm { environments: Environment::ALL, ignores_case: true, ..AddressForm::of(check_address) },
        services: Services::Several(|_, environment| match environment {
            Environment::Production => "apns production".into(),
            Environment::Sandbox => "apns sandbox".into(),
        }),
    },
    limit: LimitSettings { rate: ("MENDLINE_APNS_RATE", 0), concurrency: ("MENDLINE_APNS_CONCURRENCY", 0) },
    read: settings::read,
};

/// 32 bytes today; Apple asks not to rely on it and has named 100 bytes as the most.
fn check_address(said: &Said<'_>) -> Result<(), Problem> {
    let (text, length) = (said.address, said.address.len());
    if (64..=200).contains(&length) && length.is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(());
    }
    Err("is not an APNs device token (32 to 100 bytes in hexadecimal)".into())
}

/// What differs from message to message.
struct Request<'a> {
    topic: &'a str,
    id: String,
    collapse: Option<&'a str>,
    priority: &'static str,
    expires: DateTime<Utc>,
    body: Vec<u8>,
}

impl Apns {
    /// Sets the sender up: tokens live by the wall clock, messages by the story's.
    pub fn new(settings: ApnsSettings, clocks: Clocks) -> Result<Self, ApnsError> {
        if settings.topic.is_empty() || !settings.topic.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApnsError::Topic);
        }
        let http = HttpSettings { http2_prior_knowledge: true, ..settings.http };
        Ok(Self {
            signer: token::Signer::new(settings.key),
            topic: settings.topic,
            production: World::new(settings.base_url, http.clone())?,
            sandbox: World::new(settings.sandbox_base_url, http.clone())?,
            patience: http.total_timeout * 2,
            clocks,
        })
    }

    fn world(&self, environment: Environment) -> &World {
        match environment {
            Environment::Production => &self.production,
            Environment::Sandbox => &self.sandbox,
        }
    }

    async fn deliver(&self, target: &PushTarget, message: &PushMessage) -> PushOutcome {
        let request = || {
            let ttl = message.ttl_seconds(self.clocks.care.now())?;
            Ok(Request {
                topic: target.app_id.as_deref().unwrap_or(&self.topic),
                id: message.delivery_id.to_string(),
                collapse: Some(message.collapse.as_str()),
                priority: match message.urgency {
                    Urgency::Low => "5",
                    Urgency::Normal | Urgency::High => "10",
                },
                // Apple's clock is the wall's; how long the message is worth anything is the story's to say.
                expires: self.clocks.wall.now() + TimeDelta::seconds(ttl.into()),
                body: body::of(target, message)?,
            })
        };
        let world = self.world(target.environment);
        match self.exchange(world, target.address.expose(), request).await {
            PushOutcome::Accepted { .. } => {
                PushOutcome::Accepted { provider_id: Some(message.delivery_id.to_string()) }
            }
            outcome => outcome,
        }
    }

    async fn exchange<'a>(
        &self,
        world: &World,
        address: &str,
        request: impl Fn() -> Result<Request<'a>, PushOutcome>,
    ) -> PushOutcome {
        let tried = tokio::time::timeout(self.patience, self.try_twice(world, address, request)).await;
        let tried = tried.unwrap_or_else(|_late| Err(unavailable("timeout")));
        tried.unwrap_or_else(|unsent| unsent)
    }

    /// Sends, and once more where the first try was certainly not looked at and the reason can be mended here: another
    /// connection, a newer token.
    async fn try_twice<'a>(
        &self,
        world: &World,
        address: &str,
        request: impl Fn() -> Result<Request<'a>, PushOutcome>,
    ) -> Result<PushOutcome, PushOutcome> {
        let mut again = true;
        loop {
            let link = world.link()?;
            let turn = match link.turn().await {
                // The connection that we waited for was lost before it was known to be good.
                Err(PushOutcome::NotSent { .. }) if again => {
                    again = false;
                    continue;
                }
                turn => turn?,
            };
            let mut token = self.signer.authorization(self.clocks.wall.now()).map_err(|_never| rejected("token"))?;
            let answer = loop {
                let request = request()?;
                let headers = headers(&request, token.clone())?;
                let sent = link.post(world.url(address), headers, request.body).await;
                let answer = Answer::of(sent, self.clocks.wall.now());
                if answer.beside == Beside::ExpiredToken
                    && again
                    && let Some(newer) = self.signer.replace(&token, self.clocks.wall.now())
                {
                    again = false;
                    token = newer;
                    continue;
                }
                break answer;
            };
            if answer.beside == Beside::TooManyTokens {
                self.signer.hold(&token, self.clocks.wall.now());
            }
            turn.ended(&answer);
            if answer.beside == Beside::UseAnotherConnection && again {
                again = false;
                continue;
            }
            return Ok(answer.outcome);
        }
    }

    async fn probe(&self, environment: Environment) -> Finding {
        let request = || {
            Ok(Request {
                topic: &self.topic,
                id: self.clocks.fresh_id().to_string(),
                collapse: None,
                priority: "10",
                expires: DateTime::UNIX_EPOCH,
                body: body::PROBE.to_vec(),
            })
        };
        let outcome = self.exchange(self.world(environment), NOBODY, request).await;
        let subject = format!("key {} for {environment}", self.signer.key_id());
        Finding::new(&CARRIER.provider, subject, verdict::of(environment, &self.topic, &outcome))
    }
}

fn headers(request: &Request<'_>, token: HeaderValue) -> Result<HeaderMap, PushOutcome> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_opaque| rejected("header"));
    let expires = request.expires.timestamp();
    let mut headers = HeaderMap::from_iter([
        (AUTHORIZATION, token),
        (HeaderName::from_static("apns-topic"), value(request.topic)?),
        (HeaderName::from_static("apns-push-type"), HeaderValue::from_static("alert")),
        (HeaderName::from_static("apns-id"), value(&request.id)?),
        (HeaderName::from_static("apns-expiration"), HeaderValue::from(expires)),
        (HeaderName::from_static("apns-priority"), HeaderValue::from_static(request.priority)),
    ]);
    if let Some(collapse) = request.collapse {
        headers.insert(HeaderName::from_static("apns-collapse-id"), value(collapse)?);
    }
    Ok(headers)
}

fn rejected(reason: &'static str) -> PushOutcome {
    PushOutcome::Rejected { reason: reason.into() }
}

fn unavailable(reason: &'static str) -> PushOutcome {
    PushOutcome::Unavailable { retry_after: None, reason: reason.into() }
}

impl PushProvider for Apns {
    fn provider(&self) -> &'static Provider {
        &CARRIER.provider
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        self.deliver(target, message).boxed()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        let both = join(self.probe(Environment::Production), self.probe(Environment::Sandbox));
        both.map(|(production, sandbox)| vec![production, sandbox]).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_tokens_are_hexadecimal_and_of_a_length_that_apple_has_named() {
        let (kind, environment, hosts) = Default::default();
        let is_address =
            |address: &str| check_address(&Said { address, kind, environment, keys: None, hosts: &hosts }).is_ok();
        assert!(is_address(&"0aF9".repeat(16)) && is_address(&"ab".repeat(100)));
        for address in ["", "zz".repeat(32).as_str(), "ab".repeat(31).as_str(), &"a".repeat(65), &"ab".repeat(101)] {
            assert!(!is_address(address), "{address}");
        }
    }
}
