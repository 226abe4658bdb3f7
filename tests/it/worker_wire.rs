//! The worker over real wires: what push services do to us, and what becomes of the alert, its tries and its device, then
//! and once the service is in good health again.

use std::ops::RangeInclusive;

use chrono::TimeDelta;
use mendline::worker::Worker;
use uuid::Uuid;

use crate::support::{Held, Service, TestApp, google, seed};

/// What a service does with a message.
#[derive(Clone, Copy)]
enum Treatment<'a> {
    /// Answers with this status, further header lines and body.
    Answer(&'a str, &'a str),
    /// The same, once more after a fresh token was fetched.
    AnswerTwice(&'a str, &'a str),
    /// Sends megabytes under this status.
    Flood(&'a str),
    /// Hangs up without a word.
    HangUp,
    /// Says nothing until the client gives up.
    Silence,
}

use Treatment::{Answer, AnswerTwice, Flood, HangUp, Silence};

/// What becomes of the alert at first.
#[derive(Debug, Clone, PartialEq, Eq)]
enum First {
    /// It waits for another try, in so many seconds; so many tries count.
    Waits(RangeInclusive<i64>, i32),
    /// It is over.
    Ends(&'static str),
}

use First::{Ends, Waits};

/// What becomes of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Device {
    Kept,
    /// Removed, or left alone until the app registers again.
    Gone,
}

use Device::{Gone, Kept};

/// The schedule's first wait with its jitter.
const SCHEDULE: RangeInclusive<i64> = 10..=12;
const HTML: &str = "<html><body>try again in 30 seconds</body></html>";

impl Treatment<'_> {
    /// Treats the message that arrives next. What is returned must live until the worker has given up.
    async fn apply(self, service: &Service) -> Option<Held> {
        let held = service.next_push().await;
        match self {
            Answer(head, body) => held.answer(head, body.as_bytes()).await,
            AnswerTwice(head, body) => {
                held.answer(head, body.as_bytes()).await;
                service.next_push().await.answer(head, body.as_bytes()).await;
            }
            Flood(head) => held.answer(head, &vec![b'x'; 3 << 20]).await,
            HangUp => drop(held),
            Silence => return Some(held),
        }
        None
    }
}

