//! FCM on the wire: the token, the message byte for byte, and the meaning of every answer.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::signature::KeyPair as _;
use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mendline::clock::{Clock, Clocks};
use mendline::domain::alert::{PushOutcome, Scope};
use mendline::domain::device::AddressKind;
use mendline::push::fcm::{self, Fcm, FcmSettings, ServiceAccount};
use mendline::push::http::HttpSettings;
use mendline::push::{PushMessage, PushProvider as _, PushTarget, Registry, Urgency};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::faults::{answer_and_hang_up, read_request};
use super::{clocks, message, now, quick, target};
use crate::support::contract::assert_is;
use crate::support::google::{self, SEND};

fn account(token_uri: &str) -> ServiceAccount {
    ServiceAccount::from_json(&google::credentials(token_uri)).unwrap()
}

/// FCM and its token server in one.
pub(super) struct Google {
    pub(super) server: MockServer,
    pub(super) fcm: Fcm,
    care: Clock,
    wall: Clock,
}

impl Google {
    pub(super) async fn new() -> Self {
        Self::with(HttpSettings::default()).await
    }

    pub(super) async fn with(http: HttpSettings) -> Self {
        let server = MockServer::start().await;
        let Clocks { care, wall } = clocks();
        let settings = FcmSettings {
            account: account(&format!("{}/token", server.uri())),
            base_url: server.uri().parse().unwrap(),
            http,
        };
        let fcm = Fcm::new(settings, Clocks { care: care.clone(), wall: wall.clone() }).unwrap();
        Self { server, fcm, care, wall }
    }

    /// Grants tokens `t1`, `t2`, … of `seconds` each.
    pub(super) async fn granting(self, seconds: i64) -> Self {
        let granted = AtomicUsize::new(0);
        self.answering("/token", move |_: &Request| {
            let n = granted.fetch_add(1, Ordering::Relaxed) + 1;
            let body = json!({"access_token": format!("t{n}"), "expires_in": seconds, "token_type": "Bearer"});
            ResponseTemplate::new(200).set_body_json(body)
        })
        .await
    }

    pub(super) async fn answering(self, at: &str, answer: impl wiremock::Respond + 'static) -> Self {
        Mock::given(method("POST")).and(path(at)).respond_with(answer).mount(&self.server).await;
        self
    }

    async fn accepting(self) -> Self {
        self.answering(SEND, accepted()).await
    }

    async fn send(&self) -> PushOutcome {
        self.fcm.send(&target(&fcm::CARRIER.provider, "phone-1:APA91b"), &message()).await
    }

    pub(super) async fn requests(&self, at: &str) -> Vec<Request> {
        let all = self.server.received_requests().await.unwrap();
        all.into_iter().filter(|request| request.url.path() == at).collect()
    }

    async fn bearers(&self) -> Vec<String> {
        let requests = self.requests(SEND).await;
        requests.iter().map(|request| request.headers["authorization"].to_str().unwrap().to_owned()).collect()
    }
}

pub(super) fn accepted() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({"name": "projects/recovery-1/messages/0:1"}))
}

fn accepted_outcome() -> PushOutcome {
    PushOutcome::Accepted { provider_id: Some("projects/recovery-1/messages/0:1".into()) }
}

/// An error as FCM writes it.
pub(super) fn error(http: u16, status: &str, details: Value) -> ResponseTemplate {
    let body = json!({"error": {"code": http, "message": "words", "status": status, "details": details}});
    ResponseTemplate::new(http).set_body_json(body)
}

pub(super) fn fcm_error(code: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
}

