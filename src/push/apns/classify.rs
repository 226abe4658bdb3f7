//! What APNs' answer means: for the phone, for the connection and for our token. The reason decides; a status alone says
//! little, and an unknown reason never costs a phone its address.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::domain::alert::{PushOutcome, Reason, Scope};
use crate::push::http::{BodyEnd, Failure, Reply};

/// What Apple's guidance amounts to where a phone gets too many.
const DEVICE_PAUSE: TimeDelta = TimeDelta::seconds(60);

/// What an answer says beside what became of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    /// The message was not looked at; on another connection it may be.
    UseAnotherConnection,
    /// This connection ends; the message may have gone through.
    ConnectionEnds,
    ExpiredToken,
    TooManyTokens,
}

/// An answer, or the lack of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) outcome: PushOutcome,
    pub(super) beside: Beside,
}

impl Answer {
    pub(super) fn of(sent: Result<Reply, Failure>, now: DateTime<Utc>) -> Self {
        match sent {
            Ok(reply) => read(&reply, now),
            Err(failure @ Failure::NotSent(_)) => {
                Self { outcome: failure.into(), beside: Beside::UseAnotherConnection }
            }
            // Silence may be a connection that only we believe in.
            Err(failure) => Self { outcome: failure.into(), beside: Beside::ConnectionEnds },
        }
    }

    /// Whether Apple has let us in: it judged the message or the phone.
    pub(super) fn is_authenticated(&self) -> bool {
        matches!(
            self.outcome,
            PushOutcome::Accepted { .. }
                | PushOutcome::Unregistered { .. }
                | PushOutcome::AddressSuspect { .. }
                | PushOutcome::Rejected { .. }
                | PushOutcome::Throttled { scope: Scope::Device, .. }
        )
    }

    pub(super) fn spends_connection(&self) -> bool {
        matches!(self.beside, Beside::UseAnotherConnection | Beside::ConnectionEnds)
    }
}

impl From<PushOutcome> for Answer {
    fn from(outcome: PushOutcome) -> Self {
        Self { outcome, beside: Beside::Nothing }
    }
}

#[derive(Deserialize)]
struct Body {
    reason: String,
    /// Since when a token is dead, in milliseconds.
    timestamp: Option<i64>,
}

fn read(reply: &Reply, now: DateTime<Utc>) -> Answer {
    let body: Option<Body> = serde_json::from_slice(&reply.body).ok();
    // Only words leave this function: an answer must not write sentences into our logs and metrics.
    let is_word = |text: &str| (1..=48).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let word = body.as_ref().map(|body| body.reason.as_str()).filter(|word| is_word(word));
    let reason = word.map_or_else(|| Reason::from(format!("http_{}", reply.status)), |word| word.to_owned().into());
    let asked = reply.retry_after(now);
    match (reply.status, word.unwrap_or_default()) {
        (200, _) => accepted(reply).into(),
        // What the lost part said would have decided.
        (400..=499, "") if reply.end == BodyEnd::Broken => down("broken_answer".into(), asked).into(),

        (410, "Unregistered" | "ExpiredToken") => {
            let since = body.and_then(|body| DateTime::from_timestamp_millis(body.timestamp?));
            // A phone that registered after now does not exist; one that did after a moment to come would be lost.
            PushOutcome::Unregistered { since: since.map(|since| since.min(now)) }.into()
        }
        (400, "BadDeviceToken" | "DeviceTokenNotForTopic") | (410, _) => PushOutcome::AddressSuspect { reason }.into(),

        (400, "IdleTimeout") => {
            Answer { outcome: PushOutcome::NotSent { reason }, beside: Beside::UseAnotherConnection }
        }
        (403, "UnrelatedKeyIdInToken") => Answer { outcome: ours(reason), beside: Beside::UseAnotherConnection },
        (403, "ExpiredProviderToken") => Answer { outcome: ours(reason), beside: Beside::ExpiredToken },
        // Both spellings of a key for the other environment are among these, and whatever comes.
        (401 | 403, _) => ours(reason).into(),

        (429, "TooManyRequests") => {
            let retry_after = Some(asked.unwrap_or_default().max(DEVICE_PAUSE));
            PushOutcome::Throttled { scope: Scope::Device, retry_after, reason }.into()
        }
        (429, "TooManyProviderTokenUpdates") => {
            Answer { outcome: throttled(reason, asked), beside: Beside::TooManyTokens }
        }
        (429, _) => throttled(reason, asked).into(),

        // Without a word of Apple's it was not Apple who answered: the address in our settings is wrong.
        (300..=399, _) | (404 | 405, "") => ours(reason).into(),
        (408, _) | (500, _) => down(reason, asked).into(),
        (501..=599, _) => Answer { outcome: down(reason, asked), beside: Beside::ConnectionEnds },
        // Headers, topic, path or body that Apple does not like, 413 among them, and what nobody has documented.
        _ => PushOutcome::Rejected { reason }.into(),
    }
}

/// Success has no body. Where there is one, something stands between us and Apple; sent again, the message replaces the
/// earlier one, should there be one.
fn accepted(reply: &Reply) -> PushOutcome {
    let is_apples = reply.body.is_empty() || serde_json::from_slice::<serde::de::IgnoredAny>(&reply.body).is_ok();
    match reply.end {
        BodyEnd::Whole if !is_apples => down("unreadable_answer".into(), None),
        BodyEnd::CutOff => down("unreadable_answer".into(), None),
        BodyEnd::Whole | BodyEnd::Broken => PushOutcome::Accepted { provider_id: None },
    }
}

fn ours(reason: Reason) -> PushOutcome {
    PushOutcome::Unauthorized { scope: Scope::Provider, reason }
}

fn down(reason: Reason, retry_after: Option<TimeDelta>) -> PushOutcome {
    PushOutcome::Unavailable { retry_after, reason }
}

fn throttled(reason: Reason, asked: Option<TimeDelta>) -> PushOutcome {
    PushOutcome::Throttled {
        scope: Scope::Provider,
        retry_after: Some(asked.unwrap_or_default().max(DEVICE_PAUSE)),
        reason,
    }
}
