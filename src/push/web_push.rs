//! Web Push: one sender for browsers, UnifiedPush distributors and Safari (RFC 8030, 8188, 8291, 8292).
//! The endpoint is the device's own choice, so nothing that comes back from it is trusted beyond that endpoint.

mod classify;
mod vapid;
mod vapid_key;

use std::borrow::Cow;
use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;
use url::Url;

use super::http::{HttpClient, HttpClientError, HttpSettings};
use super::sealed;
use super::{Carrier, Finding, Maker, PushMessage, PushProvider, PushTarget, SetupError, Urgency};
use crate::clock::Clocks;
use crate::config::{Environment, LimitSettings, Vars};
use crate::domain::address::{AddressForm, Problem, Said};
use crate::domain::alert::PushOutcome;
use crate::domain::endpoint::{self, AllowedHosts};
use crate::domain::provider::{Provider, Services};

pub use super::sealed::{EncryptionError, MAX_PLAINTEXT_BYTES, Receiver};
pub use vapid::{InvalidVapidSubject, VapidSubject};
pub use vapid_key::{InvalidVapidKey, VapidKey, VapidKeys};

/// How Web Push is set up.
#[derive(Debug, Clone)]
pub struct WebPushSettings {
    /// Our keys: the one that apps subscribe with, and older ones for the subscriptions that were made with them.
    pub keys: VapidKeys,
    /// Whom a push service may write to when our requests trouble it.
    pub subject: VapidSubject,
    /// Hosts that are exempt from the address guard.
    pub allowed_hosts: AllowedHosts,
    /// Timeouts and certificates.
    pub http: HttpSettings,
}

/// The sender.
#[derive(Debug)]
pub struct WebPush {
    http: HttpClient,
    vapid: vapid::Vapid,
    clocks: Clocks,
}

/// Whom push services may write to where the operator has not said: they want a subject, and development has none.
const DEVELOPMENT_SUBJECT: &str = "mailto:development@localhost";

/// Web Push as one of the providers: there is always a key for it.
pub static CARRIER: Carrier = Carrier {
    provider: Provider {
        word: "web_push",
        // A push service keeps a browser's subscription although nobody opens the browser; nobody tells.
        believed_for: TimeDelta::days(90),
        address: AddressForm { is_subscription: true, ..AddressForm::of(check_address) },
        services: Services::Several(|endpoint, _| origin(endpoint)),
    },
    limit: LimitSettings { rate: ("MENDLINE_WEB_PUSH_RATE", 0), concurrency: ("MENDLINE_WEB_PUSH_CONCURRENCY", 0) },
    read,
};

fn check_address(said: &Said<'_>) -> Result<(), Problem> {
    endpoint::parse_endpoint(said.address, said.hosts).map(drop).map_err(|error| error.to_string().into())
}

/// The origin of an endpoint: without a copy where the text has the usual form, which is nearly always. An endpoint is the
/// device's own choice and anybody can run such a service, so a 401 or a 429 from one of them must not silence the others.
fn origin(endpoint: &str) -> Cow<'_, str> {
    let host = endpoint.strip_prefix("https://").unwrap_or_default();
    let host = host.split(['/', '?', '#']).next().unwrap_or_default();
    let usual = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    if !host.is_empty() && host.bytes().all(usual) {
        return endpoint.get(.."https://".len() + host.len()).unwrap_or_default().into();
    }
    Url::parse(endpoint).map_or(Cow::Borrowed("no origin"), |url| url.origin().ascii_serialization().into())
}

/// `MENDLINE_VAPID_SUBJECT` is whom push services may write to; the keys are the server's own.
fn read(vars: &mut Vars, environment: Environment) -> Option<Maker> {
    let variable = "MENDLINE_VAPID_SUBJECT";
    let given = vars.text(variable);
    if given.is_none() && environment == Environment::Production {
        vars.fault(variable, "is required in production");
    }
    let subject = VapidSubject::parse(given.as_deref().unwrap_or(DEVELOPMENT_SUBJECT));
    let subject = subject.map_err(|error| vars.fault(variable, error.to_string())).ok()?;
    Some(Maker::new(move |setup| {
        let keys = VapidKeys::from_pem(setup.vapid_pem.expose_secret());
        let settings = WebPushSettings {
            keys: keys.map_err(SetupError::of("MENDLINE_VAPID_KEY"))?,
            subject: subject.clone(),
            allowed_hosts: setup.hosts.clone(),
            http: setup.http.clone(),
        };
        let web_push = WebPush::new(settings, setup.clocks.clone()).map_err(SetupError::of("MENDLINE_EXTRA_CA"))?;
        Ok(Arc::new(web_push))
    }))
}

