//! What Expo's answers mean. A request has an answer as a whole, each message in it a ticket, each ticket later a receipt;
//! tickets and receipts speak of a message in the same words.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::alert::{PushOutcome, Reason, Scope};
use crate::push::http::{BodyEnd, Reply};

/// Longer than any id that Expo gives: those are UUIDs.
const MAX_ID_BYTES: usize = 128;
/// Expo's word for addresses of more than one project in one request.
const SEVERAL_PROJECTS: &str = "PUSH_TOO_MANY_EXPERIENCE_IDS";

/// What a request with messages brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An outcome for each message, in order.
    Each(Vec<PushOutcome>),
    /// The same for all of them.
    All(PushOutcome),
    /// Nothing was sent: the addresses belong to several projects, sorted here as far as Expo says.
    Apart(Vec<Vec<String>>),
}

/// Reads the answer to a request with `count` messages.
pub(super) fn tickets(reply: &Reply, count: usize, now: DateTime<Utc>) -> Answer {
    let body = match read(reply, now) {
        Ok(body) => body,
        Err(Fault { projects: Some(projects), .. }) if count > 1 => return Answer::Apart(projects),
        Err(fault) => return Answer::All(fault.outcome),
    };
    match &body["data"] {
        Value::Array(tickets) if tickets.len() == count => Answer::Each(tickets.iter().map(ticket).collect()),
        ticket @ Value::Object(_) if count == 1 => Answer::Each(vec![self::ticket(ticket)]),
        // Whose ticket is missing nobody can tell. Some or all were taken; sent again they replace the earlier ones.
        Value::Array(_) => Answer::All(unavailable("ticket_count")),
        _ => Answer::All(unavailable("unreadable_answer")),
    }
}

/// Reads the answer to a question for receipts: what Expo knows by now, by id.
pub(super) fn receipts(reply: &Reply, now: DateTime<Utc>) -> Result<Vec<(String, PushOutcome)>, PushOutcome> {
    let body = read(reply, now).map_err(|fault| fault.outcome)?;
    let receipts = body["data"].as_object().ok_or_else(|| unavailable("unreadable_answer"))?;
    Ok(receipts.iter().map(|(id, receipt)| (id.clone(), message(receipt, None))).collect())
}

/// A request that failed as a whole.
struct Fault {
    /// The addresses by project, where there were several.
    projects: Option<Vec<Vec<String>>>,
    outcome: PushOutcome,
}

/// The body of an answer, unless the request failed.
fn read(reply: &Reply, now: DateTime<Utc>) -> Result<Value, Fault> {
    let parsed = serde_json::from_slice::<Value>(&reply.body).ok().filter(|_| reply.end == BodyEnd::Whole);
    let body = parsed.unwrap_or_default();
    let is_success = (200..300).contains(&reply.status);
    if is_success && !body["data"].is_null() {
        return Ok(body);
    }
    let error = &body["errors"][0];
    let code = error["code"].as_str();
    let reason = code.and_then(word).unwrap_or_else(|| format!("http_{}", reply.status).into());
    let retry_after = reply.retry_after(now);
    let ours = |reason| PushOutcome::Unauthorized { scope: Scope::Provider, reason };
    let throttled = |reason| PushOutcome::Throttled { scope: Scope::Provider, retry_after, reason };
    let down = |reason| PushOutcome::Unavailable { retry_after, reason };
    let outcome = match (code, reply.status) {
        (Some("TOO_MANY_REQUESTS"), _) => throttled(reason),
        (Some("UNAUTHORIZED"), _) => ours(reason),
        (Some(SEVERAL_PROJECTS | "PUSH_TOO_MANY_NOTIFICATIONS" | "PUSH_TOO_MANY_RECEIPTS"), _) => {
            PushOutcome::Rejected { reason }
        }
        (_, 429) => throttled(reason),
        // What the lost part said would have decided.
        (_, 400..=499) if reply.end == BodyEnd::Broken => down("broken_answer".into()),
        // The token, or the URL: nobody's phone.
        (_, 300..=399 | 401 | 403 | 404) => ours(reason),
        (_, 408 | 500..=599) => down(reason),
        // Something stands between us and Expo, or the answer was cut; or Expo has a new word for a bad moment.
        (None, 200..=299) => down("unreadable_answer".into()),
        (Some(_), 200..=299) => down(reason),
        _ => PushOutcome::Rejected { reason },
    };
    let projects = (code == Some(SEVERAL_PROJECTS)).then(|| projects(&error["details"]));
    Err(Fault { projects, outcome })
}

fn ticket(ticket: &Value) -> PushOutcome {
    let id = ticket["id"].as_str();
    let usable = |id: &&str| (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    message(ticket, id.filter(usable).map(str::to_owned))
}

/// What a ticket or a receipt says of its message.
fn message(said: &Value, id: Option<String>) -> PushOutcome {
    match said["status"].as_str() {
        Some("ok") => return PushOutcome::Accepted { provider_id: id },
        Some("error") => {}
        _ => return unavailable("unreadable_answer"),
    }
    let code = said["details"]["error"].as_str();
    let reason = code.and_then(word).unwrap_or_else(|| "unknown".into());
    match code {
        Some("DeviceNotRegistered") => PushOutcome::Unregistered { since: None },
        Some("MessageRateExceeded") => PushOutcome::Throttled { scope: Scope::Device, retry_after: None, reason },
        // The FCM or APNs key that Expo holds: the other platform's phones, and other apps', work on.
        Some("InvalidCredentials" | "MismatchSenderId") => PushOutcome::Unauthorized { scope: Scope::Device, reason },
        // Expo itself, or what it talked to.
        Some("ExpoError" | "ProviderError") => PushOutcome::Unavailable { retry_after: None, reason },
        // MessageTooBig, DeveloperError, and words that are not known yet.
        _ => PushOutcome::Rejected { reason },
    }
}

/// Addresses by project, from a map of project names.
fn projects(details: &Value) -> Vec<Vec<String>> {
    let texts = |addresses: &Value| {
        addresses.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    details.as_object().into_iter().flat_map(|projects| projects.values()).map(texts).collect()
}

fn unavailable(reason: &'static str) -> PushOutcome {
    PushOutcome::Unavailable { retry_after: None, reason: reason.into() }
}

/// The text, if it is one word: an answer must not write sentences into our logs and metrics.
fn word(text: &str) -> Option<Reason> {
    let is_word = (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_word.then(|| text.to_owned().into())
}
