//! Expo on the wire: how messages travel together, what is sent, and what every ticket, receipt and refusal means.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use mendline::clock::Clocks;
use mendline::domain::alert::{PushOutcome, Scope};
use mendline::push::expo::{self, Expo, ExpoSettings};
use mendline::push::http::HttpSettings;
use mendline::push::{Finding, PushMessage, PushProvider as _, PushTarget, Receipts as _, Urgency, VisibleText};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::faults::answer_and_hang_up;
use super::{clocks, message, now, quick, target};
use crate::support::contract::assert_is;

const SEND: &str = "/--/api/v2/push/send";
const RECEIPTS: &str = "/--/api/v2/push/getReceipts";

/// Expo on this machine, and a sender that speaks to it.
struct Relay {
    server: MockServer,
    expo: Expo,
    clocks: Clocks,
}

impl Relay {
    async fn answering(answer: impl Respond + 'static) -> Self {
        Self::with(answer, None, HttpSettings::default()).await
    }

    async fn with(answer: impl Respond + 'static, token: Option<&str>, http: HttpSettings) -> Self {
        let server = MockServer::start().await;
        Mock::given(method("POST")).and(path(SEND)).respond_with(answer).mount(&server).await;
        let base_url = server.uri().parse().unwrap();
        let settings = ExpoSettings { token: token.map(Into::into), base_url, http };
        let clocks = clocks();
        Self { server, expo: Expo::new(settings, clocks.clone()).unwrap(), clocks }
    }

    async fn send(&self, address: &str) -> PushOutcome {
        self.expo.send(&phone(address), &message()).await
    }

    /// Sends to so many phones at once; outcomes in the order of the phones.
    async fn send_to_many(&self, count: usize) -> Vec<PushOutcome> {
        let addresses: Vec<String> = (0..count).map(|n| format!("ExponentPushToken[{n}]")).collect();
        join_all(addresses.iter().map(|address| self.send(address))).await
    }

    /// Bodies of the requests with messages, in order.
    async fn batches(&self) -> Vec<Vec<Value>> {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }
}

fn phone(address: &str) -> PushTarget {
    target(&expo::CARRIER.provider, address)
}

fn addresses(request: &Request) -> Vec<String> {
    let messages: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
    messages.iter().map(|message| message["to"].as_str().unwrap().to_owned()).collect()
}

/// A good ticket for each message, named after its address.
fn take_all(request: &Request) -> ResponseTemplate {
    let tickets: Vec<Value> = addresses(request).iter().map(|to| json!({"status": "ok", "id": id_of(to)})).collect();
    ResponseTemplate::new(200).set_body_json(json!({ "data": tickets }))
}

fn id_of(address: &str) -> String {
    format!("ticket-{}", address.trim_start_matches("ExponentPushToken[").trim_end_matches(']'))
}

fn accepted(address: &str) -> PushOutcome {
    PushOutcome::Accepted { provider_id: Some(id_of(address)) }
}

fn refused(status: u16, code: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({"errors": [{"code": code, "message": "No, for a reason."}]}))
}

fn down(reason: &'static str) -> PushOutcome {
    PushOutcome::Unavailable { retry_after: None, reason: reason.into() }
}

#[tokio::test]
async fn a_message_has_exactly_this_form_and_carries_no_token_unless_there_is_one() {
    let relay = Relay::answering(take_all).await;
    assert_eq!(relay.send("ExponentPushToken[a]").await, accepted("a"));
    let requests = relay.server.received_requests().await.unwrap();
    let [request] = requests.as_slice() else { panic!("{} requests", requests.len()) };
    let mut names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "content-length", "content-type", "host", "user-agent"]);
    assert_eq!(request.headers["content-type"], "application/json");
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let expected = json!({
        "to": "ExponentPushToken[a]", "title": "A reminder for you.", "ttl": 7200, "priority": "high", "sound": "default",
        "channelId": "reminder", "mutableContent": true, "tag": message().collapse.as_str(),
        "data": {"v": 1, "alert_id": "00000000-0000-0000-0000-0000000000a1", "recipient": "r7", "category": "reminder"},
    });
    assert_eq!(body, json!([expected]));
    assert_is("ExpoMessage", &body[0]);

    let relay = Relay::with(take_all, Some("s3cret"), HttpSettings::default()).await;
    let text = VisibleText { title: "Keep it cool".into(), body: Some("No sauna today.".into()) };
    let detailed = PushMessage { text, urgency: Urgency::Low, ..message() };
    relay.expo.send(&phone("ExponentPushToken[a]"), &detailed).await;
    let request = relay.server.received_requests().await.unwrap().remove(0);
    assert_eq!(request.headers["authorization"], "Bearer s3cret");
    let body: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
    assert_eq!((&body[0]["body"], &body[0]["priority"]), (&json!("No sauna today."), &json!("normal")));
    assert_is("ExpoMessage", &body[0]);
    assert!(!format!("{:?}", relay.expo).contains("s3cret"));
}

