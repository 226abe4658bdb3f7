//! Web Push on the wire: headers, token, body, and the meaning of every status.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mendline::domain::alert::{PushOutcome, Scope};
use mendline::domain::device::WebPushKeys;
use mendline::domain::endpoint::AllowedHosts;
use mendline::push::http::HttpSettings;
use mendline::push::web_push::{VapidKey, VapidKeys, VapidSubject, WebPush, WebPushSettings};
use mendline::push::{PushProvider as _, PushTarget};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{clocks, message, now, subscription, vapid_keys, web_push};
use crate::support::contract::assert_is;

async fn service(answer: ResponseTemplate) -> (MockServer, String) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/wpush/abc")).respond_with(answer).mount(&server).await;
    let endpoint = format!("{}/wpush/abc", server.uri());
    (server, endpoint)
}

async fn outcome_of(answer: ResponseTemplate) -> PushOutcome {
    let (server, endpoint) = service(answer).await;
    let sender = web_push(&server.address().to_string(), HttpSettings::default());
    sender.send(&subscription(&endpoint).0, &message()).await
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap()
}

#[tokio::test]
async fn a_message_arrives_with_exactly_these_headers_and_only_the_phone_can_read_it() {
    let (server, endpoint) = service(ResponseTemplate::new(201).insert_header("location", "/m/secret")).await;
    let (target, phone) = subscription(&endpoint);
    let sender = web_push(&server.address().to_string(), HttpSettings::default());
    let outcome = sender.send(&target, &message()).await;
    assert_eq!(outcome, PushOutcome::Accepted { provider_id: None });

    let requests = server.received_requests().await.unwrap();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    let mut names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "authorization",
            "content-encoding",
            "content-length",
            "content-type",
            "host",
            "topic",
            "ttl",
            "urgency",
            "user-agent"
        ]
    );
    assert_eq!(header(request, "ttl"), "7200");
    assert_eq!(header(request, "urgency"), "normal");
    assert_eq!(header(request, "topic"), message().collapse.as_str());
    assert_eq!(header(request, "content-encoding"), "aes128gcm");
    assert_eq!(header(request, "content-type"), "application/octet-stream");

    let plain: Value = serde_json::from_slice(&phone.decrypt(&request.body).unwrap()).unwrap();
    let expected = json!({
        "v": 1, "alert_id": "00000000-0000-0000-0000-0000000000a1", "recipient": "r7", "category": "reminder",
        "title": "A reminder for you.",
    });
    assert_eq!(plain, expected);
    assert_is("WebPushMessage", &plain);
    let (_, stranger) = subscription(&endpoint);
    assert!(stranger.decrypt(&request.body).is_err());
}

#[tokio::test]
async fn the_token_names_the_endpoints_origin_and_verifies_under_the_key_beside_it() {
    let (server, endpoint) = service(ResponseTemplate::new(201)).await;
    let keys = vapid_keys();
    let settings = WebPushSettings {
        keys: keys.clone(),
        subject: VapidSubject::parse("mailto:ops@example.org").unwrap(),
        allowed_hosts: AllowedHosts::parse(&server.address().to_string()).unwrap(),
        http: HttpSettings::default(),
    };
    let sender = WebPush::new(settings, clocks()).unwrap();
    sender.send(&subscription(&endpoint).0, &message()).await;

    let request = server.received_requests().await.unwrap().remove(0);
    let value = header(&request, "authorization").strip_prefix("vapid t=").unwrap();
    let (token, public) = value.split_once(", k=").unwrap();
    assert_eq!(public, keys.current().public_key());

    let point = URL_SAFE_NO_PAD.decode(public).unwrap();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let mut rules = Validation::new(Algorithm::ES256);
    rules.set_audience(&[server.uri()]);
    // The library compares with the system's time; the test's clock stands elsewhere.
    rules.validate_exp = false;
    let checked = jsonwebtoken::decode::<Value>(token, &DecodingKey::from_ec_components(&x, &y).unwrap(), &rules);
    let checked = checked.unwrap();
    assert_eq!(checked.header.typ.as_deref(), Some("JWT"));
    let expires = (now() + TimeDelta::hours(12)).timestamp();
    assert_eq!(checked.claims, json!({"aud": server.uri(), "exp": expires, "sub": "mailto:ops@example.org"}));
}

/// What RFC 8030, RFC 8292 and the services' own pages say of each status, and of those that nobody mentions.
fn meaning(status: u16) -> PushOutcome {
    let reason = format!("http_{status}").into();
    match status {
        200..=299 => PushOutcome::Accepted { provider_id: None },
        401 => PushOutcome::Unauthorized { scope: Scope::Provider, reason },
        403 => PushOutcome::AddressSuspect { reason },
        404 | 410 => PushOutcome::Unregistered { since: None },
        429 => PushOutcome::Throttled { scope: Scope::Device, retry_after: None, reason },
        408 | 425 | 500..=599 => PushOutcome::Unavailable { retry_after: None, reason },
        _ => PushOutcome::Rejected { reason },
    }
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    let server = MockServer::start().await;
    let echo = |request: &Request| ResponseTemplate::new(request.url.path()[1..].parse::<u16>().unwrap());
    Mock::given(method("POST")).respond_with(echo).mount(&server).await;
    let sender = web_push(&server.address().to_string(), HttpSettings::default());
    for status in 200..600 {
        let (target, _) = subscription(&format!("{}/{status}", server.uri()));
        assert_eq!(sender.send(&target, &message()).await, meaning(status), "{status}");
    }
}