#[tokio::test]
async fn a_message_is_this_json_to_the_byte() {
    let google = Google::new().await.granting(3599).await.accepting().await;
    assert_eq!(google.send().await, accepted_outcome());

    let request = google.requests(SEND).await.remove(0);
    assert_eq!(request.headers["authorization"], "Bearer t1");
    assert_eq!(request.headers["content-type"], "application/json; charset=utf-8");
    let mut names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "authorization", "content-length", "content-type", "host", "user-agent"]);

    let collapse = message().collapse.as_str().to_owned();
    // 09:00:00 UTC on the wall, and two hours of the alert's time left.
    let expected = [
        r#"{"message":{"token":"phone-1:APA91b","notification":{"title":"A reminder for you."},"#,
        r#""data":{"v":"1","alert_id":"00000000-0000-0000-0000-0000000000a1","recipient":"r7","category":"reminder"},"#,
        r#""android":{"priority":"high","ttl":"7200s","notification":{"tag":"COLLAPSE","channel_id":"reminder","visibility":"PRIVATE"}},"#,
        r#""apns":{"headers":{"apns-collapse-id":"COLLAPSE","apns-expiration":"1772362800","apns-priority":"10","apns-push-type":"alert"},"#,
        r#""payload":{"aps":{"alert":{"title":"A reminder for you."},"sound":"default","mutable-content":1}}},"#,
        r#""webpush":{"headers":{"TTL":"7200","Urgency":"normal","Topic":"COLLAPSE"}}}}"#,
    ];
    assert_is("FcmRequest", &serde_json::from_slice(&request.body).unwrap());
    assert_eq!(String::from_utf8(request.body).unwrap(), expected.concat().replace("COLLAPSE", &collapse));
}

#[tokio::test]
async fn an_installation_id_goes_into_its_own_field_and_what_may_wait_does() {
    let google = Google::new().await.granting(3599).await.accepting().await;
    let target =
        PushTarget { address_kind: AddressKind::Fid, ..target(&fcm::CARRIER.provider, "cQ1xAAAAAAAAAAAAAAAA-_") };
    let message = PushMessage { urgency: Urgency::Low, ..message() };
    google.fcm.send(&target, &message).await;
    let body: Value = serde_json::from_slice(&google.requests(SEND).await[0].body).unwrap();
    assert_is("FcmRequest", &body);
    let message = &body["message"];
    assert_eq!((&message["fid"], &message["token"]), (&json!("cQ1xAAAAAAAAAAAAAAAA-_"), &Value::Null));
    assert_eq!(message["android"]["priority"], "normal");
    assert_eq!(message["apns"]["headers"]["apns-priority"], "5");
    assert_eq!(message["webpush"]["headers"]["Urgency"], "low");
    assert!(!body.to_string().contains("collapse_key"));
}

#[tokio::test]
async fn the_assertion_names_us_and_verifies_under_our_public_key() {
    let google = Google::new().await.granting(3599).await.accepting().await;
    google.send().await;
    let request = google.requests("/token").await.remove(0);
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    assert_eq!(form[0], ("grant_type".into(), "urn:ietf:params:oauth:grant-type:jwt-bearer".into()));
    assert_eq!((form[1].0.as_str(), form.len()), ("assertion", 2));

    let mut rules = Validation::new(Algorithm::RS256);
    let token_uri = format!("{}/token", google.server.uri());
    rules.set_audience(&[&token_uri]);
    rules.validate_exp = false;
    let public = DecodingKey::from_rsa_der(google::key().public_key().as_ref());
    let checked = jsonwebtoken::decode::<Value>(&form[1].1, &public, &rules).unwrap();
    assert_eq!(checked.header.kid.as_deref(), Some("kid-1"));
    assert_eq!(checked.header.typ.as_deref(), Some("JWT"));
    let expected = json!({
        "iss": "push@recovery-1.example",
        "scope": "https://www.googleapis.com/auth/firebase.messaging",
        "aud": token_uri,
        "iat": now().timestamp(),
        "exp": now().timestamp() + 3600,
    });
    assert_eq!(checked.claims, expected);
}

