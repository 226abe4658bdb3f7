//! APNs on the wire: the request byte for byte, who signs it, and where it goes.

use std::sync::Arc;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mendline::clock::{Clock, Clocks};
use mendline::domain::alert::{PushOutcome, Scope};
use mendline::domain::device::Environment;
use mendline::push::apns::{self, Apns, ApnsKey, ApnsSettings};
use mendline::push::http::HttpSettings;
use mendline::push::{PushMessage, PushProvider as _, PushTarget, Urgency, VisibleText};
use serde_json::{Value, json};

use super::{clocks, message, now, quick, target};
use crate::support::apple::{Apple, Reaction, Seen};
use crate::support::contract::assert_is;

pub(super) const PHONE: &str = "00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0";

/// Apple, and a sender that talks to it in both environments.
pub(super) struct Lab {
    pub(super) apple: Apple,
    pub(super) sandbox: Apple,
    pub(super) apns: Arc<Apns>,
    pub(super) care: Clock,
    pub(super) wall: Clock,
    key: rcgen::KeyPair,
}

impl Lab {
    pub(super) async fn new(react: impl Fn(&Seen) -> Reaction + Send + Sync + 'static) -> Self {
        Self::with(HttpSettings::default(), react).await
    }

    pub(super) async fn with(http: HttpSettings, react: impl Fn(&Seen) -> Reaction + Send + Sync + 'static) -> Self {
        let apple = Apple::start(react).await;
        let base_url = apple.url();
        Self::at(apple, &base_url, http).await
    }

    /// With an Apple of the caller's, at an address of theirs.
    pub(super) async fn at(apple: Apple, base_url: &str, http: HttpSettings) -> Self {
        let sandbox = Apple::start(|_| Reaction::accept()).await;
        let key = rcgen::KeyPair::generate().unwrap();
        let Clocks { care, wall } = clocks();
        let settings = ApnsSettings {
            key: ApnsKey::new(&key.serialize_pem(), "KEY1234567", "TEAM123456").unwrap(),
            topic: "org.example.mendline".into(),
            base_url: base_url.parse().unwrap(),
            sandbox_base_url: sandbox.url().parse().unwrap(),
            http,
        };
        let apns = Apns::new(settings, Clocks { care: care.clone(), wall: wall.clone() }).unwrap();
        Self { apple, sandbox, apns: Arc::new(apns), care, wall, key }
    }

    pub(super) async fn send(&self) -> PushOutcome {
        self.apns.send(&target(&apns::CARRIER.provider, PHONE), &message()).await
    }

    fn claims(&self, seen: &Seen) -> (jsonwebtoken::Header, Value) {
        let token = seen.headers["authorization"].to_str().unwrap().strip_prefix("bearer ").unwrap();
        // The last 64 bytes of the public key are the point's coordinates.
        let public = self.key.public_key_raw();
        let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
        let key = DecodingKey::from_ec_components(&encode(&public[1..33]), &encode(&public[33..])).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_required_spec_claims::<&str>(&[]);
        rules.validate_exp = false;
        let checked = jsonwebtoken::decode::<Value>(token, &key, &rules).unwrap();
        (checked.header, checked.claims)
    }
}

pub(super) fn accepted() -> PushOutcome {
    PushOutcome::Accepted { provider_id: Some(message().delivery_id.to_string()) }
}

#[tokio::test]
async fn a_message_is_this_request_to_the_byte() {
    let lab = Lab::new(|_| Reaction::accept()).await;
    assert_eq!(lab.send().await, accepted());
    let seen = lab.apple.seen();
    let [request] = seen.as_slice() else { panic!("{} requests", seen.len()) };
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", format!("/3/device/{PHONE}").as_str()));
    let mut headers: Vec<(&str, &str)> =
        request.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    headers.retain(|(name, _)| !["authorization", "user-agent"].contains(name));
    headers.sort_unstable();
    let length = request.body.len().to_string();
    // 09:00:00 UTC on the wall, and two hours of the alert's time left.
    let expected = [
        ("accept", "*/*"),
        ("apns-collapse-id", "c0llapse-name-0f-22-ch"),
        ("apns-expiration", "1772362800"),
        ("apns-id", "00000000-0000-0000-0000-0000000000d1"),
        ("apns-priority", "10"),
        ("apns-push-type", "alert"),
        ("apns-topic", "org.example.mendline"),
        ("content-length", length.as_str()),
    ];
    assert_eq!(headers, expected);
    let body = concat!(
        r#"{"aps":{"alert":{"title":"A reminder for you."},"sound":"default","category":"reminder","mutable-content":1},"#,
        r#""v":1,"alert_id":"00000000-0000-0000-0000-0000000000a1","recipient":"r7","category":"reminder"}"#,
    );
    assert_eq!(String::from_utf8(request.body.clone()).unwrap(), body);
    assert_is("ApnsMessage", &serde_json::from_slice(&request.body).unwrap());
}