#[test]
fn a_token_that_cannot_stand_in_a_header_is_refused_at_the_start() {
    let base_url = "https://exp.host".parse().unwrap();
    let settings = ExpoSettings { token: Some("a\nb".into()), base_url, http: HttpSettings::default() };
    assert!(Expo::new(settings, clocks()).unwrap_err().to_string().contains("ASCII"));
}

#[tokio::test]
async fn what_is_sent_at_once_travels_by_the_hundred_and_every_sender_gets_its_own_ticket() {
    let relay = Relay::answering(take_all).await;
    let outcomes = relay.send_to_many(250).await;
    let expected: Vec<_> = (0..250).map(|n| accepted(&n.to_string())).collect();
    assert_eq!(outcomes, expected);
    let mut sizes: Vec<_> = relay.batches().await.iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [50, 100, 100]);
}

#[tokio::test]
async fn phones_of_different_apps_never_share_a_request() {
    let relay = Relay::answering(take_all).await;
    let of_app =
        |app: &str, n: usize| PushTarget { app_id: Some(app.into()), ..phone(&format!("ExponentPushToken[{app}{n}]")) };
    let phones: Vec<_> = (0..6).map(|n| of_app(["x", "y"][n % 2], n)).collect();
    let letter = message();
    join_all(phones.iter().map(|phone| relay.expo.send(phone, &letter))).await;
    for batch in relay.batches().await {
        let apps: Vec<_> = batch.iter().map(|message| &message["to"].as_str().unwrap()[18..19]).collect();
        assert_eq!(batch.len(), 3, "{apps:?}");
        assert!(apps.iter().all(|app| app == &apps[0]), "{apps:?}");
    }
}

#[tokio::test]
async fn at_most_six_requests_are_in_flight_at_once() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", server.local_addr().unwrap()).parse().unwrap();
    let settings = ExpoSettings { token: None, base_url, http: quick() };
    let expo = Arc::new(Expo::new(settings, clocks()).unwrap());
    let send = |n: usize| {
        let expo = Arc::clone(&expo);
        let phone = PushTarget { app_id: Some(format!("app{n}")), ..phone(&format!("ExponentPushToken[{n}]")) };
        async move { expo.send(&phone, &message()).await }
    };
    // Nobody answers: six stay until their time is over, and the seventh connection comes after that only.
    let mut seen = Vec::new();
    let accept = async {
        while seen.len() < 7 {
            seen.push((server.accept().await.unwrap(), tokio::time::Instant::now()));
        }
    };
    let (outcomes, ()) = tokio::join!(join_all((0..7).map(send)), accept);
    assert_eq!(outcomes, vec![down("timeout"); 7]);
    assert!(seen[6].1 - seen[5].1 >= Duration::from_millis(200), "the seventh came too early");
}

#[tokio::test]
async fn a_sender_that_goes_away_takes_only_its_own_message_with_it() {
    let relay = Relay::answering(take_all).await;
    let (leaver, letter) = (phone("ExponentPushToken[leaver]"), message());
    {
        // It opens the batch, then goes before the batch has left.
        let mut opened = relay.expo.send(&leaver, &letter);
        assert_eq!(opened.as_mut().now_or_never(), None);
        let mut second = relay.expo.send(&phone("ExponentPushToken[b]"), &letter).now_or_never();
        assert_eq!(second.take(), None);
    }
    assert_eq!(relay.send("ExponentPushToken[stays]").await, accepted("stays"));
    let sent: Vec<_> = relay.batches().await.concat().iter().map(|message| message["to"].clone()).collect();
    assert_eq!(sent, ["ExponentPushToken[stays]"]);
}