#[tokio::test]
async fn many_sends_at_once_ask_for_one_token() {
    let google = Google::new().await.granting(3599).await.accepting().await;
    let outcomes = futures_util::future::join_all((0..40).map(|_| google.send())).await;
    assert!(outcomes.iter().all(|outcome| *outcome == accepted_outcome()));
    assert_eq!(google.requests("/token").await.len(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_in_its_last_five_minutes_and_not_before() {
    let google = Google::new().await.granting(3600).await.accepting().await;
    for minutes in [0, 54, 2] {
        google.wall.advance(TimeDelta::minutes(minutes));
        google.send().await;
    }
    assert_eq!(google.bearers().await, ["Bearer t1", "Bearer t1", "Bearer t2"]);
}

#[tokio::test]
async fn while_renewal_fails_the_old_token_is_used_and_the_token_server_is_left_in_peace() {
    let calls = AtomicUsize::new(0);
    let once = move |_: &Request| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => ResponseTemplate::new(200).set_body_json(json!({"access_token": "t1", "expires_in": 3600})),
        _ => ResponseTemplate::new(503),
    };
    let google = Google::new().await.answering("/token", once).await.accepting().await;
    google.send().await;
    google.wall.advance(TimeDelta::minutes(56));
    for _ in 0..5 {
        assert_eq!(google.send().await, accepted_outcome());
    }
    assert_eq!(google.requests("/token").await.len(), 2, "one failure, then a pause");
    google.wall.advance(TimeDelta::seconds(11));
    google.send().await;
    assert_eq!(google.requests("/token").await.len(), 3);

    google.wall.advance(TimeDelta::minutes(5));
    let without = google.send().await;
    let wait = Some(TimeDelta::seconds(40));
    let reason = "oauth_http_503".into();
    assert_eq!(without, PushOutcome::Throttled { scope: Scope::Provider, retry_after: wait, reason });
    google.wall.advance(TimeDelta::seconds(30));
    let wait = Some(TimeDelta::seconds(10));
    let reason = "oauth_http_503".into();
    assert_eq!(google.send().await, PushOutcome::Throttled { scope: Scope::Provider, retry_after: wait, reason });
    assert_eq!(google.requests("/token").await.len(), 4);
    assert_eq!(google.requests(SEND).await.len(), 7, "nothing is sent without a token");
}

#[tokio::test]
async fn what_the_token_server_says_is_told_apart() {
    let throttled = |seconds, reason: &'static str| PushOutcome::Throttled {
        scope: Scope::Provider,
        retry_after: Some(TimeDelta::seconds(seconds)),
        reason: reason.into(),
    };
    let unauthorized =
        |reason: &'static str| PushOutcome::Unauthorized { scope: Scope::Provider, reason: reason.into() };
    let denied = |word: &str| ResponseTemplate::new(400).set_body_json(json!({"error": word}));
    for (answer, expected) in [
        (denied("invalid_grant"), unauthorized("oauth_invalid_grant")),
        (denied("<script>"), unauthorized("oauth_http_400")),
        (ResponseTemplate::new(401), unauthorized("oauth_http_401")),
        (ResponseTemplate::new(404).set_body_string("<html>"), unauthorized("oauth_http_404")),
        (ResponseTemplate::new(429).insert_header("retry-after", "120"), throttled(120, "oauth_http_429")),
        (ResponseTemplate::new(500), throttled(10, "oauth_http_500")),
        (ResponseTemplate::new(302).insert_header("location", "/x"), throttled(10, "oauth_http_302")),
        (ResponseTemplate::new(200).set_body_string("<html>"), throttled(10, "oauth_unreadable_answer")),
        (
            ResponseTemplate::new(200).set_body_json(json!({"access_token": "a\nb"})),
            throttled(10, "oauth_unreadable_answer"),
        ),
        (ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(5)), throttled(10, "oauth_timeout")),
    ] {
        let google = Google::with(quick()).await.answering("/token", answer).await.accepting().await;
        assert_eq!(google.send().await, expected);
        assert!(google.requests(SEND).await.is_empty());
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_message_sent_again() {
    let by_token = |request: &Request| match request.headers["authorization"].to_str().unwrap() {
        "Bearer t1" => error(401, "UNAUTHENTICATED", json!([])),
        _ => accepted(),
    };
    let google = Google::new().await.granting(3600).await.answering(SEND, by_token).await;
    let outcomes = futures_util::future::join_all((0..10).map(|_| google.send())).await;
    assert!(outcomes.iter().all(|outcome| *outcome == accepted_outcome()), "{outcomes:?}");
    assert_eq!(google.requests("/token").await.len(), 2, "one token, and one in its place");
}

#[tokio::test]
async fn a_project_that_refuses_every_token_is_not_a_storm_of_renewals() {
    let refuse = error(401, "UNAUTHENTICATED", json!([]));
    let google = Google::new().await.granting(3600).await.answering(SEND, refuse).await;
    for _ in 0..5 {
        assert_eq!(
            google.send().await,
            PushOutcome::Unauthorized { scope: Scope::Provider, reason: "UNAUTHENTICATED".into() }
        );
    }
    assert_eq!(google.requests("/token").await.len(), 2);
    assert_eq!(google.requests(SEND).await.len(), 6, "the first one twice, the others once");
    google.wall.advance(TimeDelta::minutes(2));
    google.send().await;
    assert_eq!(google.requests("/token").await.len(), 3);
}

/// Every row of FCM's error table, what nobody documents included.
fn table() -> Vec<(&'static str, ResponseTemplate, PushOutcome)> {
    let wait = |seconds| Some(TimeDelta::seconds(seconds));
    let suspect = |reason: &'static str| PushOutcome::AddressSuspect { reason: reason.into() };
    let ours = |reason: &'static str| PushOutcome::Unauthorized { scope: Scope::Provider, reason: reason.into() };
    let rejected = |reason: &'static str| PushOutcome::Rejected { reason: reason.into() };
    let down = |retry_after, reason: &'static str| PushOutcome::Unavailable { retry_after, reason: reason.into() };
    let throttled = |scope, seconds, reason: &'static str| PushOutcome::Throttled {
        scope,
        retry_after: wait(seconds),
        reason: reason.into(),
    };
    let with = |http, status: &str, code: &str| error(http, status, json!([fcm_error(code)]));
    let bad_field = |field: &str| {
        json!([fcm_error("INVALID_ARGUMENT"), {
            "@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": field, "description": "x"}]
        }])
    };
    let quota_of = |subject: &str| {
        json!([fcm_error("QUOTA_EXCEEDED"), {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"subject": subject, "description": "x"}]
        }])
    };
    let not_valid = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "The registration token is not a valid FCM registration token", "details": [fcm_error("INVALID_ARGUMENT")]}});
    let html = |http| ResponseTemplate::new(http).set_body_string("<html>try again in 30 seconds</html>");
    vec![
        ("bad token", error(400, "INVALID_ARGUMENT", bad_field("message.token")), suspect("INVALID_ARGUMENT")),
        ("bad fid", error(400, "INVALID_ARGUMENT", bad_field("message.fid")), suspect("INVALID_ARGUMENT")),
        ("bad token, in words", ResponseTemplate::new(400).set_body_json(not_valid), suspect("INVALID_ARGUMENT")),
        (
            "bad message",
            error(400, "INVALID_ARGUMENT", bad_field("message.data[0].value")),
            rejected("INVALID_ARGUMENT"),
        ),
        ("too large", error(400, "INVALID_ARGUMENT", Value::Null), rejected("INVALID_ARGUMENT")),
        ("400 in HTML", html(400), rejected("http_400")),
        (
            "console's key",
            with(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
            PushOutcome::Unauthorized { scope: Scope::Device, reason: "THIRD_PARTY_AUTH_ERROR".into() },
        ),
        ("foreign address", with(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), suspect("SENDER_ID_MISMATCH")),
        ("API disabled", error(403, "PERMISSION_DENIED", json!([])), ours("PERMISSION_DENIED")),
        ("403 in HTML", html(403), ours("http_403")),
        ("gone", with(404, "NOT_FOUND", "UNREGISTERED"), PushOutcome::Unregistered { since: None }),
        (
            "gone, whatever the status",
            with(400, "INVALID_ARGUMENT", "UNREGISTERED"),
            PushOutcome::Unregistered { since: None },
        ),
        ("wrong project", error(404, "NOT_FOUND", json!([])), ours("NOT_FOUND")),
        ("wrong URL", html(404), ours("http_404")),
        ("a new word for 404", with(404, "NOT_FOUND", "MOVED_AWAY"), rejected("MOVED_AWAY")),
        ("quota", with(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), throttled(Scope::Provider, 60, "QUOTA_EXCEEDED")),
        (
            "quota, with a wait",
            with(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED").insert_header("retry-after", "75"),
            throttled(Scope::Provider, 75, "QUOTA_EXCEEDED"),
        ),
        (
            "a device's quota",
            error(429, "RESOURCE_EXHAUSTED", quota_of("Device message rate")),
            throttled(Scope::Device, 60, "QUOTA_EXCEEDED"),
        ),
        (
            "the project's quota",
            error(429, "RESOURCE_EXHAUSTED", quota_of("project:recovery-1")),
            throttled(Scope::Provider, 60, "QUOTA_EXCEEDED"),
        ),
        ("overload", error(429, "RESOURCE_EXHAUSTED", json!([])), throttled(Scope::Provider, 60, "RESOURCE_EXHAUSTED")),
        (
            "a device's quota, by FCM's own word",
            with(429, "RESOURCE_EXHAUSTED", "DEVICE_MESSAGE_RATE_EXCEEDED"),
            throttled(Scope::Device, 60, "DEVICE_MESSAGE_RATE_EXCEEDED"),
        ),
        (
            "a wait below Google's own least",
            with(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED").insert_header("retry-after", "1"),
            throttled(Scope::Provider, 10, "QUOTA_EXCEEDED"),
        ),
        (
            "a wait of days",
            with(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED").insert_header("retry-after", "200000"),
            throttled(Scope::Provider, 3600, "QUOTA_EXCEEDED"),
        ),
        ("request timeout", html(408), down(None, "http_408")),
        ("429 in HTML", html(429), throttled(Scope::Provider, 60, "http_429")),
        ("internal", with(500, "INTERNAL", "INTERNAL"), down(None, "INTERNAL")),
        ("500 without a word", ResponseTemplate::new(500), down(None, "http_500")),
        ("bad gateway", html(502), down(wait(30), "http_502")),
        ("unavailable", with(503, "UNAVAILABLE", "UNAVAILABLE"), down(None, "UNAVAILABLE")),
        (
            "unavailable, with a wait",
            with(503, "UNAVAILABLE", "UNAVAILABLE").insert_header("retry-after", "120"),
            down(wait(120), "UNAVAILABLE"),
        ),
        (
            "unavailable, until a moment",
            with(503, "UNAVAILABLE", "UNAVAILABLE").insert_header("retry-after", "Sun, 01 Mar 2026 09:10:00 GMT"),
            down(wait(600), "UNAVAILABLE"),
        ),
        ("gateway timeout", html(504), down(None, "http_504")),
        ("unknown, with a word", with(422, "SOMETHING", "SOMETHING_ELSE"), rejected("SOMETHING_ELSE")),
        ("unknown, with a sentence", with(418, "short and stout", "spout"), rejected("http_418")),
        ("unspecified", with(500, "INTERNAL", "UNSPECIFIED_ERROR"), down(None, "UNSPECIFIED_ERROR")),
        ("redirect", ResponseTemplate::new(301).insert_header("location", "/x"), ours("http_301")),
        ("200 in HTML", html(200), down(None, "unreadable_answer")),
        ("200 without a name", ResponseTemplate::new(200).set_body_json(json!({})), down(None, "unreadable_answer")),
        (
            "200 of megabytes",
            ResponseTemplate::new(200).set_body_bytes(vec![b' '; 3 << 20]),
            down(None, "unreadable_answer"),
        ),
        ("503 of megabytes", ResponseTemplate::new(503).set_body_bytes(vec![b'x'; 3 << 20]), down(None, "http_503")),
    ]
}

#[tokio::test]
async fn every_row_of_the_error_table_has_its_meaning() {
    let rows = table();
    assert_eq!(rows.len(), 40);
    for (name, answer, expected) in rows {
        let google = Google::new().await.granting(3599).await.answering(SEND, answer).await;
        assert_eq!(google.send().await, expected, "{name}");
        assert_eq!(google.requests(SEND).await.len(), 1, "{name}: sent once");
    }
}

#[tokio::test]
async fn what_expires_while_a_token_is_fetched_or_replaced_is_not_sent() {
    let expired = PushOutcome::NotSent { reason: "expired".into() };
    let (care, granted) = (clocks().care, AtomicUsize::new(0));
    let google = Google::with(quick()).await;
    let (story, to_spare) = (google.care.clone(), message().expires_at - care.now() - TimeDelta::seconds(6));
    google.care.advance(to_spare);
    // Each answer of the token server costs the story a second: six are left, then five, then four.
    let slow = move |_: &Request| {
        story.advance(TimeDelta::seconds(1));
        let n = granted.fetch_add(1, Ordering::Relaxed);
        ResponseTemplate::new(200).set_body_json(json!({"access_token": format!("t{n}"), "expires_in": 3600}))
    };
    let refuse = error(401, "UNAUTHENTICATED", json!([]));
    let google = google.answering("/token", slow).await.answering(SEND, refuse).await;
    assert_eq!(google.send().await, expired);
    assert_eq!(google.bearers().await, ["Bearer t0"], "with five seconds left, and not again with four");
    assert_eq!(google.send().await, expired);
    assert_eq!(google.requests(SEND).await.len(), 1);
}

#[tokio::test]
async fn an_fcm_that_never_answers_may_have_delivered() {
    let slow = accepted().set_delay(std::time::Duration::from_secs(5));
    let google = Google::with(quick()).await.granting(3599).await.answering(SEND, slow).await;
    let expected = PushOutcome::Unavailable { retry_after: None, reason: "timeout".into() };
    assert_eq!(google.send().await, expected);
}

/// What becomes of a message when FCM is a raw socket that is treated like this.
async fn against(treat: impl AsyncFnOnce(&mut TcpStream)) -> PushOutcome {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let google = Google::new().await.granting(3599).await;
    let settings = FcmSettings {
        account: account(&format!("{}/token", google.server.uri())),
        base_url: format!("http://{}", listener.local_addr().unwrap()).parse().unwrap(),
        http: quick(),
    };
    let fcm = Fcm::new(settings, clocks()).unwrap();
    let (target, message) = (target(&fcm::CARRIER.provider, "x"), message());
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        treat(&mut socket).await;
    };
    tokio::join!(fcm.send(&target, &message), serve).0
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off_and_judged_by_what_was_read_of_it() {
    let outcome = against(async |socket| {
        read_request(socket).await;
        socket.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n<html>").await.unwrap();
        // Ends when the client has had enough. Were that the timeout, the answer would count as broken off.
        while socket.write_all(&[b'x'; 65_536]).await.is_ok() {}
    });
    assert_eq!(outcome.await, PushOutcome::Unauthorized { scope: Scope::Provider, reason: "http_404".into() });
}

#[tokio::test]
async fn an_answer_that_breaks_off_decides_nothing() {
    let down = |reason: &'static str| PushOutcome::Unavailable { retry_after: None, reason: reason.into() };
    for (answer, expected) in [
        (&b""[..], down("connection_closed")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"name\": \"proj", down("unreadable_answer")),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 90\r\n\r\n{\"error\"", down("broken_answer")),
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 90\r\n\r\n", down("broken_answer")),
        (b"HTTP/1.1 503 Busy\r\ncontent-length: 90\r\n\r\n{", down("http_503")),
    ] {
        let outcome = against(async |socket| answer_and_hang_up(socket, answer).await).await;
        assert_eq!(outcome, expected, "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn a_provider_that_is_not_configured_blames_no_device() {
    let registry = Registry::default();
    let outcome = registry.send(&target(&fcm::CARRIER.provider, "x"), &message()).await;
    assert_eq!(outcome, PushOutcome::Unauthorized { scope: Scope::Provider, reason: "not_configured".into() });
    let google = Google::new().await.granting(3599).await.accepting().await;
    let registry = registry.with(std::sync::Arc::new(google.fcm));
    assert_eq!(registry.configured().collect::<Vec<_>>(), [&fcm::CARRIER.provider]);
    assert_eq!(registry.send(&target(&fcm::CARRIER.provider, "x"), &message()).await, accepted_outcome());
}
