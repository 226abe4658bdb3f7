//! Firebase Cloud Messaging, HTTP v1: one message per request, a bearer token from a service account, and a table of
//! answers in which the same HTTP status means different things.

mod access;
mod body;
mod classify;
mod credentials;

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::http::{HttpClient, HttpClientError, HttpSettings, Reply};
use super::{Carrier, Finding, Maker, PushMessage, PushProvider, PushTarget, SetupError, Verdict};
use crate::clock::Clocks;
use crate::config::{self, LimitSettings, Vars};
use crate::domain::address::{AddressForm, Problem, Said, is_base64url};
use crate::domain::alert::PushOutcome;
use crate::domain::device::AddressKind;
use crate::domain::provider::{Provider, Services};

pub use credentials::{CredentialsError, ServiceAccount};

/// Google's own address of the API.
pub const BASE_URL: &str = "https://fcm.googleapis.com";

/// A body with a usual address and a neutral text fits.
const USUAL_BODY_BYTES: usize = 1024;

/// How FCM is set up.
#[derive(Debug, Clone)]
pub struct FcmSettings {
    /// Who we are.
    pub account: ServiceAccount,
    /// Where the API is: [`BASE_URL`], or an emulator's or a relay's address.
    pub base_url: Url,
    /// Timeouts and certificates.
    pub http: HttpSettings,
}

/// The sender.
#[derive(Debug)]
pub struct Fcm {
    http: Arc<HttpClient>,
    access: access::Access,
    send_url: Url,
    project: String,
    clocks: Clocks,
}

/// FCM cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum FcmError {
    /// No client.
    #[error(transparent)]
    Http(#[from] HttpClientError),
    /// The base URL cannot carry a path.
    #[error("the base URL is not an http or https URL")]
    BaseUrl,
}

/// FCM as one of the providers.
pub static CARRIER: Carrier = Carrier {
    provider: Provider {
        word: "fcm",
        // Firebase itself forgets an Android registration that was inactive for so long.
        believed_for: TimeDelta::days(270),
        address: AddressForm { kinds: AddressKind::ALL, ..AddressForm::of(check_address) },
        services: Services::One,
    },
    // What FCM takes from one project: 600,000 a minute.
    limit: LimitSettings { rate: ("MENDLINE_FCM_RATE", 10_000), concurrency: ("MENDLINE_FCM_CONCURRENCY", 0) },
    read,
};

/// Tokens are opaque and have grown before, so only what could break a JSON body or a log is refused.
fn check_address(said: &Said<'_>) -> Result<(), Problem> {
    let is_of_a_token = |b: u8| b.is_ascii_alphanumeric() || b"_-:.".contains(&b);
    match said.kind {
        AddressKind::Fid if !is_base64url(said.address, 22) => {
            Err("is not a Firebase installation id (22 characters of base64url)".into())
        }
        AddressKind::Token if !(1..=4096).contains(&said.address.len()) || !said.address.bytes().all(is_of_a_token) => {
            Err("is not an FCM registration token (1 to 4096 of A-Z a-z 0-9 _ - : .)".into())
        }
        AddressKind::Fid | AddressKind::Token => Ok(()),
    }
}

/// `MENDLINE_FCM_CREDENTIALS` is service-account JSON, inline or a path.
fn read(vars: &mut Vars, _: config::Environment) -> Option<Maker> {
    let base_url = vars.url("MENDLINE_FCM_BASE_URL", BASE_URL);
    let credentials = SecretString::from(vars.pem("MENDLINE_FCM_CREDENTIALS")?);
    let base_url = base_url?;
    Some(Maker::new(move |setup| {
        let account = ServiceAccount::from_json(credentials.expose_secret());
        let settings = FcmSettings {
            account: account.map_err(SetupError::of("MENDLINE_FCM_CREDENTIALS"))?,
            base_url: base_url.clone(),
            http: setup.http.clone(),
        };
        let fcm = Fcm::new(settings, setup.clocks.clone()).map_err(SetupError::of("MENDLINE_FCM_BASE_URL"))?;
        Ok(Arc::new(fcm))
    }))
}

impl Fcm {
    /// Sets the sender up: tokens live by the wall clock, messages by the story's.
    pub fn new(settings: FcmSettings, clocks: Clocks) -> Result<Self, FcmError> {
        let http = Arc::new(HttpClient::for_settings(&settings.http)?);
        let mut send_url = settings.base_url;
        {
            let mut path = send_url.path_segments_mut().map_err(|()| FcmError::BaseUrl)?;
            path.pop_if_empty().extend(["v1", "projects", settings.account.project_id(), "messages:send"]);
        }
        let project = settings.account.project_id().to_owned();
        let access = access::Access::new(settings.account, Arc::clone(&http), clocks.wall.clone());
        Ok(Self { http, access, send_url, project, clocks })
    }

