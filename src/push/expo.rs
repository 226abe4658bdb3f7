//! Expo's relay: up to a hundred messages in one request, a ticket for each of them in the same order, and receipts that
//! say later what Apple or Google made of it. Which phones stand behind an address only Expo knows.

mod batch;
mod body;
mod classify;
mod receipts;

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, oneshot};
use url::Url;
use uuid::Uuid;

use super::http::{Failure, HttpClient, HttpClientError, HttpSettings, Reply};
use super::{Carrier, Finding, Maker, PushMessage, PushProvider, PushTarget, Receipts, SetupError, Verdict};
use crate::clock::Clocks;
use crate::config::{self, LimitSettings, Vars};
use crate::domain::address::{AddressForm, Problem, Said};
use crate::domain::alert::PushOutcome;
use crate::domain::provider::{Provider, Services};

use batch::{Collector, Departure, Letter};

/// Expo's own address.
pub const BASE_URL: &str = "https://exp.host";

/// Requests in flight: what Expo's own library allows itself, and Expo counts connections.
const REQUESTS: usize = 6;
/// Messages that may wait here or be on their way: as many as all requests take. The others wait their turn outside.
const PLACES: usize = REQUESTS * batch::MOST;
/// The longest answer that is read. A hundred tickets or three hundred receipts with a sentence each stay below half of it.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// How Expo is set up.
#[derive(Debug, Clone)]
pub struct ExpoSettings {
    /// The access token, for projects that insist on one ("enhanced push security").
    pub token: Option<SecretString>,
    /// Where the API is: [`BASE_URL`], or a stand-in's address.
    pub base_url: Url,
    /// Timeouts and certificates.
    pub http: HttpSettings,
}

/// The sender.
#[derive(Debug)]
pub struct Expo {
    wire: Arc<Wire>,
    places: Semaphore,
}

/// What a batch on its way needs, though its senders may be gone.
#[derive(Debug)]
struct Wire {
    http: HttpClient,
    send_url: Url,
    receipts_url: Url,
    authorization: Option<HeaderValue>,
    requests: Semaphore,
    collector: Collector,
    clocks: Clocks,
}

/// Expo cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ExpoError {
    /// No client.
    #[error(transparent)]
    Http(#[from] HttpClientError),
    /// The base URL cannot carry a path.
    #[error("the base URL is not an http or https URL")]
    BaseUrl,
    /// The token cannot stand in a header.
    #[error("the access token holds other characters than visible ASCII")]
    Token,
}

/// Expo as one of the providers.
pub static CARRIER: Carrier = Carrier {
    provider: Provider {
        word: "expo",
        // It stands before Firebase, which forgets an Android registration that was inactive for so long.
        believed_for: TimeDelta::days(270),
        address: AddressForm::of(check_address),
        services: Services::One,
    },
    limit: LimitSettings {
        // What Expo takes from one project.
        rate: ("MENDLINE_EXPO_RATE", 600),
        // It wants six connections at most, each with a hundred messages in one request.
        concurrency: ("MENDLINE_EXPO_CONCURRENCY", 600),
    },
    read,
};

fn check_address(said: &Said<'_>) -> Result<(), Problem> {
    let text = said.address;
    let inner = ["ExponentPushToken[", "ExpoPushToken["].iter().find_map(|prefix| text.strip_prefix(prefix));
    let is_one = match inner.and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => (1..=200).contains(&inner.len()) && inner.bytes().all(|b| b.is_ascii_graphic() && b != b']'),
        None => text.len() == 36 && Uuid::try_parse(text).is_ok(),
    };
    if is_one { Ok(()) } else { Err("is not an Expo push token (ExponentPushToken[...] or a UUID)".into()) }
}

/// It needs nothing from us; `MENDLINE_EXPO_TOKEN` is for projects with enhanced push security.
fn read(vars: &mut Vars, _: config::Environment) -> Option<Maker> {
    let token = vars.secret("MENDLINE_EXPO_TOKEN").map(SecretString::from);
    let base_url = vars.url("MENDLINE_EXPO_BASE_URL", BASE_URL)?;
    Some(Maker::new(move |setup| {
        let settings = ExpoSettings { token: token.clone(), base_url: base_url.clone(), http: setup.http.clone() };
        let expo = Expo::new(settings, setup.clocks.clone()).map_err(SetupError::of("MENDLINE_EXPO_TOKEN"))?;
        Ok(Arc::new(expo))
    }))
}

