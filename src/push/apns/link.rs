//! One connection to one of Apple's worlds, and who may use it when.
//!
//! On a fresh connection Apple lets one request in until it has seen a good token, and ties the connection to the key that
//! signed it. So the first request goes alone and the others wait for its answer; if it fails, what it met is what they
//! would have met. A connection that was lost is never revived behind our back: the next one begins with one request again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::HeaderMap;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use url::Url;

use super::classify::{Answer, Beside};
use crate::domain::alert::PushOutcome;
use crate::push::http::{Failure, HttpClientError, HttpSettings, OneConnection, Reply};

/// Requests in flight on a connection: what Apple's servers announce.
const STREAMS: usize = 1000;

/// Production or sandbox: an address and the connection of the moment.
#[derive(Debug)]
pub(super) struct World {
    base_url: Url,
    http: HttpSettings,
    link: Mutex<Arc<Link>>,
}

impl World {
    pub(super) fn new(base_url: Url, http: HttpSettings) -> Result<Self, HttpClientError> {
        let link = Mutex::new(Arc::new(Link::new(&http)?));
        Ok(Self { base_url, http, link })
    }

    /// Where messages for `address` go.
    pub(super) fn url(&self, address: &str) -> Url {
        let mut url = self.base_url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["3", "device", address]);
        }
        url
    }

    /// The connection of the moment: a fresh one in place of one that is spent.
    pub(super) fn link(&self) -> Result<Arc<Link>, PushOutcome> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*link.state.borrow(), State::Spent(_)) {
            let fresh = Link::new(&self.http);
            let unavailable = |_| PushOutcome::Unavailable { retry_after: None, reason: "no_client".into() };
            *link = Arc::new(fresh.map_err(unavailable)?);
        }
        Ok(Arc::clone(&link))
    }
}

/// What is known of a connection.
#[derive(Debug, Clone)]
enum State {
    /// Nothing yet: one request may find out.
    Untried,
    /// It has let us in: everybody may use it.
    Proven,
    /// It is not to be used any more; what whoever waited for it takes home.
    Spent(PushOutcome),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    connection: OneConnection,
    state: watch::Sender<State>,
    is_tried: AtomicBool,
    streams: Semaphore,
}

impl Link {
    fn new(http: &HttpSettings) -> Result<Self, HttpClientError> {
        Ok(Self {
            connection: OneConnection::new(http)?,
            state: watch::Sender::new(State::Untried),
            is_tried: AtomicBool::new(false),
            streams: Semaphore::new(STREAMS),
        })
    }

    /// Waits until one more request may be sent. The error is what came of the request that everybody waited for.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, PushOutcome> {
        let permit = self.streams.acquire().await.map_err(|_closed| connection_gone())?;
        let is_first = matches!(*self.state.borrow(), State::Untried) && !self.is_tried.swap(true, Ordering::AcqRel);
        if !is_first {
            let mut state = self.state.subscribe();
            let known =
                state.wait_for(|state| !matches!(state, State::Untried)).await.map_err(|_gone| connection_gone())?;
            if let State::Spent(outcome) = &*known {
                return Err(match outcome {
                    PushOutcome::Unauthorized { .. } | PushOutcome::Throttled { .. } => outcome.clone(),
                    // Everybody has waited as long for nothing.
                    PushOutcome::Unavailable { reason, .. } if reason == "timeout" => outcome.clone(),
                    // What befell one request says nothing about those that were not sent.
                    _ => connection_gone(),
                });
            }
        }
        Ok(Turn { link: self, is_first, _permit: permit })
    }

    pub(super) async fn post(&self, url: Url, headers: HeaderMap, body: Vec<u8>) -> Result<Reply, Failure> {
        self.connection.post(url, headers, body).await
    }

    fn spend(&self, outcome: PushOutcome) {
        self.state.send_if_modified(|state| {
            let next = match state {
                // Everybody has been waiting for this very answer.
                State::Untried => outcome,
                // Nobody has: whoever is about to use the connection has met nothing yet.
                State::Proven => connection_gone(),
                State::Spent(_) => return false,
            };
            *state = State::Spent(next);
            true
        });
    }
}

fn connection_gone() -> PushOutcome {
    PushOutcome::NotSent { reason: "connection_gone".into() }
}

/// One request's turn. The first of a connection decides for all that wait.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    link: &'a Link,
    is_first: bool,
    _permit: SemaphorePermit<'a>,
}

impl Turn<'_> {
    /// What the answer says about the connection.
    pub(super) fn ended(mut self, answer: &Answer) {
        let is_first = std::mem::take(&mut self.is_first);
        if answer.is_authenticated() && answer.beside == Beside::Nothing {
            if is_first {
                self.link.state.send_if_modified(|state| {
                    let untried = matches!(state, State::Untried);
                    if untried {
                        *state = State::Proven;
                    }
                    untried
                });
            }
        } else if is_first || answer.spends_connection() {
            self.link.spend(answer.outcome.clone());
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Its caller had no more time. Nobody knows anything about the connection, so those who wait try another.
        if self.is_first {
            self.link.spend(connection_gone());
        }
    }
}