#[tokio::test]
async fn what_expires_before_the_batch_leaves_stays_and_the_others_have_their_own_time_to_live() {
    let relay = Relay::answering(take_all).await;
    let at = |seconds| PushMessage { expires_at: relay.clocks.care.now() + TimeDelta::seconds(seconds), ..message() };
    let (late, good) = (at(6), at(600));
    let (one, other) = (phone("ExponentPushToken[late]"), phone("ExponentPushToken[good]"));
    let (late, good, ()) = tokio::join!(relay.expo.send(&one, &late), relay.expo.send(&other, &good), async {
        relay.clocks.care.advance(TimeDelta::seconds(2));
    });
    assert_eq!((late, good), (PushOutcome::NotSent { reason: "expired".into() }, accepted("good")));
    let batches = relay.batches().await;
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1]);
    assert_eq!(batches[0][0]["ttl"], 598);
}

/// Every word that a ticket or a receipt may hold, what nobody documents included.
fn words() -> Vec<(Value, PushOutcome)> {
    let error = |word: &str| json!({"status": "error", "message": "A sentence.", "details": {"error": word}});
    let rejected = |reason: &'static str| PushOutcome::Rejected { reason: reason.into() };
    let ours = |reason: &'static str| PushOutcome::Unauthorized { scope: Scope::Device, reason: reason.into() };
    let reason = "MessageRateExceeded".into();
    vec![
        (error("DeviceNotRegistered"), PushOutcome::Unregistered { since: None }),
        (error("MessageTooBig"), rejected("MessageTooBig")),
        (error("MessageRateExceeded"), PushOutcome::Throttled { scope: Scope::Device, retry_after: None, reason }),
        (error("MismatchSenderId"), ours("MismatchSenderId")),
        (error("InvalidCredentials"), ours("InvalidCredentials")),
        (error("DeveloperError"), rejected("DeveloperError")),
        (error("ProviderError"), down("ProviderError")),
        (error("ExpoError"), down("ExpoError")),
        (error("SomethingNew"), rejected("SomethingNew")),
        (error("A whole sentence with the secret in it"), rejected("unknown")),
        (json!({"status": "error", "message": "No details."}), rejected("unknown")),
        (json!({"status": "error", "details": null}), rejected("unknown")),
        (json!({"status": "error", "details": {"error": 7}}), rejected("unknown")),
        (json!({"status": "perhaps"}), down("unreadable_answer")),
        (json!({}), down("unreadable_answer")),
        (json!(null), down("unreadable_answer")),
        (json!("ok"), down("unreadable_answer")),
    ]
}

