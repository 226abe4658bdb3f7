//! What it means that no answer came: whether the request can have left, and in one word why.
//! The words are ours; an error's own text may hold the URL, and a Web Push URL is a secret.

use std::error::Error;
use std::io;

use super::guard::OnlyPrivate;
use super::one_connection::ConnectionGone;
use crate::domain::alert::PushOutcome;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The URL leads to where users must not send us. Nothing was sent.
    NotAllowed,
    /// The connection gave up before the request was looked at: certainly not delivered, worth repeating at once.
    NotSent(&'static str),
    /// The host is down or went silent. It may have delivered all the same.
    Unavailable(&'static str),
}

impl Failure {
    /// The word for it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotAllowed => "endpoint_not_allowed",
            Self::NotSent(reason) | Self::Unavailable(reason) => reason,
        }
    }

    /// Reads reqwest's error.
    pub(super) fn from_error(error: &reqwest::Error) -> Self {
        if chain(error).any(|cause| cause.is::<OnlyPrivate>()) {
            return Self::NotAllowed;
        }
        if chain(error).any(|cause| cause.is::<ConnectionGone>()) {
            return Self::NotSent("connection_gone");
        }
        if let Some(reason) = chain(error).find_map(turned_away) {
            return Self::NotSent(reason);
        }
        // A host that cannot be reached did not get the request either, but repeating at once would not help: it is
        // treated as down, so that the tries are spread over the schedule.
        Self::Unavailable(if error.is_dns() {
            "dns"
        } else if error.is_connect() && chain(error).any(is_tls) {
            "tls"
        } else if error.is_timeout() {
            "timeout"
        } else if error.is_connect() {
            "connect"
        } else if error.is_builder() {
            "request"
        } else {
            "connection_closed"
        })
    }
}

impl From<Failure> for PushOutcome {
    fn from(failure: Failure) -> Self {
        let reason = failure.reason().into();
        match failure {
            // The address stays and is not suspected: a name server or our own list may be at fault, and the next
            // alert asks again at the price of one look-up.
            Failure::NotAllowed => Self::Rejected { reason },
            Failure::NotSent(_) => Self::NotSent { reason },
            Failure::Unavailable(_) => Self::Unavailable { retry_after: None, reason },
        }
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// The server said that it has not looked at the request (RFC 9113, sections 6.8 and 8.7), or the client dropped it
/// before it was its turn. reqwest repeats the former twice by itself; what arrives here is what was still left.
fn turned_away(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
        return Some("connection_lost");
    }
    let error = error.downcast_ref::<h2::Error>()?;
    if !error.is_remote() {
        return None;
    }
    match error.reason()? {
        h2::Reason::NO_ERROR if error.is_go_away() => Some("goaway"),
        h2::Reason::REFUSED_STREAM if error.is_reset() => Some("refused_stream"),
        _ => None,
    }
}

/// TLS errors travel inside of I/O errors, sometimes two deep, and an I/O error's source skips what it holds.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(held) => is_tls(held),
        None => error.is::<rustls::Error>(),
    }
}