impl Expo {
    /// Sets the sender up: waits are reckoned by the wall clock, messages live by the story's.
    pub fn new(settings: ExpoSettings, clocks: Clocks) -> Result<Self, ExpoError> {
        let url = |last: &str| {
            let mut url = settings.base_url.clone();
            url.path_segments_mut()
                .map_err(|()| ExpoError::BaseUrl)?
                .pop_if_empty()
                .extend(["--", "api", "v2", "push", last]);
            Ok::<_, ExpoError>(url)
        };
        let bearer = |token: &SecretString| {
            let token = token.expose_secret();
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(ExpoError::Token);
            }
            let mut header = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_opaque| ExpoError::Token)?;
            header.set_sensitive(true);
            Ok::<_, ExpoError>(header)
        };
        let wire = Wire {
            send_url: url("send")?,
            receipts_url: url("getReceipts")?,
            authorization: settings.token.as_ref().map(bearer).transpose()?,
            http: HttpClient::for_settings(&HttpSettings { max_in_flight: REQUESTS, ..settings.http })?,
            requests: Semaphore::new(REQUESTS),
            collector: Collector::default(),
            clocks,
        };
        Ok(Self { wire: Arc::new(wire), places: Semaphore::new(PLACES) })
    }

    /// Asks for a receipt that nobody has: who may ask may send.
    async fn probe(&self) -> Finding {
        let subject = if self.wire.authorization.is_some() { "access token" } else { "no access token" };
        let known = self.ask(&[self.wire.clocks.fresh_id().to_string()]).await;
        let verdict = match known {
            Ok(_) if self.wire.authorization.is_some() => Verdict::good("Expo answers to the token"),
            Ok(_) => Verdict::good("Expo answers; a project with enhanced push security needs MENDLINE_EXPO_TOKEN"),
            Err(refused) => {
                Verdict::of_probe(&refused, |_word| "see MENDLINE_EXPO_TOKEN and MENDLINE_EXPO_BASE_URL".into())
            }
        };
        Finding::new(&CARRIER.provider, subject, verdict)
    }

    async fn deliver(&self, target: &PushTarget, message: &PushMessage) -> PushOutcome {
        let lost = || PushOutcome::NotSent { reason: "shutting_down".into() };
        let Ok(_place) = self.places.acquire().await else { return lost() };
        let (answer, answered) = oneshot::channel();
        let letter = Letter { message: body::Message::new(target, message), expires: message.clone(), answer };
        if let Some(departure) = self.wire.collector.join(target.app_id.as_deref(), letter) {
            // A task of its own: whoever opened the batch may be cancelled, and the others must not notice.
            #[expect(clippy::disallowed_methods, reason = "it ends with its request, and its senders wait for it")]
            tokio::spawn(Arc::clone(&self.wire).depart(departure));
        }
        answered.await.unwrap_or_else(|_gone| lost())
    }
}

impl Wire {
    /// Sends one batch once it is full or has waited long enough, and a request may leave.
    async fn depart(self: Arc<Self>, departure: Departure) {
        departure.ready().await;
        // Until there is a free request the batch goes on filling up.
        let Ok(_request) = self.requests.acquire().await else { return };
        let mut batches = vec![self.collector.take(departure)];
        while let Some(letters) = batches.pop() {
            batches.extend(self.send(letters).await);
        }
    }

    /// Sends what is still wanted of these and tells their senders; returns what has to be sent apart.
    async fn send(&self, letters: Vec<Letter>) -> Vec<Vec<Letter>> {
        let turn = match self.http.turn(self.send_url.clone()).await {
            Ok(turn) => turn.reading(MAX_ANSWER_BYTES),
            Err(failure) => return batch::answer_all(letters, &failure.into()),
        };
        let letters = batch::still_wanted(letters, self.clocks.care.now());
        if letters.is_empty() {
            return Vec::new();
        }
        let messages: Vec<_> = letters.iter().map(|letter| &letter.message).collect();
        let Ok(request) = serde_json::to_vec(&messages) else {
            return batch::answer_all(letters, &PushOutcome::Rejected { reason: "payload".into() });
        };
        let reply = match turn.post(self.headers(), request).await {
            Ok(reply) => reply,
            Err(failure) => return batch::answer_all(letters, &failure.into()),
        };
        match classify::tickets(&reply, letters.len(), self.clocks.wall.now()) {
            classify::Answer::Each(outcomes) => batch::answer_each(letters, outcomes),
            classify::Answer::Apart(projects) => batch::apart(letters, &projects),
            // One bad message makes Expo refuse the request: halving it finds the one, and the others get through.
            classify::Answer::All(PushOutcome::Rejected { .. }) if letters.len() > 1 => batch::halve(letters),
            classify::Answer::All(outcome) => batch::answer_all(letters, &outcome),
        }
    }

    /// Asks one thing that is no message.
    async fn ask(&self, url: Url, request: Vec<u8>) -> Result<Reply, Failure> {
        let closed = |_closed| Failure::NotSent("shutting_down");
        let _request = self.requests.acquire().await.map_err(closed)?;
        self.http.turn(url).await?.reading(MAX_ANSWER_BYTES).post(self.headers(), request).await
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        headers
    }
}

impl PushProvider for Expo {
    fn provider(&self) -> &'static Provider {
        &CARRIER.provider
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        self.deliver(target, message).boxed()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        self.probe().map(|finding| vec![finding]).boxed()
    }

    fn receipts(&self) -> Option<&dyn Receipts> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn push_tokens_are_of_either_form() {
        let (kind, environment, hosts) = Default::default();
        let is_address =
            |address: &str| check_address(&Said { address, kind, environment, keys: None, hosts: &hosts }).is_ok();
        assert!(is_address("ExponentPushToken[xxYY-1_2]") && is_address("f58ab5ae-6f9d-4d3a-8d0c-7d1f4b0f1a2b"));
        for address in ["", "ExponentPushToken[]", "ExponentPushToken[x", "PushToken[x]", "ExpoPushToken[a]b]"] {
            assert!(!is_address(address), "{address}");
        }
    }
}
