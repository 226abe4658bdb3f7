//! What becomes of messages that Expo took: when it is asked, what its answers change, and that each is heard once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use mendline::devices::sealed::SealedAddress;
use mendline::schema::{attempts, receipts};
use mendline::telemetry::PushLabels;
use mendline::worker::Worker;
use serde_json::{Value, json};
use uuid::Uuid;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{TestApp, seed};

/// An Expo that takes every message, and says of those whose tickets it knows what the test tells it to say.
struct Relay {
    server: MockServer,
    said: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Relay {
    async fn open() -> Self {
        let server = MockServer::start().await;
        let take = |request: &Request| {
            let messages: Vec<Value> = serde_json::from_slice(&request.body).unwrap();
            let ticket = |message: &Value| json!({"status": "ok", "id": ticket_of(message["to"].as_str().unwrap())});
            let tickets: Vec<Value> = messages.iter().map(ticket).collect();
            ResponseTemplate::new(200).set_body_json(json!({ "data": tickets }))
        };
        Mock::given(method("POST")).and(path("/--/api/v2/push/send")).respond_with(take).mount(&server).await;
        let said = Arc::new(Mutex::new(BTreeMap::new()));
        let known = Arc::clone(&said);
        let tell = move |request: &Request| {
            let known = known.lock().unwrap();
            if let Some(Value::Number(status)) = known.get("refuse") {
                return ResponseTemplate::new(u16::try_from(status.as_u64().unwrap()).unwrap());
            }
            let data: BTreeMap<_, _> = asked(request).into_iter().filter_map(|id| known.get_key_value(&id)).collect();
            ResponseTemplate::new(200).set_body_json(json!({ "data": data }))
        };
        Mock::given(method("POST")).and(path(RECEIPTS)).respond_with(tell).mount(&server).await;
        Self { server, said }
    }

    async fn app(&self) -> (TestApp, Worker) {
        let app = TestApp::start_stepped(&[("MENDLINE_EXPO_BASE_URL", &self.server.uri())]).await;
        let worker = Worker::new(app.wire_parts());
        (app, worker)
    }

    /// From now on, this is the receipt of what was sent to the phone.
    fn say(&self, phone: Uuid, receipt: Value) {
        self.said.lock().unwrap().insert(format!("ticket-{phone}"), receipt);
    }

    fn say_error(&self, phone: Uuid, word: &str) {
        self.say(phone, json!({"status": "error", "message": "A sentence.", "details": {"error": word}}));
    }

    /// The questions so far, as lists of tickets.
    async fn questions(&self) -> Vec<Vec<String>> {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() == RECEIPTS).map(asked).collect()
    }

    async fn sends(&self) -> usize {
        let requests = self.server.received_requests().await.unwrap();
        requests.iter().filter(|request| request.url.path() != RECEIPTS).count()
    }
}

const RECEIPTS: &str = "/--/api/v2/push/getReceipts";

fn ticket_of(address: &str) -> String {
    format!("ticket-{}", &address["ExponentPushToken[".len()..address.len() - 1])
}

