//! Every status and reason of APNs over the wire, those that nobody has documented included.

use chrono::{DateTime, TimeDelta, Utc};
use mendline::domain::alert::{PushOutcome, Scope};

use super::apns::{Lab, accepted};
use super::now;
use crate::support::apple::Reaction;

fn suspect(reason: &'static str) -> PushOutcome {
    PushOutcome::AddressSuspect { reason: reason.into() }
}

fn ours(reason: &'static str) -> PushOutcome {
    PushOutcome::Unauthorized { scope: Scope::Provider, reason: reason.into() }
}

fn rejected(reason: &'static str) -> PushOutcome {
    PushOutcome::Rejected { reason: reason.into() }
}

fn down(seconds: Option<i64>, reason: &'static str) -> PushOutcome {
    PushOutcome::Unavailable { retry_after: seconds.map(TimeDelta::seconds), reason: reason.into() }
}

fn throttled(scope: Scope, seconds: i64, reason: &'static str) -> PushOutcome {
    PushOutcome::Throttled { scope, retry_after: Some(TimeDelta::seconds(seconds)), reason: reason.into() }
}

fn gone(since: Option<DateTime<Utc>>) -> PushOutcome {
    PushOutcome::Unregistered { since }
}

fn dead(reason: &str, timestamp: &str) -> Reaction {
    Reaction::with_body(410, format!(r#"{{"reason":"{reason}","timestamp":{timestamp}}}"#))
}

fn table() -> Vec<(Reaction, PushOutcome)> {
    let since: DateTime<Utc> = "2026-02-28T12:00:00.123Z".parse().unwrap();
    let millis = since.timestamp_millis().to_string();
    let a_year_on = (now() + TimeDelta::days(365)).timestamp_millis().to_string();
    let plain = |status: u16, words: &[&'static str], means: fn(&'static str) -> PushOutcome| {
        words.iter().map(|word| (Reaction::reason(status, word), means(word))).collect::<Vec<_>>()
    };
    let mut rows = vec![
        (Reaction::accept(), accepted()),
        (Reaction::accept().and("apns-unique-id", "5c8e7f64"), accepted()),
        (Reaction::with_body(200, "{}"), accepted()),
        // The phone.
        (dead("Unregistered", &millis), gone(Some(since))),
        (dead("ExpiredToken", &millis), gone(Some(since))),
        (dead("Unregistered", &a_year_on), gone(Some(now()))),
        (dead("Unregistered", "9223372036854775807"), gone(None)),
        (Reaction::reason(410, "Unregistered"), gone(None)),
        (Reaction::reason(410, "ExpiredToken"), gone(None)),
        // Nobody has documented these, and none of them costs a phone its address.
        (Reaction::reason(410, "SomethingNew"), suspect("SomethingNew")),
        (Reaction::status(410), suspect("http_410")),
        (Reaction::with_body(410, "<html>gone</html>"), suspect("http_410")),
        (dead("Unregistered", "\"yesterday\""), suspect("http_410")),
        // The connection; a second one says the same.
        (Reaction::reason(400, "IdleTimeout"), PushOutcome::NotSent { reason: "IdleTimeout".into() }),
        (Reaction::reason(403, "UnrelatedKeyIdInToken"), ours("UnrelatedKeyIdInToken")),
        // Limits.
        (Reaction::reason(429, "TooManyRequests"), throttled(Scope::Device, 60, "TooManyRequests")),
        (
            Reaction::reason(429, "TooManyRequests").and("retry-after", "300"),
            throttled(Scope::Device, 300, "TooManyRequests"),
        ),
        (
            Reaction::reason(429, "TooManyProviderTokenUpdates"),
            throttled(Scope::Provider, 60, "TooManyProviderTokenUpdates"),
        ),
        (Reaction::reason(429, "SomethingNew"), throttled(Scope::Provider, 60, "SomethingNew")),
        (Reaction::status(429).and("retry-after", "90"), throttled(Scope::Provider, 90, "http_429")),
        // Outages.
        (Reaction::reason(500, "InternalServerError"), down(None, "InternalServerError")),
        (Reaction::reason(503, "ServiceUnavailable"), down(None, "ServiceUnavailable")),
        (Reaction::reason(503, "ServiceUnavailable").and("retry-after", "120"), down(Some(120), "ServiceUnavailable")),
        (Reaction::reason(503, "Shutdown"), down(None, "Shutdown")),
        (Reaction::reason(500, "SomethingNew"), down(None, "SomethingNew")),
        (Reaction::status(500), down(None, "http_500")),
        (Reaction::status(502), down(None, "http_502")),
        (Reaction::status(504), down(None, "http_504")),
        (Reaction::status(408), down(None, "http_408")),
        // Not Apple at all.
        (Reaction::status(301), ours("http_301")),
        (Reaction::status(307), ours("http_307")),
        (Reaction::status(401), ours("http_401")),
        (Reaction::status(403), ours("http_403")),
        (Reaction::status(404), ours("http_404")),
        (Reaction::with_body(404, "<html>"), ours("http_404")),
        (Reaction::status(405), ours("http_405")),
        (Reaction::status(204), rejected("http_204")),
        // What nobody has documented.
        (Reaction::reason(400, "SomethingNew"), rejected("SomethingNew")),
        (Reaction::reason(400, "a sentence with token=abc"), rejected("http_400")),
        (Reaction::with_body(400, r#"{"reason":7}"#), rejected("http_400")),
        (Reaction::status(400), rejected("http_400")),
        (Reaction::reason(403, "SomethingNew"), ours("SomethingNew")),
        (Reaction::reason(404, "SomethingNew"), rejected("SomethingNew")),
        (Reaction::status(418), rejected("http_418")),
    ];
    rows.extend(plain(400, &["BadDeviceToken", "DeviceTokenNotForTopic"], suspect));
    rows.extend(plain(
        400,
        &[
            "BadCollapseId",
            "BadExpirationDate",
            "BadMessageId",
            "BadPriority",
            "BadTopic",
            "DuplicateHeaders",
            "InvalidPushType",
            "MissingDeviceToken",
            "MissingTopic",
            "PayloadEmpty",
            "TopicDisallowed",
        ],
        rejected,
    ));
    rows.extend(plain(413, &["PayloadTooLarge"], rejected));
    rows.extend(plain(404, &["BadPath"], rejected));
    rows.extend(plain(405, &["MethodNotAllowed"], rejected));
    rows.extend(plain(
        403,
        &[
            "BadCertificate",
            "BadCertificateEnvironment",
            "BadEnvironmentKeyIdInToken",
            "BadEnvironmentKeyInToken",
            "ExpiredProviderToken",
            "Forbidden",
            "InvalidProviderToken",
            "MissingProviderToken",
        ],
        ours,
    ));
    rows
}

#[tokio::test]
async fn every_row_of_the_reason_table_has_its_meaning() {
    let rows = table();
    assert_eq!(rows.len(), 68);
    for (reaction, expected) in rows {
        let shown = format!("{reaction:?}");
        let lab = Lab::new(move |_| reaction.clone()).await;
        assert_eq!(lab.send().await, expected, "{shown}");
    }
}
