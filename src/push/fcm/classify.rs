//! What FCM's answer means. The HTTP status alone says little: 404 is a phone that is gone or a project that is not
//! ours, 400 a bad address or a bad message. FCM's own `errorCode` decides, then Google's `status`, then HTTP's.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::domain::alert::{PushOutcome, Reason, Scope};
use crate::push::http::{BodyEnd, Reply};

/// What Google's guide to scaling says to wait after a 429 without `Retry-After`.
const QUOTA_PAUSE: TimeDelta = TimeDelta::seconds(60);
/// Google's guide asks for this much before any retry, whatever an answer says.
const LEAST_WAIT: TimeDelta = TimeDelta::seconds(10);
/// What the HTML page of a 502 asks for.
const BAD_GATEWAY_PAUSE: TimeDelta = TimeDelta::seconds(30);
const MAX_NAME_CHARS: usize = 256;

/// The parts of an error that count.
struct Fault {
    /// FCM's own word.
    code: Option<String>,
    /// Google's general word.
    status: Option<String>,
    /// The fields that a 400 complains about.
    fields: Vec<String>,
    /// What a 429 says about whose quota is used up.
    quotas: Vec<String>,
    message: String,
}

/// Whether our bearer token is what was refused, so that a fresh one may help.
pub(super) fn is_token_refused(reply: &Reply) -> bool {
    reply.status == 401 && Fault::read(reply).code.as_deref() != Some("THIRD_PARTY_AUTH_ERROR")
}

pub(super) fn outcome(reply: &Reply, now: DateTime<Utc>) -> PushOutcome {
    let broken = reply.end == BodyEnd::Broken;
    match reply.status {
        200..=299 => return accepted(reply),
        // What the lost part said would have decided.
        400..=499 if broken && reply.status != 429 => {
            return PushOutcome::Unavailable { retry_after: None, reason: "broken_answer".into() };
        }
        _ => {}
    }
    let fault = Fault::read(reply);
    let reason = fault.reason(reply.status);
    match fault.code.as_deref() {
        Some("UNREGISTERED") => PushOutcome::Unregistered { since: None },
        Some("SENDER_ID_MISMATCH") => PushOutcome::AddressSuspect { reason },
        // The APNs or Web Push key that the Firebase console holds: FCM itself and its Android phones work on.
        Some("THIRD_PARTY_AUTH_ERROR") => PushOutcome::Unauthorized { scope: Scope::Device, reason },
        Some("INVALID_ARGUMENT") => fault.invalid(reason),
        Some("QUOTA_EXCEEDED") => fault.throttled(reply, now, reason),
        Some("INTERNAL" | "UNAVAILABLE") => unavailable(reply, now, reason),
        // FCM itself answered, so the address of the API is right; a new word must not silence everybody.
        Some(_) if reply.status == 404 => PushOutcome::Rejected { reason },
        _ => match Class::of(fault.status.as_deref(), reply.status) {
            Class::Invalid => fault.invalid(reason),
            Class::Quota => fault.throttled(reply, now, reason),
            Class::Ours => PushOutcome::Unauthorized { scope: Scope::Provider, reason },
            Class::Down => unavailable(reply, now, reason),
            Class::Unknown => PushOutcome::Rejected { reason },
        },
    }
}

/// What remains where FCM's own word is missing or new.
enum Class {
    Invalid,
    Quota,
    /// Our token, our permissions, our project, our URL: nobody's phone.
    Ours,
    Down,
    Unknown,
}

impl Class {
    fn of(status: Option<&str>, http_status: u16) -> Self {
        match status {
            Some("INVALID_ARGUMENT") => Self::Invalid,
            Some("RESOURCE_EXHAUSTED") => Self::Quota,
            Some("UNAUTHENTICATED" | "PERMISSION_DENIED" | "NOT_FOUND") => Self::Ours,
            Some("INTERNAL" | "UNAVAILABLE" | "DEADLINE_EXCEEDED") => Self::Down,
            _ => match http_status {
                400 => Self::Invalid,
                429 => Self::Quota,
                300..=399 | 401 | 403 | 404 => Self::Ours,
                408 | 500..=599 => Self::Down,
                _ => Self::Unknown,
            },
        }
    }
}