#[tokio::test]
async fn every_ticket_has_its_meaning_and_concerns_nobody_else() {
    let tickets: Vec<Value> = words().into_iter().map(|(ticket, _)| ticket).collect();
    let count = tickets.len();
    let with_good_ones: Vec<Value> =
        tickets.into_iter().flat_map(|bad| [bad, json!({"status": "ok", "id": "good"})]).collect();
    let answer = ResponseTemplate::new(200).set_body_json(json!({ "data": with_good_ones }));
    let outcomes = Relay::answering(answer).await.send_to_many(2 * count).await;
    let good = PushOutcome::Accepted { provider_id: Some("good".into()) };
    for (pair, (ticket, expected)) in outcomes.chunks(2).zip(words()) {
        assert_eq!(pair, [expected, good.clone()], "{ticket}");
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_asked_for_is_left_out() {
    for id in [json!(null), json!(7), json!(""), json!("a b"), json!("x".repeat(129)), json!("\u{0}")] {
        let ticket = json!({"data": [{"status": "ok", "id": id}]});
        let relay = Relay::answering(ResponseTemplate::new(200).set_body_json(ticket)).await;
        assert_eq!(relay.send("ExponentPushToken[a]").await, PushOutcome::Accepted { provider_id: None }, "{id}");
    }
    // One message may be answered by its ticket alone.
    let alone = json!({"data": {"status": "ok", "id": "ticket-a"}});
    let relay = Relay::answering(ResponseTemplate::new(200).set_body_json(alone)).await;
    assert_eq!(relay.send("ExponentPushToken[a]").await, accepted("a"));
}

/// Every way in which a request fails as a whole.
fn refusals() -> Vec<(&'static str, ResponseTemplate, PushOutcome)> {
    let ours = |reason: &'static str| PushOutcome::Unauthorized { scope: Scope::Provider, reason: reason.into() };
    let rejected = |reason: &'static str| PushOutcome::Rejected { reason: reason.into() };
    let throttled = |wait: Option<i64>, reason: &'static str| PushOutcome::Throttled {
        scope: Scope::Provider,
        retry_after: wait.map(TimeDelta::seconds),
        reason: reason.into(),
    };
    let wait = |seconds, reason: &'static str| PushOutcome::Unavailable {
        retry_after: Some(TimeDelta::seconds(seconds)),
        reason: reason.into(),
    };
    let html = |status| ResponseTemplate::new(status).set_body_string("<html>");
    let data = |data: Value| ResponseTemplate::new(200).set_body_json(json!({ "data": data }));
    let ok = json!({"status": "ok", "id": "x"});
    vec![
        ("rate", refused(429, "TOO_MANY_REQUESTS"), throttled(None, "TOO_MANY_REQUESTS")),
        (
            "rate, with a wait",
            refused(429, "TOO_MANY_REQUESTS").insert_header("retry-after", "7"),
            throttled(Some(7), "TOO_MANY_REQUESTS"),
        ),
        ("429 in HTML", html(429), throttled(None, "http_429")),
        ("no token, or a wrong one", refused(401, "UNAUTHORIZED"), ours("UNAUTHORIZED")),
        ("the same, whatever the status", refused(400, "UNAUTHORIZED"), ours("UNAUTHORIZED")),
        ("401 in HTML", html(401), ours("http_401")),
        ("403", html(403), ours("http_403")),
        ("wrong URL", html(404), ours("http_404")),
        ("redirect", ResponseTemplate::new(302).insert_header("location", "/x"), ours("http_302")),
        ("too many messages", refused(400, "PUSH_TOO_MANY_NOTIFICATIONS"), rejected("PUSH_TOO_MANY_NOTIFICATIONS")),
        ("too many receipts", refused(400, "PUSH_TOO_MANY_RECEIPTS"), rejected("PUSH_TOO_MANY_RECEIPTS")),
        ("bad message", refused(400, "VALIDATION_ERROR"), rejected("VALIDATION_ERROR")),
        ("400 in HTML", html(400), rejected("http_400")),
        ("too large", html(413), rejected("http_413")),
        ("unknown", refused(418, "not a word"), rejected("http_418")),
        ("request timeout", html(408), down("http_408")),
        ("internal", refused(500, "INTERNAL_SERVER_ERROR"), down("INTERNAL_SERVER_ERROR")),
        ("bad gateway", html(502), down("http_502")),
        ("down, with a wait", html(503).insert_header("retry-after", "90"), wait(90, "http_503")),
        (
            "down, until a moment",
            html(503).insert_header("retry-after", "Sun, 01 Mar 2026 09:10:00 GMT"),
            wait(600, "http_503"),
        ),
        ("gateway timeout", html(504), down("http_504")),
        ("an error under 200", refused(200, "SOMETHING_NEW"), down("SOMETHING_NEW")),
        ("200 in HTML", html(200), down("unreadable_answer")),
        ("200 of nothing", ResponseTemplate::new(200), down("unreadable_answer")),
        ("200 without tickets", ResponseTemplate::new(200).set_body_json(json!({})), down("unreadable_answer")),
        ("tickets that are none", data(json!("ok")), down("unreadable_answer")),
        ("too few tickets", data(json!([ok])), down("ticket_count")),
        ("no tickets", data(json!([])), down("ticket_count")),
        ("too many tickets", data(json!([ok, ok, ok, ok])), down("ticket_count")),
        ("200 of megabytes", ResponseTemplate::new(200).set_body_bytes(vec![b' '; 3 << 20]), down("unreadable_answer")),
        ("503 of megabytes", ResponseTemplate::new(503).set_body_bytes(vec![b'x'; 3 << 20]), down("http_503")),
    ]
}