impl WebPush {
    /// Sets the sender up: tokens live by the wall clock, messages by the story's.
    pub fn new(settings: WebPushSettings, clocks: Clocks) -> Result<Self, HttpClientError> {
        let http = HttpClient::for_endpoints(&settings.http, settings.allowed_hosts)?;
        Ok(Self { http, vapid: vapid::Vapid::new(settings.keys, settings.subject), clocks })
    }

    async fn deliver(&self, target: &PushTarget, message: &PushMessage) -> Result<PushOutcome, PushOutcome> {
        let (url, mut headers, body) = self.request(target, message)?;
        let turn = self.http.turn(url).await?;
        let ttl = message.ttl_seconds(self.clocks.care.now())?;
        headers.insert(HeaderName::from_static("ttl"), HeaderValue::from(ttl));
        let reply = turn.post(headers, body).await?;
        Ok(classify::outcome(&reply, target.registered_at, self.clocks.wall.now()))
    }

    /// All of the request but its time to live.
    fn request(&self, target: &PushTarget, message: &PushMessage) -> Result<(Url, HeaderMap, Vec<u8>), PushOutcome> {
        let suspect = |reason: &'static str| PushOutcome::AddressSuspect { reason: reason.into() };
        let rejected = |reason: &'static str| PushOutcome::Rejected { reason: reason.into() };
        let Ok(url) = Url::parse(target.address.expose()) else { return Err(suspect("not_a_url")) };
        let Some(keys) = &target.keys else { return Err(suspect("no_keys")) };
        let body = sealed::seal(keys, message).map_err(|error| match error {
            EncryptionError::Keys => suspect("bad_keys"),
            EncryptionError::TooLong => rejected("too_long"),
            EncryptionError::Crypto => rejected("crypto"),
        })?;
        let key_id = target.vapid_key_id.as_deref();
        let authorization = self.vapid.authorization(&url, key_id, self.clocks.wall.now())?;
        let Ok(topic) = HeaderValue::from_str(message.collapse.as_str()) else { return Err(rejected("topic")) };
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("urgency"), HeaderValue::from_static(urgency(&url, message.urgency).as_str())),
            (HeaderName::from_static("topic"), topic),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (AUTHORIZATION, authorization),
        ]);
        Ok((url, headers, body))
    }
}

/// Apple delivers anything less than high when the phone happens to be awake, and a reminder is due at its time.
fn urgency(endpoint: &Url, wanted: Urgency) -> Urgency {
    let is_apple = endpoint.host_str().is_some_and(|host| host.ends_with(".push.apple.com"));
    if is_apple && wanted == Urgency::Normal { Urgency::High } else { wanted }
}

impl PushProvider for WebPush {
    fn provider(&self) -> &'static Provider {
        &CARRIER.provider
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        self.deliver(target, message).map(|sent| sent.unwrap_or_else(|unsent| unsent)).boxed()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        ready(self.vapid.check(self.clocks.wall.now())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_apple_is_told_that_what_is_due_now_is_urgent() {
        let of = |endpoint: &str, wanted| urgency(&endpoint.parse().unwrap(), wanted);
        assert_eq!(of("https://web.push.apple.com/abc", Urgency::Normal), Urgency::High);
        assert_eq!(of("https://web.push.apple.com/abc", Urgency::Low), Urgency::Low);
        for other in ["https://push.example.org/web.push.apple.com", "https://fakepush.apple.com.example.org/"] {
            assert_eq!(of(other, Urgency::Normal), Urgency::Normal, "{other}");
        }
    }
}