fn asked(request: &Request) -> Vec<String> {
    let question: Value = serde_json::from_slice(&request.body).unwrap();
    question["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// Somebody with one phone behind Expo.
async fn person(app: &TestApp) -> (seed::Person, Uuid) {
    let (person, id) = (seed::person(app).await, Uuid::new_v4());
    let address = SealedAddress { address: format!("ExponentPushToken[{id}]"), keys: None };
    (person, seed::device(app, person, id, "expo", &address).await)
}

/// Somebody who has just been sent something.
async fn told(app: &TestApp, worker: &Worker) -> (seed::Person, Uuid) {
    let (person, phone) = person(app).await;
    seed::due_now(app, person, "m:a").await;
    assert_eq!(worker.drain().await.unwrap().settled, 1);
    (person, phone)
}

async fn waiting(app: &TestApp) -> i64 {
    seed::run(app, async |conn| receipts::table.count().get_result(conn).await).await
}

/// What the log says of a phone after its acceptance.
async fn story(app: &TestApp, phone: Uuid) -> Vec<(String, Option<String>)> {
    seed::run(app, async |conn| {
        let lines = attempts::table.filter(attempts::device_id.eq(phone)).order(attempts::at);
        lines.select((attempts::outcome, attempts::reason)).load(conn).await
    })
    .await
}

fn counted(app: &TestApp, outcome: &'static str) -> u64 {
    app.state.metrics.receipts.get_or_create(&PushLabels { provider: "expo", outcome }).get()
}

fn accepted() -> (String, Option<String>) {
    ("accepted".to_owned(), None)
}

#[tokio::test]
async fn a_receipt_is_asked_for_after_a_quarter_of_an_hour_and_forgotten_once_it_is_good() {
    let relay = Relay::open().await;
    let (app, worker) = relay.app().await;
    let (_, phone) = told(&app, &worker).await;
    relay.say(phone, json!({"status": "ok"}));
    assert_eq!(waiting(&app).await, 1);
    app.pass(TimeDelta::minutes(14));
    assert_eq!(worker.ask_for_receipts().await.unwrap(), 0);
    assert!(relay.questions().await.is_empty());
    app.pass(TimeDelta::minutes(1));
    assert_eq!(worker.ask_for_receipts().await.unwrap(), 1);
    assert_eq!(relay.questions().await, [[format!("ticket-{phone}")]]);
    assert_eq!((waiting(&app).await, counted(&app, "accepted")), (0, 1));
    assert_eq!(story(&app, phone).await, [accepted()]);
}

#[tokio::test]
async fn who_promises_nothing_is_not_asked() {
    let relay = Relay::open().await;
    let (app, worker) = relay.app().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    app.drain_worker().await;
    assert_eq!((seed::outcomes(&app).await, waiting(&app).await), (vec!["accepted".to_owned()], 0));
    app.pass(TimeDelta::hours(1));
    worker.ask_for_receipts().await.unwrap();
    assert!(relay.questions().await.is_empty());
}

#[tokio::test]
async fn a_missing_receipt_is_no_error_it_is_asked_for_ever_more_rarely_and_given_up_after_a_day() {
    let relay = Relay::open().await;
    let (app, worker) = relay.app().await;
    let (_, phone) = told(&app, &worker).await;
    let mut minute = 0;
    for (asked, moment) in [15, 30, 60, 120, 240, 480, 960, 1425].into_iter().enumerate() {
        for (moment, asked) in [(moment - 1, asked), (moment, asked + 1)] {
            app.pass(TimeDelta::minutes(moment - minute));
            minute = moment;
            assert_eq!(worker.ask_for_receipts().await.unwrap(), 0);
            assert_eq!(relay.questions().await.len(), asked, "after {moment} minutes");
        }
    }
    app.pass(TimeDelta::minutes(15));
    worker.ask_for_receipts().await.unwrap();
    assert_eq!(relay.questions().await.len(), 8);
    assert_eq!((waiting(&app).await, counted(&app, "missing")), (0, 1));
    assert_eq!(story(&app, phone).await, [accepted()]);
    assert_eq!(seed::devices_left(&app).await, [phone]);
    assert_eq!(seed::state(&app, "m:a").await, "sent");
}

#[tokio::test]
async fn every_receipt_does_what_it_says_to_its_own_phone_and_no_other() {
    let relay = Relay::open().await;
    let (app, worker) = relay.app().await;
    // The word; what the log says; whether the address goes; whether the phone is left alone for a while.
    let table = [
        ("DeviceNotRegistered", "unregistered", "receipt", true, false),
        ("MessageTooBig", "rejected", "receipt:MessageTooBig", false, false),
        ("MessageRateExceeded", "throttled_device", "receipt:MessageRateExceeded", false, true),
        ("MismatchSenderId", "unauthorized", "receipt:MismatchSenderId", false, true),
        ("InvalidCredentials", "unauthorized", "receipt:InvalidCredentials", false, true),
        ("DeveloperError", "rejected", "receipt:DeveloperError", false, false),
        ("ProviderError", "unavailable", "receipt:ProviderError", false, false),
        ("ExpoError", "unavailable", "receipt:ExpoError", false, false),
        ("SomethingNew", "rejected", "receipt:SomethingNew", false, false),
    ];
    let (_, well) = told(&app, &worker).await;
    relay.say(well, json!({"status": "ok"}));
    let mut people = Vec::new();
    for (word, ..) in table {
        let (person, phone) = told(&app, &worker).await;
        relay.say_error(phone, word);
        people.push((person, phone));
    }
    app.pass(TimeDelta::minutes(20));
    assert_eq!(worker.ask_for_receipts().await.unwrap(), table.len() + 1);
    assert_eq!(waiting(&app).await, 0);
    for ((person, phone), (word, outcome, reason, goes, paused)) in people.into_iter().zip(table) {
        let said = (outcome.to_owned(), Some(reason.to_owned()));
        assert_eq!(story(&app, phone).await, [accepted(), said], "{word}");
        assert_eq!(seed::devices_left(&app).await.contains(&phone), !goes, "{word}");
        assert_eq!(seed::alerts_of(&app, person).await[0].state, "sent", "{word}: what was sent stays sent");
        let so_far = relay.sends().await;
        seed::plan(&app, person, &[seed::owed(&app, "m:b", TimeDelta::zero(), TimeDelta::days(1))]).await;
        worker.drain().await.unwrap();
        let sent = relay.sends().await > so_far;
        assert_eq!(sent, !goes && !paused, "{word}: sent to or left alone");
    }
    assert!(seed::devices_left(&app).await.contains(&well));
    assert_eq!((counted(&app, "unauthorized"), counted(&app, "unregistered")), (2, 1));
}

#[tokio::test]
async fn a_phone_that_registered_since_keeps_its_address() {
    let relay = Relay::open().await;
    let (app, worker) = relay.app().await;
    let (_, phone) = told(&app, &worker).await;
    relay.say_error(phone, "DeviceNotRegistered");
    app.pass(TimeDelta::minutes(20));
    let now = app.state.clocks.wall.now().to_rfc3339();
    app.sql(&format!("UPDATE devices SET registered_at = '{now}'")).await;
    assert_eq!(worker.ask_for_receipts().await.unwrap(), 1);
    assert_eq!(seed::devices_left(&app).await, [phone]);
    assert_eq!(story(&app, phone).await.len(), 2, "the story is told all the same");
}

#[tokio::test]
async fn two_workers_share_the_questions_and_three_hundred_go_into_one() {
    let relay = Relay::open().await;
    let (app, one) = relay.app().await;
    let other = Worker::new(app.wire_parts());
    let at = app.state.clocks.wall.now().to_rfc3339();
    app.sql(&format!(
        "INSERT INTO receipts SELECT '{0}', 'expo', 'r' || n, '{0}', '{0}', 1, '{at}', '{at}'::timestamptz + interval '15 min'
           FROM generate_series(1, 700) AS n",
        Uuid::nil()
    ))
    .await;
    for n in 1..=700 {
        relay.said.lock().unwrap().insert(format!("r{n}"), json!({"status": "ok"}));
    }
    app.pass(TimeDelta::minutes(15));
    let (one, other) = tokio::join!(one.ask_for_receipts(), other.ask_for_receipts());
    assert_eq!(one.unwrap() + other.unwrap(), 700);
    let questions = relay.questions().await;
    assert!(questions.iter().all(|question| question.len() <= 300));
    let mut asked: Vec<_> = questions.concat();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!((asked.len(), questions.concat().len(), waiting(&app).await), (700, 700, 0));
}

#[tokio::test]
async fn an_answer_that_comes_when_another_worker_has_acted_on_it_changes_nothing() {
    let relay = Relay::open().await;
    let (app, worker) = relay.app().await;
    let (_, phone) = told(&app, &worker).await;
    relay.say_error(phone, "DeviceNotRegistered");
    app.pass(TimeDelta::minutes(15));
    let slow = Worker::new(app.wire_parts());
    // By the time it deletes the row, somebody else has.
    app.sql(
        "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
         CREATE TRIGGER gone BEFORE DELETE ON receipts FOR EACH ROW EXECUTE FUNCTION gone()",
    )
    .await;
    assert_eq!(slow.ask_for_receipts().await.unwrap(), 0);
    assert_eq!((story(&app, phone).await, seed::devices_left(&app).await), (vec![accepted()], vec![phone]));
}

#[tokio::test]
async fn an_expo_that_cannot_be_asked_costs_nothing_but_time() {
    let relay = Relay::open().await;
    let (app, worker) = relay.app().await;
    let (_, phone) = told(&app, &worker).await;
    relay.say_error(phone, "DeviceNotRegistered");
    for (status, hours) in [(429, 3), (500, 3), (503, 6)] {
        relay.said.lock().unwrap().insert("refuse".to_owned(), json!(status));
        app.pass(TimeDelta::hours(hours));
        assert_eq!(worker.ask_for_receipts().await.unwrap(), 0);
        assert_eq!((waiting(&app).await, seed::devices_left(&app).await.len()), (1, 1));
    }
    assert_eq!(counted(&app, "not_asked"), 3);
    relay.said.lock().unwrap().remove("refuse");
    app.pass(TimeDelta::hours(11) + TimeDelta::minutes(45));
    assert_eq!(worker.ask_for_receipts().await.unwrap(), 1);
    assert_eq!(story(&app, phone).await.len(), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_when_receipts_are_asked_for_pauses_the_provider() {
    let relay = Relay::open().await;
    let (app, worker) = relay.app().await;
    told(&app, &worker).await;
    relay.said.lock().unwrap().insert("refuse".to_owned(), json!(401));
    app.pass(TimeDelta::minutes(15));
    worker.ask_for_receipts().await.unwrap();
    let (other, _) = person(&app).await;
    let so_far = relay.sends().await;
    seed::due_now(&app, other, "m:b").await;
    worker.drain().await.unwrap();
    assert_eq!(relay.sends().await, so_far);
    assert_eq!(seed::state(&app, "m:b").await, "scheduled");
}