/// What FCM says of a message that it took.
#[derive(Deserialize)]
struct Message {
    name: String,
}

fn accepted(reply: &Reply) -> PushOutcome {
    let message = serde_json::from_slice::<Message>(&reply.body).ok();
    let name = message.map(|message| message.name);
    match name.filter(|name| is_name(name)) {
        Some(name) => PushOutcome::Accepted { provider_id: Some(name) },
        // Something stands between us and FCM (a captive portal, say), or the answer was cut. Sent again it replaces
        // the earlier one on the phone, should there be one.
        None => PushOutcome::Unavailable { retry_after: None, reason: "unreadable_answer".into() },
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_CHARS && name.starts_with("projects/") && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What the answer asks for, within Google's own bounds; the upper one, an hour, holds for every provider.
fn asked(reply: &Reply, now: DateTime<Utc>) -> Option<TimeDelta> {
    reply.retry_after(now).map(|wait| wait.max(LEAST_WAIT))
}

fn unavailable(reply: &Reply, now: DateTime<Utc>, reason: Reason) -> PushOutcome {
    let usual = (reply.status == 502).then_some(BAD_GATEWAY_PAUSE);
    PushOutcome::Unavailable { retry_after: asked(reply, now).or(usual), reason }
}

impl Fault {
    fn read(reply: &Reply) -> Self {
        let body = serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
        let error = &body["error"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let details: Vec<&Value> = error["details"].as_array().into_iter().flatten().collect();
        let of_type = |name: &'static str| {
            let ends = move |detail: &&&Value| detail["@type"].as_str().is_some_and(|kind| kind.ends_with(name));
            details.iter().filter(ends).copied()
        };
        let list = |detail: &Value, list: &str, keys: &[&str]| -> Vec<String> {
            let entries = detail[list].as_array().into_iter().flatten();
            entries.flat_map(|entry| keys.iter().filter_map(|key| text(&entry[*key]))).collect()
        };
        Self {
            code: of_type(".FcmError").find_map(|detail| text(&detail["errorCode"])),
            status: text(&error["status"]),
            fields: of_type(".BadRequest").flat_map(|detail| list(detail, "fieldViolations", &["field"])).collect(),
            quotas: of_type(".QuotaFailure")
                .flat_map(|detail| list(detail, "violations", &["subject", "description"]))
                .collect(),
            message: text(&error["message"]).unwrap_or_default(),
        }
    }

    /// The most precise word there is, if it is one: an answer must not write sentences into our logs and metrics.
    fn reason(&self, http_status: u16) -> Reason {
        let is_word = |text: &&String| {
            (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        };
        let word = self.code.as_ref().filter(is_word).or(self.status.as_ref().filter(is_word));
        word.map_or_else(|| format!("http_{http_status}"), Clone::clone).into()
    }

    /// A bad address or a bad message. The address is never dropped for it: a mistake of ours looks the same.
    fn invalid(&self, reason: Reason) -> PushOutcome {
        let names_address = self.fields.iter().any(|field| matches!(field.as_str(), "message.token" | "message.fid"));
        if names_address || self.message.contains("not a valid FCM registration token") {
            PushOutcome::AddressSuspect { reason }
        } else {
            PushOutcome::Rejected { reason }
        }
    }

    /// The project's quota, unless the answer says that it is this device's.
    fn throttled(&self, reply: &Reply, now: DateTime<Utc>, reason: Reason) -> PushOutcome {
        let of_device = |quota: &String| {
            let quota = quota.to_ascii_lowercase();
            quota.contains("device") || quota.starts_with("token:") || quota.starts_with("fid:")
        };
        let device = self.quotas.iter().chain(&self.code).any(of_device);
        let scope = if device { Scope::Device } else { Scope::Provider };
        PushOutcome::Throttled { scope, retry_after: Some(asked(reply, now).unwrap_or(QUOTA_PAUSE)), reason }
    }
}