/// Sends one alert to a service that treats it so, and again when the service is well and every pause over.
async fn tell(
    app: &TestApp,
    worker: &Worker,
    service: &Service,
    (name, treatment, first, device): (&str, Treatment<'_>, First, Device),
    address: impl AsyncFnOnce(seed::Person) -> Uuid,
) {
    let person = seed::person(app).await;
    let id = address(person).await;
    seed::due_now(app, person, name).await;
    let (round, _held) = tokio::join!(worker.drain(), treatment.apply(service));
    assert_eq!(round.unwrap().claimed, 1, "{name}");

    let row = seed::alerts_of(app, person).await.remove(0);
    match &first {
        Waits(wait, tries) => {
            let waits = (row.next_attempt_at - app.care.now()).num_seconds();
            assert_eq!((row.state.as_str(), row.tries), ("scheduled", *tries), "{name}");
            assert!(wait.contains(&waits), "{name}: {waits}");
        }
        Ends(state) => assert_eq!(row.state, *state, "{name}"),
    }
    let left = if seed::devices_left(app).await.contains(&id) { Kept } else { Gone };
    assert_eq!(left, device, "{name}");

    // Longer than any wait above, and than any pause that it began.
    app.pass(TimeDelta::minutes(5));
    service.well(worker.drain()).await.unwrap();
    let last = match first {
        Waits(..) => "sent",
        Ends(state) => state,
    };
    assert_eq!(seed::alerts_of(app, person).await[0].state, last, "{name}");
}

/// Only these wait for real: a second of silence.
#[tokio::test]
async fn a_service_that_says_nothing_is_down_for_now() {
    let silence = || ("silence", Silence, Waits(SCHEDULE, 1), Kept);
    let service = Service::open().await;
    let hosts = service.host.clone();
    let settings = [("MENDLINE_PUSH_ALLOWED_HOSTS", hosts.as_str()), ("MENDLINE_SEND_TIMEOUT_SECONDS", "1")];
    let app = TestApp::start_stepped(&settings).await;
    let worker = Worker::new(app.wire_parts());
    tell(&app, &worker, &service, silence(), async |person| service.subscribe(&app, person).await).await;
    drop(app);

    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("1").await;
    tell(&app, &worker, &service, silence(), async |person| seed::phone(&app, person).await).await;
}

#[tokio::test]
async fn whatever_a_web_push_service_does_the_alert_ends_as_it_should() {
    let service = Service::open().await;
    let hosts = service.host.clone();
    let settings = [("MENDLINE_PUSH_ALLOWED_HOSTS", hosts.as_str()), ("MENDLINE_SEND_TIMEOUT_SECONDS", "15")];
    let app = TestApp::start_stepped(&settings).await;
    let worker = Worker::new(app.wire_parts());
    for case in [
        ("hangs up", HangUp, Waits(SCHEDULE, 1), Kept),
        ("429 with a wait", Answer("429 Slow\r\nretry-after: 90", ""), Waits(90..=108, 1), Kept),
        ("503", Answer("503 Down", ""), Waits(SCHEDULE, 1), Kept),
        ("503 with a wait", Answer("503 Down\r\nretry-after: 120", ""), Waits(120..=144, 1), Kept),
        ("500 in HTML", Answer("500 Oops", HTML), Waits(SCHEDULE, 1), Kept),
        ("megabytes", Flood("503 Down"), Waits(SCHEDULE, 1), Kept),
        ("404", Answer("404 Not Found", HTML), Ends("no_device"), Gone),
        ("410", Answer("410 Gone", ""), Ends("no_device"), Gone),
        ("401", Answer("401 Unauthorized", ""), Waits(SCHEDULE, 0), Kept),
        ("403", Answer("403 Forbidden", ""), Ends("no_device"), Gone),
        ("413", Answer("413 Too Large", ""), Ends("failed"), Kept),
    ] {
        tell(&app, &worker, &service, case, async |person| service.subscribe(&app, person).await).await;
    }
}

#[tokio::test]
async fn whatever_fcm_does_the_alert_ends_as_it_should() {
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    let quota = google::error("RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED");
    let gone = google::error("NOT_FOUND", "UNREGISTERED");
    let foreign = google::error("PERMISSION_DENIED", "SENDER_ID_MISMATCH");
    let third_party = google::error("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR");
    for case in [
        ("hangs up", HangUp, Waits(SCHEDULE, 1), Kept),
        ("200 in HTML", Answer("200 OK", HTML), Waits(SCHEDULE, 1), Kept),
        ("502 in HTML", Answer("502 Bad Gateway", HTML), Waits(30..=36, 1), Kept),
        ("503 with a wait", Answer("503 Down\r\nretry-after: 120", ""), Waits(120..=144, 1), Kept),
        ("megabytes", Flood("500 Oops"), Waits(SCHEDULE, 1), Kept),
        ("quota", Answer("429 Slow\r\nretry-after: 90", &quota), Waits(90..=108, 0), Kept),
        ("gone", Answer("404 Not Found", &gone), Ends("no_device"), Gone),
        ("wrong URL", Answer("404 Not Found", HTML), Waits(SCHEDULE, 0), Kept),
        ("our token", AnswerTwice("401 Unauthorized", HTML), Waits(SCHEDULE, 0), Kept),
        ("console's key", Answer("401 Unauthorized", &third_party), Waits(SCHEDULE, 0), Kept),
        ("foreign", Answer("403 No", &foreign), Ends("no_device"), Gone),
        ("bad message", Answer("400 Bad Request", ""), Ends("failed"), Kept),
    ] {
        tell(&app, &worker, &service, case, async |person| seed::phone(&app, person).await).await;
    }
}