    async fn deliver(&self, target: &PushTarget, message: &PushMessage) -> Result<PushOutcome, PushOutcome> {
        self.exchange(|| {
            let ttl = message.ttl_seconds(self.clocks.care.now())?;
            let request = body::Request::new(target, message, ttl, self.clocks.wall.now());
            let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
            serde_json::to_writer(&mut body, &request)
                .map_err(|_never| PushOutcome::Rejected { reason: "payload".into() })?;
            Ok(body)
        })
        .await
    }

    async fn exchange(
        &self,
        body: impl Fn() -> Result<Vec<u8>, PushOutcome> + Sync,
    ) -> Result<PushOutcome, PushOutcome> {
        let token = self.access.token().await?;
        let mut reply = self.post(token.clone(), &body).await?;
        // Once: a token that was revoked early is replaced, but credentials that are wrong stay wrong.
        if classify::is_token_refused(&reply)
            && let Some(token) = self.access.replace(&token).await?
        {
            reply = self.post(token, &body).await?;
        }
        Ok(classify::outcome(&reply, self.clocks.wall.now()))
    }

    /// The request is put together when it may leave at once: by then a token or a connection may have taken long.
    async fn post(
        &self,
        token: HeaderValue,
        body: &(impl Fn() -> Result<Vec<u8>, PushOutcome> + Sync),
    ) -> Result<Reply, PushOutcome> {
        let turn = self.http.turn(self.send_url.clone()).await?;
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, token),
            (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        ]);
        Ok(turn.post(headers, body()?).await?)
    }

    /// FCM validates a message without sending it, and looks at the address last.
    async fn probe(&self) -> Finding {
        let body = || Ok(body::PROBE.to_vec());
        let outcome = match self.exchange(body).await.unwrap_or_else(|unsent| unsent) {
            // The message is as right as can be: what is invalid about it can only be the address.
            PushOutcome::Rejected { reason } if reason == "INVALID_ARGUMENT" => PushOutcome::AddressSuspect { reason },
            outcome => outcome,
        };
        Finding::new(&CARRIER.provider, &self.project, Verdict::of_probe(&outcome, |word| self.remedy(word)))
    }

    fn remedy(&self, word: &str) -> String {
        let project = &self.project;
        match word {
            "oauth_key" | "oauth_uri" => "MENDLINE_FCM_CREDENTIALS: make a new key for the service account".into(),
            word if word.starts_with("oauth_") => "MENDLINE_FCM_CREDENTIALS: the token server refuses the service \
                account's key; see that it was not deleted and that this machine's clock is right"
                .into(),
            "PERMISSION_DENIED" | "http_403" => format!(
                "project {project}: enable the Firebase Cloud Messaging API and give the service account the role \
                 that may send (cloudmessaging.messages.create)"
            ),
            "NOT_FOUND" | "http_404" => {
                format!(
                    "there is no project {project} behind this address: see MENDLINE_FCM_CREDENTIALS and MENDLINE_FCM_BASE_URL"
                )
            }
            "THIRD_PARTY_AUTH_ERROR" => {
                format!("project {project}: renew the APNs and Web Push keys in the Firebase console")
            }
            _ => "see MENDLINE_FCM_CREDENTIALS and MENDLINE_FCM_BASE_URL".into(),
        }
    }
}

impl PushProvider for Fcm {
    fn provider(&self) -> &'static Provider {
        &CARRIER.provider
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        self.deliver(target, message).map(|sent| sent.unwrap_or_else(|unsent| unsent)).boxed()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        self.probe().map(|finding| vec![finding]).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_address(kind: AddressKind, address: &str) -> bool {
        let (environment, hosts) = (Default::default(), Default::default());
        check_address(&Said { address, kind, environment, keys: None, hosts: &hosts }).is_ok()
    }

    #[test]
    fn tokens_and_installation_ids_are_told_from_what_is_neither() {
        assert!(is_address(AddressKind::Token, "cQ1x-Y_z:APA91bE.x"));
        assert!(is_address(AddressKind::Fid, "cQ1xAAAAAAAAAAAAAAAA-_"));
        assert!(!is_address(AddressKind::Fid, "short"));
        for address in ["", "a b", "a\"b", "ü", &"x".repeat(4097)] {
            assert!(!is_address(AddressKind::Token, address), "{address}");
        }
    }
}