#[tokio::test]
async fn a_request_that_fails_fails_for_all_and_each_failure_has_its_meaning() {
    for (name, answer, expected) in refusals() {
        let relay = Relay::answering(answer).await;
        assert_eq!(relay.send_to_many(3).await, vec![expected.clone(); 3], "{name}");
        // What Expo refuses is looked for among the messages; nothing else is sent twice.
        let requests = relay.batches().await.len();
        let rejected = matches!(expected, PushOutcome::Rejected { .. });
        assert_eq!(requests, if rejected { 5 } else { 1 }, "{name}");
    }
}

#[tokio::test]
async fn one_bad_message_does_not_take_the_others_down() {
    let picky = |request: &Request| match addresses(request).contains(&"ExponentPushToken[37]".to_owned()) {
        true => refused(400, "VALIDATION_ERROR"),
        false => take_all(request),
    };
    let relay = Relay::answering(picky).await;
    let outcomes = relay.send_to_many(100).await;
    for (n, outcome) in outcomes.into_iter().enumerate() {
        let bad = PushOutcome::Rejected { reason: "VALIDATION_ERROR".into() };
        assert_eq!(outcome, if n == 37 { bad } else { accepted(&n.to_string()) });
    }
    assert!(relay.batches().await.len() <= 16);
}

#[tokio::test]
async fn addresses_of_several_projects_are_sorted_and_sent_again_by_project() {
    let by_project = |tell: bool| {
        move |request: &Request| {
            let sent = addresses(request);
            let mut projects: HashMap<String, Vec<String>> = HashMap::new();
            for to in &sent {
                let even = to.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap() % 2 == 0;
                projects.entry(if even { "@a/even" } else { "@a/odd" }.to_owned()).or_default().push(to.clone());
            }
            if projects.len() == 1 {
                return take_all(request);
            }
            let details = if tell { json!(projects) } else { json!("see the dashboard") };
            let code = "PUSH_TOO_MANY_EXPERIENCE_IDS";
            ResponseTemplate::new(400).set_body_json(json!({"errors": [{"code": code, "details": details}]}))
        }
    };
    let expected: Vec<_> = (0..10).map(|n| accepted(&n.to_string())).collect();
    let relay = Relay::answering(by_project(true)).await;
    assert_eq!(relay.send_to_many(10).await, expected);
    assert_eq!(relay.batches().await.len(), 3);
    let relay = Relay::answering(by_project(false)).await;
    assert_eq!(relay.send_to_many(10).await, expected, "although Expo does not say which is which");
    let alone = Relay::answering(refused(400, "PUSH_TOO_MANY_EXPERIENCE_IDS")).await;
    let reason = "PUSH_TOO_MANY_EXPERIENCE_IDS".into();
    assert_eq!(alone.send("ExponentPushToken[1]").await, PushOutcome::Rejected { reason });
}

#[tokio::test]
async fn silence_and_broken_answers_may_have_delivered() {
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(5));
    let relay = Relay::with(slow, None, quick()).await;
    assert_eq!(relay.send_to_many(2).await, vec![down("timeout"); 2]);
    for (answer, expected) in [
        (&b""[..], down("connection_closed")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"data\": [{\"status\"", down("unreadable_answer")),
        (b"HTTP/1.1 400 Bad\r\ncontent-length: 90\r\n\r\n{\"errors\"", down("broken_answer")),
        (b"HTTP/1.1 429 Slow\r\ncontent-length: 90\r\n\r\n{", {
            let reason = "http_429".into();
            PushOutcome::Throttled { scope: Scope::Provider, retry_after: None, reason }
        }),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let expo = Expo::new(ExpoSettings { token: None, base_url, http: quick() }, clocks()).unwrap();
        let (phone, letter) = (phone("ExponentPushToken[a]"), message());
        let serve = async { answer_and_hang_up(&mut listener.accept().await.unwrap().0, answer).await };
        let (outcome, ()) = tokio::join!(expo.send(&phone, &letter), serve);
        assert_eq!(outcome, expected, "{}", String::from_utf8_lossy(answer));
    }
}