#[tokio::test]
async fn the_token_names_key_and_team_and_verifies_under_the_public_key() {
    let lab = Lab::new(|_| Reaction::accept()).await;
    lab.send().await;
    let (header, claims) = lab.claims(&lab.apple.seen()[0]);
    assert_eq!((header.alg, header.kid.as_deref(), header.typ), (Algorithm::ES256, Some("KEY1234567"), None));
    assert_eq!(claims, json!({"iss": "TEAM123456", "iat": now().timestamp()}));
}

#[tokio::test]
async fn everybody_sends_the_same_token_until_it_is_forty_five_minutes_old() {
    let lab = Lab::new(|_| Reaction::accept()).await;
    for minutes in [0, 44, 1] {
        lab.wall.advance(TimeDelta::minutes(minutes));
        lab.send().await;
    }
    let seen = lab.apple.seen();
    let issued: Vec<i64> = seen.iter().map(|seen| lab.claims(seen).1["iat"].as_i64().unwrap()).collect();
    let start = now().timestamp();
    assert_eq!(issued, [start, start, start + 45 * 60]);
    assert_eq!(seen[0].headers["authorization"], seen[1].headers["authorization"]);
}

#[tokio::test]
async fn a_device_names_its_app_and_its_environment_and_what_may_wait_says_so() {
    let lab = Lab::new(|_| Reaction::accept()).await;
    let phone = PushTarget {
        app_id: Some("org.example.other".into()),
        environment: Environment::Sandbox,
        ..target(&apns::CARRIER.provider, PHONE)
    };
    let message = PushMessage { urgency: Urgency::Low, ..message() };
    assert_eq!(lab.apns.send(&phone, &message).await, accepted());
    assert!(lab.apple.seen().is_empty());
    let request = lab.sandbox.seen().remove(0);
    assert_eq!(
        (&request.headers["apns-topic"], &request.headers["apns-priority"]),
        (&"org.example.other".parse().unwrap(), &"5".parse().unwrap())
    );
}

#[tokio::test]
async fn what_is_too_long_or_too_late_never_leaves() {
    let lab = Lab::new(|_| Reaction::accept()).await;
    let title = |length| PushMessage { text: VisibleText { title: "x".repeat(length), body: None }, ..message() };
    let phone = target(&apns::CARRIER.provider, PHONE);
    lab.send().await;
    let around = lab.apple.seen()[0].body.len() - message().text.title.len();
    let too_long = PushOutcome::Rejected { reason: "too_long".into() };
    assert_eq!(lab.apns.send(&phone, &title(4097 - around)).await, too_long);
    assert_eq!(lab.apns.send(&phone, &title(4096 - around)).await, accepted());
    assert_eq!(lab.apple.seen()[1].body.len(), 4096);
    lab.care.advance(TimeDelta::hours(2));
    assert_eq!(lab.send().await, PushOutcome::NotSent { reason: "expired".into() });
    assert_eq!(lab.apple.seen().len(), 2);
}

#[tokio::test]
async fn servers_that_misbehave_cost_one_bounded_timeout() {
    let down = |reason: &'static str| PushOutcome::Unavailable { retry_after: None, reason: reason.into() };
    let redirect = Reaction::status(301).and("location", "/3/device/elsewhere");
    for (reaction, expected) in [
        (Reaction::Silence, down("timeout")),
        (Reaction::Trickle(400), down("broken_answer")),
        (Reaction::Trickle(200), accepted()),
        (Reaction::HangUp, down("connection_closed")),
        (Reaction::with_body(200, vec![b'x'; 3 << 20]), down("unreadable_answer")),
        (Reaction::with_body(503, vec![b'x'; 3 << 20]), down("http_503")),
        (Reaction::with_body(200, "<html>log in</html>"), down("unreadable_answer")),
        (Reaction::with_body(400, "<html>"), PushOutcome::Rejected { reason: "http_400".into() }),
        (redirect, PushOutcome::Unauthorized { scope: Scope::Provider, reason: "http_301".into() }),
    ] {
        let lab = Lab::with(quick(), move |_| reaction.clone()).await;
        let began = std::time::Instant::now();
        let outcome = lab.send().await;
        assert_eq!(outcome, expected);
        assert!(began.elapsed() < quick().total_timeout * 5, "{outcome:?} took {:?}", began.elapsed());
        assert_eq!(lab.apple.seen().len(), 1, "{outcome:?}");
    }
}
