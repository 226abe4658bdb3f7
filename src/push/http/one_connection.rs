//! A client that is as good as its connection: it connects once, and when that connection is gone it says so instead of
//! opening another. Whoever must know which requests share a connection uses this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, Ready, err};
use reqwest::header::HeaderMap;
use tower_layer::Layer;
use tower_service::Service;
use url::Url;

use super::{Failure, HttpClientError, HttpSettings, Reply};

/// How often an idle connection is asked whether it is still there: often enough that a router in between remembers it.
const PING: Duration = Duration::from_secs(600);

/// The connection is gone.
#[derive(Debug, thiserror::Error)]
#[error("the connection is gone")]
pub(super) struct ConnectionGone;

/// See the module's words.
#[derive(Debug)]
pub struct OneConnection(reqwest::Client);

impl OneConnection {
    /// Connects with the first request.
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpClientError> {
        let tls = super::tls::client_config(settings.extra_ca.as_deref(), settings.http2_prior_knowledge)?;
        let builder = super::builder(settings, tls)
            .pool_idle_timeout(None)
            .http2_keep_alive_interval(PING)
            .http2_keep_alive_while_idle(true)
            // Elsewhere requests that a server turned away are repeated unseen. Here that takes another connection.
            .retry(reqwest::retry::never())
            .connector_layer(Once::default());
        builder.build().map(Self).map_err(HttpClientError::Build)
    }

    /// Posts `body` and reads the answer, whatever its status.
    pub async fn post(&self, url: Url, headers: HeaderMap, body: Vec<u8>) -> Result<Reply, Failure> {
        super::post(&self.0, url, headers, body, super::MAX_BODY_BYTES).await
    }
}

/// Lets a connector connect once.
#[derive(Debug, Clone, Default)]
struct Once(Arc<AtomicBool>);

impl<S> Layer<S> for Once {
    type Service = OnceConnector<S>;

    fn layer(&self, inner: S) -> Self::Service {
        OnceConnector { inner, is_used: Arc::clone(&self.0) }
    }
}

#[derive(Debug, Clone)]
struct OnceConnector<S> {
    inner: S,
    is_used: Arc<AtomicBool>,
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S: Service<R, Error = BoxError>, R> Service<R> for OnceConnector<S> {
    type Response = S::Response;
    type Error = BoxError;
    type Future = Either<S::Future, Ready<Result<S::Response, BoxError>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, to: R) -> Self::Future {
        if self.is_used.swap(true, Ordering::AcqRel) {
            Either::Right(err(Box::new(ConnectionGone)))
        } else {
            Either::Left(self.inner.call(to))
        }
    }
}
