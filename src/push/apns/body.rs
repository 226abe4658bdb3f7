//! The JSON that a phone gets: a visible alert that the app's extension may replace, and what it needs for that: the
//! words encrypted to the phone, where it has a key, else what to fetch.

use serde::Serialize;

use crate::domain::alert::PushOutcome;
use crate::push::{Payload, PushMessage, PushTarget, VisibleText, sealed};

/// Apple's limit for alerts.
pub(super) const MAX_BYTES: usize = 4096;

/// Something to send to nobody.
pub(super) const PROBE: &[u8] = br#"{"aps":{"alert":{"title":"mendline"}}}"#;

#[derive(Serialize)]
struct Body<'a> {
    aps: Aps<'a>,
    #[serde(flatten)]
    payload: &'a Payload,
    /// Encrypted to the phone's key, in base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Aps<'a> {
    alert: &'a VisibleText,
    sound: &'static str,
    /// The kind of notification by the app's own list, which also says what a locked screen shows in its place.
    category: &'static str,
    /// The app's extension may fetch the real text and put it in place of the neutral one.
    mutable_content: u8,
}

pub(super) fn of(target: &PushTarget, message: &PushMessage) -> Result<Vec<u8>, PushOutcome> {
    let aps =
        Aps { alert: &message.text, sound: "default", category: message.payload.category.as_str(), mutable_content: 1 };
    let rejected = |reason: &'static str| PushOutcome::Rejected { reason: reason.into() };
    let body = Body { aps, payload: &message.payload, sealed: sealed::seal_private(target, message) };
    let body = serde_json::to_vec(&body).map_err(|_never| rejected("payload"))?;
    if body.len() > MAX_BYTES { Err(rejected("too_long")) } else { Ok(body) }
}