async fn receipts(answer: impl Respond + 'static) -> (MockServer, Expo) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path(RECEIPTS)).respond_with(answer).mount(&server).await;
    let base_url = server.uri().parse().unwrap();
    let settings = ExpoSettings { token: Some("t".into()), base_url, http: HttpSettings::default() };
    (server, Expo::new(settings, clocks()).unwrap())
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn every_receipt_has_its_meaning_and_what_is_missing_is_not_known_yet() {
    let mut said: HashMap<String, Value> =
        words().into_iter().enumerate().map(|(n, (receipt, _))| (n.to_string(), receipt)).collect();
    said.insert("good".into(), json!({"status": "ok"}));
    let (server, expo) = receipts(ResponseTemplate::new(200).set_body_json(json!({ "data": said }))).await;
    let known = expo.ask(&ids(&["good", "later"])).await.unwrap();
    assert_eq!(known["good"], PushOutcome::Accepted { provider_id: None });
    assert_eq!(known.get("later"), None);
    for (n, (receipt, expected)) in words().into_iter().enumerate() {
        assert_eq!(known[&n.to_string()], expected, "{receipt}");
    }
    let request = server.received_requests().await.unwrap().remove(0);
    assert_eq!(serde_json::from_slice::<Value>(&request.body).unwrap(), json!({"ids": ["good", "later"]}));
    assert_eq!(request.headers["authorization"], "Bearer t");
}

#[tokio::test]
async fn a_question_that_fails_says_why_and_three_hundred_sentences_are_read() {
    for (name, answer, expected) in refusals().into_iter().filter(|(name, ..)| !name.contains("tickets")) {
        let (_server, expo) = receipts(answer).await;
        assert_eq!(expo.ask(&ids(&["a"])).await, Err(expected), "{name}");
    }
    let list = ResponseTemplate::new(200).set_body_json(json!({"data": []}));
    assert_eq!(receipts(list).await.1.ask(&ids(&["a"])).await, Err(down("unreadable_answer")));

    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let talkative = move |request: &Request| {
        counter.fetch_add(1, Ordering::Relaxed);
        let question: Value = serde_json::from_slice(&request.body).unwrap();
        let gone = json!({"status": "error", "message": "x".repeat(300), "details": {"error": "DeviceNotRegistered"}});
        let data: HashMap<&str, &Value> =
            question["ids"].as_array().unwrap().iter().map(|id| (id.as_str().unwrap(), &gone)).collect();
        ResponseTemplate::new(200).set_body_json(json!({ "data": data }))
    };
    let (_server, expo) = receipts(talkative).await;
    let many: Vec<String> = (0..expo.most()).map(|n| format!("00000000-0000-0000-0000-{n:012}")).collect();
    assert_eq!(expo.ask(&many).await.unwrap().len(), 300);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert!(now() > clocks().care.now(), "the clocks differ, so that mixing them up would show");
}

#[tokio::test]
async fn a_doctor_learns_whether_expo_lets_us_in_and_reaches_nobody() {
    let known = || ResponseTemplate::new(200).set_body_json(json!({"data": {}}));
    for (answer, is_bad, word) in [
        (known(), false, "Good"),
        (refused(401, "UNAUTHORIZED"), true, "MENDLINE_EXPO_TOKEN"),
        (ResponseTemplate::new(404), true, "MENDLINE_EXPO_BASE_URL"),
        (ResponseTemplate::new(503), false, "Doubtful"),
    ] {
        let (server, expo) = receipts(answer).await;
        let findings = expo.check().await;
        assert_eq!(findings.iter().map(Finding::is_bad).collect::<Vec<_>>(), [is_bad], "{findings:?}");
        assert!(format!("{findings:?}").contains(word), "{findings:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "one question");
    }
}
