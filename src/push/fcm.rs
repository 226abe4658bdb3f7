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

use super::http::{HttpClient, HttpClientError, HttpSettings, Reply};
use super::{PushMessage, PushProvider, PushTarget};
use crate::clock::Clocks;
use crate::domain::alert::PushOutcome;
use crate::domain::device::ProviderKind;

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

impl Fcm {
    /// Sets the sender up: tokens live by the wall clock, messages by the story's.
    pub fn new(settings: FcmSettings, clocks: Clocks) -> Result<Self, FcmError> {
        let http = Arc::new(HttpClient::for_settings(&settings.http)?);
        let mut send_url = settings.base_url;
        {
            let mut path = send_url.path_segments_mut().map_err(|()| FcmError::BaseUrl)?;
            path.pop_if_empty().extend(["v1", "projects", settings.account.project_id(), "messages:send"]);
        }
        let access = access::Access::new(settings.account, Arc::clone(&http), clocks.wall.clone());
        Ok(Self { http, access, send_url, clocks })
    }

    async fn deliver(&self, target: &PushTarget, message: &PushMessage) -> Result<PushOutcome, PushOutcome> {
        let token = self.access.token().await?;
        let mut reply = self.post(token.clone(), target, message).await?;
        // Once: a token that was revoked early is replaced, but credentials that are wrong stay wrong.
        if classify::is_token_refused(&reply)
            && let Some(token) = self.access.replace(&token).await?
        {
            reply = self.post(token, target, message).await?;
        }
        Ok(classify::outcome(&reply, self.clocks.wall.now()))
    }

    /// The request is put together when it may leave at once: by then a token or a connection may have taken long.
    async fn post(&self, token: HeaderValue, target: &PushTarget, message: &PushMessage) -> Result<Reply, PushOutcome> {
        let turn = self.http.turn(self.send_url.clone()).await?;
        let ttl = message.ttl_seconds(self.clocks.care.now())?;
        let mut body = Vec::with_capacity(USUAL_BODY_BYTES);
        serde_json::to_writer(&mut body, &body::Request::new(target, message, ttl, self.clocks.wall.now()))
            .map_err(|_never| PushOutcome::Rejected { reason: "payload".into() })?;
        let headers = HeaderMap::from_iter([
            (AUTHORIZATION, token),
            (CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8")),
        ]);
        Ok(turn.post(headers, body).await?)
    }
}

impl PushProvider for Fcm {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Fcm
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        self.deliver(target, message).map(|sent| sent.unwrap_or_else(|unsent| unsent)).boxed()
    }
}