#[tokio::test]
async fn apples_words_say_whose_fault_it_is() {
    let ours = |reason: &'static str| PushOutcome::Unauthorized { scope: Scope::Provider, reason: reason.into() };
    let suspect = |reason: &'static str| PushOutcome::AddressSuspect { reason: reason.into() };
    let rejected = |reason: &'static str| PushOutcome::Rejected { reason: reason.into() };
    let rows = [
        (403, "BadJwtToken", ours("BadJwtToken")),
        (403, "ExpiredJwtToken", ours("ExpiredJwtToken")),
        (403, "VapidPkHashMismatch", suspect("VapidPkHashMismatch")),
        (400, "VapidPkHashMismatch", suspect("VapidPkHashMismatch")),
        (400, "BadTtl", rejected("BadTtl")),
        (400, "BadUrgency", rejected("BadUrgency")),
        (400, "BadWebPushTopic", rejected("BadWebPushTopic")),
        (403, "SomethingNew", suspect("http_403")),
        (400, "SomethingNew", rejected("http_400")),
        (410, "ExpiredToken", PushOutcome::Unregistered { since: None }),
    ];
    assert_eq!(rows.len(), 10);
    for (status, word, expected) in rows {
        let answer = ResponseTemplate::new(status).set_body_json(json!({"reason": word}));
        assert_eq!(outcome_of(answer).await, expected, "{status} {word}");
    }
}

#[tokio::test]
async fn a_topic_that_nobody_listens_to_is_given_a_day_and_then_left_alone() {
    let (server, endpoint) = service(ResponseTemplate::new(507)).await;
    let sender = web_push(&server.address().to_string(), HttpSettings::default());
    for (hours, expected) in [
        (23, PushOutcome::Unavailable { retry_after: None, reason: "http_507".into() }),
        (25, PushOutcome::AddressSuspect { reason: "http_507".into() }),
    ] {
        let target = PushTarget { registered_at: now() - TimeDelta::hours(hours), ..subscription(&endpoint).0 };
        assert_eq!(sender.send(&target, &message()).await, expected, "{hours}");
    }
}

#[tokio::test]
async fn a_subscription_is_served_with_the_key_it_was_made_with_and_a_key_that_is_gone_ends_it_alone() {
    let (server, endpoint) = service(ResponseTemplate::new(201)).await;
    let pems: String = (0..2).map(|_| VapidKey::generate_pem().unwrap()).collect();
    let keys = VapidKeys::from_pem(&pems).unwrap();
    let settings = WebPushSettings {
        keys: keys.clone(),
        subject: VapidSubject::parse("mailto:ops@example.org").unwrap(),
        allowed_hosts: AllowedHosts::parse(&server.address().to_string()).unwrap(),
        http: HttpSettings::default(),
    };
    let sender = WebPush::new(settings, clocks()).unwrap();
    let made_with = |id: &str| PushTarget { vapid_key_id: Some(id.to_owned()), ..subscription(&endpoint).0 };
    for key in keys.iter() {
        let outcome = sender.send(&made_with(key.id()), &message()).await;
        assert_eq!(outcome, PushOutcome::Accepted { provider_id: None });
    }
    let gone = PushOutcome::Unauthorized { scope: Scope::Device, reason: "vapid_key_removed".into() };
    assert_eq!(sender.send(&made_with("gone"), &message()).await, gone);
    let requests = server.received_requests().await.unwrap();
    let shown: Vec<&str> =
        requests.iter().map(|request| header(request, "authorization").split_once(", k=").unwrap().1).collect();
    assert_eq!(shown, keys.iter().map(VapidKey::public_key).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_services_wait_is_honoured_in_both_forms_and_capped() {
    for (value, seconds) in
        [("90", Some(90)), ("Sun, 01 Mar 2026 09:05:00 GMT", Some(300)), ("999999", Some(3600)), ("soon", None)]
    {
        let wait = seconds.map(TimeDelta::seconds);
        let busy = outcome_of(ResponseTemplate::new(429).insert_header("retry-after", value)).await;
        let expected = PushOutcome::Throttled { scope: Scope::Device, retry_after: wait, reason: "http_429".into() };
        assert_eq!(busy, expected, "{value}");
        let down = outcome_of(ResponseTemplate::new(503).insert_header("retry-after", value)).await;
        assert_eq!(down, PushOutcome::Unavailable { retry_after: wait, reason: "http_503".into() }, "{value}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (server, endpoint) = service(ResponseTemplate::new(301).insert_header("location", "/elsewhere")).await;
    let sender = web_push(&server.address().to_string(), HttpSettings::default());
    let outcome = sender.send(&subscription(&endpoint).0, &message()).await;
    assert_eq!(outcome, PushOutcome::Rejected { reason: "http_301".into() });
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_subscription_without_usable_keys_is_suspect_and_nothing_is_sent() {
    let (server, endpoint) = service(ResponseTemplate::new(201)).await;
    let sender = web_push(&server.address().to_string(), HttpSettings::default());
    let off_curve = WebPushKeys { p256dh: format!("B{}", "A".repeat(86)), auth: "A".repeat(22) };
    for (keys, reason) in [(None, "no_keys"), (Some(off_curve), "bad_keys")] {
        let target = PushTarget { keys, ..subscription(&endpoint).0 };
        let outcome = sender.send(&target, &message()).await;
        assert_eq!(outcome, PushOutcome::AddressSuspect { reason: reason.into() });
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[test]
fn an_answer_about_the_service_speaks_only_for_its_own_origin() {
    let realm = |endpoint: &str| subscription(endpoint).0.realm();
    assert_eq!(realm("https://push.example.org/a"), realm("https://push.example.org/b"));
    assert_ne!(realm("https://push.example.org/a"), realm("https://evil.example.org/a"));
    assert!(!realm("https://push.example.org/secret").contains("secret"));
}
