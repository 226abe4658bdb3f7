//! What a push service's answer means (RFC 8030, sections 5 to 7; RFC 8292, section 4.2).
//!
//! The status decides. Bodies differ from service to service and anybody can run one, so they are read for a single
//! purpose: Apple tells a bad token of ours and a foreign subscription apart in words only.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use crate::domain::alert::{PushOutcome, Reason, Scope};
use crate::push::http::Reply;

/// How long a subscription may be without a subscriber before it is taken for one that nobody wants: whoever registered
/// it has had a day to connect.
const NOBODY_LISTENS: TimeDelta = TimeDelta::days(1);

pub(super) fn outcome(reply: &Reply, registered_at: DateTime<Utc>, now: DateTime<Utc>) -> PushOutcome {
    let status = reply.status;
    let word = apple_reason(reply);
    let reason = word.map_or_else(|| Reason::from(format!("http_{status}")), Reason::from);
    match status {
        // 201 by the standard; 200 and 202 are in use too. The Location is a capability to delete the message: it is
        // not kept.
        200..=299 => PushOutcome::Accepted { provider_id: None },
        404 | 410 => PushOutcome::Unregistered { since: None },
        // Our token was missing, expired (a wrong clock) or badly signed.
        401 => PushOutcome::Unauthorized { scope: Scope::Provider, reason },
        // The subscription was made with another VAPID key: only that subscription is concerned, unless many are.
        // Apple answers 403 for a bad token as well, and says so.
        403 if matches!(word, Some("BadJwtToken" | "ExpiredJwtToken")) => {
            PushOutcome::Unauthorized { scope: Scope::Provider, reason }
        }
        403 => PushOutcome::AddressSuspect { reason },
        400 if word == Some("VapidPkHashMismatch") => PushOutcome::AddressSuspect { reason },
        // The service limits this subscription, or us: either way only this endpoint is known to be limited.
        429 => PushOutcome::Throttled { scope: Scope::Device, retry_after: reply.retry_after(now), reason },
        // Not processed: the server gave up waiting for us, or fears a replay.
        408 | 425 => PushOutcome::Unavailable { retry_after: reply.retry_after(now), reason },
        // ntfy, while nobody has subscribed to the topic yet.
        507 if now - registered_at > NOBODY_LISTENS => PushOutcome::AddressSuspect { reason },
        500..=599 => PushOutcome::Unavailable { retry_after: reply.retry_after(now), reason },
        // 400 bad headers, 413 too large, redirects (never followed) and whatever else: repeating it will not help,
        // and no standard makes any of it a reason to drop an address.
        _ => PushOutcome::Rejected { reason },
    }
}

fn apple_reason(reply: &Reply) -> Option<&'static str> {
    #[derive(Deserialize)]
    struct Body {
        reason: String,
    }
    let body: Body = serde_json::from_slice(&reply.body).ok()?;
    // Only words that we know leave this function: a service must not write into our logs and metrics.
    const KNOWN: [&str; 6] =
        ["BadJwtToken", "BadTtl", "BadUrgency", "BadWebPushTopic", "ExpiredJwtToken", "VapidPkHashMismatch"];
    KNOWN.into_iter().find(|known| *known == body.reason)
}
