//! Firebase Cloud Messaging, HTTP v1: one message per request, a bearer token from a service account, and a table of
//! answers in which the same HTTP status means different things.

mod access;
mod body;
mod classify;
mod credentials;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use super::http::{Failure, HttpClient, HttpClientError, HttpSettings, Reply};
use super::{PushMessage, PushProvider, PushTarget};
use crate::clock::Clock;
use crate::domain::alert::PushOutcome;
use crate::domain::device::ProviderKind;

pub use credentials::{CredentialsError, ServiceAccount};

/// Google's own address of the API.
pub const BASE_URL: &str = "https://fcm.googleapis.com";

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
    wall: Clock,
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

impl Fcm {
    /// Sets the sender up; `wall` is the time machines agree on.
    pub fn new(settings: FcmSettings, wall: Clock) -> Result<Self, FcmError> {
        let http = Arc::new(HttpClient::for_settings(&settings.http)?);
        let mut send_url = settings.base_url;
        {
            let mut path = send_url.path_segments_mut().map_err(|()| FcmError::BaseUrl)?;
            path.pop_if_empty().extend(["v1", "projects", settings.account.project_id(), "messages:send"]);
        }
        let access = access::Access::new(settings.account, Arc::clone(&http), wall.clone());
        Ok(Self { http, access, send_url, wall })
    }

    async fn deliver(&self, target: &PushTarget, message: &PushMessage) -> PushOutcome {
        let Ok(body) = serde_json::to_vec(&body::Request::new(target, message, self.wall.now())) else {
            return PushOutcome::Rejected { reason: "payload".into() };
        };
        let token = match self.access.token().await {
            Ok(token) => token,
            Err(failure) => return failure.into(),
        };
        let reply = match self.post(token.clone(), body.clone()).await {
            Ok(reply) => reply,
            Err(failure) => return failure.into(),
        };
        if !classify::is_token_refused(&reply) {
            return classify::outcome(&reply, self.wall.now());
        }
        // Once: a token that was revoked early is replaced, but credentials that are wrong stay wrong.
        match self.access.replace(&token).await {
            Ok(Some(token)) => match self.post(token, body).await {
                Ok(reply) => classify::outcome(&reply, self.wall.now()),
                Err(failure) => failure.into(),
            },
            Ok(None) => classify::outcome(&reply, self.wall.now()),
            Err(failure) => failure.into(),
        }
    }

    async fn post(&self, token: HeaderValue, body: Vec<u8>) -> Result<Reply, Failure> {
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, token),
            (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        ]);
        self.http.post(self.send_url.clone(), headers, body).await
    }
}

impl PushProvider for Fcm {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Fcm
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        self.deliver(target, message).boxed()
    }
}
