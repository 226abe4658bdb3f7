//! What the worker does when a push service is in trouble, over the wire: it pauses, tries one message, comes back step by
//! step; nobody loses an address or a try; operators hear once and other workers know.

use std::io::Write;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use mendline::domain::alert::{PushOutcome, Scope};
use mendline::telemetry::{PauseLabels, ProviderLabel};
use mendline::worker::Worker;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::seed::Person;
use crate::support::{Service, TestApp, google, seed};

const FOREIGN: &str = "403 Forbidden";

/// People with a phone each and an alert that is due.
async fn crowd(app: &TestApp, size: usize) -> Vec<Person> {
    let mut people = Vec::new();
    for _ in 0..size {
        let person = seed::person(app).await;
        seed::phone(app, person).await;
        seed::due_now(app, person, "m:a").await;
        people.push(person);
    }
    people
}

/// One person with a phone and so many alerts that are due.
async fn busy_person(app: &TestApp, alerts: usize) -> Person {
    let person = seed::person(app).await;
    seed::phone(app, person).await;
    let owed: Vec<_> = (0..alerts)
        .map(|index| seed::owed(app, &format!("m:{index:03}"), TimeDelta::zero(), TimeDelta::days(1)))
        .collect();
    seed::plan(app, person, &owed).await;
    person
}

/// Messages that reached the service.
fn pushes(service: &Service) -> usize {
    service.paths().iter().filter(|path| *path == google::SEND).count()
}

/// How many alerts are in each state.
async fn states(app: &TestApp) -> Vec<(String, usize)> {
    let mut counted = std::collections::BTreeMap::new();
    for row in seed::alerts(app).await {
        *counted.entry(row.state).or_default() += 1;
    }
    counted.into_iter().collect()
}

fn scheduled(alerts: usize) -> Vec<(String, usize)> {
    vec![("scheduled".to_owned(), alerts)]
}

fn sent(alerts: usize) -> Vec<(String, usize)> {
    vec![("sent".to_owned(), alerts)]
}

fn pauses(app: &TestApp, cause: &'static str) -> u64 {
    app.state.metrics.pauses.get_or_create(&PauseLabels { provider: "fcm", cause }).get()
}

fn waiting(app: &TestApp) -> i64 {
    app.state.metrics.waiting.get_or_create(&ProviderLabel { provider: "fcm" }).get()
}

/// Lets time pass, step by step, until nothing is scheduled; how many messages each step brought.
async fn come_back(app: &TestApp, service: &Service, worker: &Worker, step: TimeDelta) -> Vec<usize> {
    let mut brought = Vec::new();
    for _ in 0..100 {
        let before = pushes(service);
        service.well(worker.drain()).await.unwrap();
        brought.push(pushes(service) - before);
        if seed::alerts(app).await.iter().all(|row| row.state != "scheduled") {
            return brought;
        }
        app.pass(step);
    }
    panic!("alerts still wait: {:?}", states(app).await);
}

#[tokio::test]
async fn a_wave_of_foreign_addresses_drops_nobody_and_one_probe_ends_it() {
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    crowd(&app, 14).await;
    let body = google::error("PERMISSION_DENIED", "SENDER_ID_MISMATCH");
    service.answering(FOREIGN, body.as_bytes(), worker.drain()).await.unwrap();
    assert_eq!(seed::devices_left(&app).await.len(), 14, "also those that were believed at first");
    assert_eq!(states(&app).await, scheduled(14), "and so are their alerts");
    assert!(seed::alerts(&app).await.iter().all(|row| row.tries == 0));

    // The project is still the wrong one when the pause ends: one message finds out.
    app.pass(TimeDelta::seconds(59));
    worker.drain().await.unwrap();
    assert_eq!((pushes(&service), waiting(&app)), (14, 14));
    app.pass(TimeDelta::seconds(30));
    let (round, ()) = tokio::join!(worker.drain(), async {
        let probe = service.next_push().await;
        assert_eq!(pushes(&service), 15);
        probe.answer(FOREIGN, body.as_bytes()).await;
    });
    assert_eq!((round.unwrap().claimed, pushes(&service)), (14, 15), "all others waited for it");
    assert_eq!((seed::devices_left(&app).await.len(), pauses(&app, "addresses")), (14, 2));

    // It is the right one again.
    app.pass(TimeDelta::seconds(119));
    worker.drain().await.unwrap();
    assert_eq!(pushes(&service), 15, "a failed probe doubles the pause");
    app.pass(TimeDelta::seconds(40));
    come_back(&app, &service, &worker, TimeDelta::seconds(15)).await;
    assert_eq!((states(&app).await, waiting(&app)), (sent(14), 0));
    assert_eq!(pushes(&service), 15 + 14);
}

#[tokio::test]
async fn a_wave_of_dead_addresses_deletes_nothing() {
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    crowd(&app, 12).await;
    let body = google::error("NOT_FOUND", "UNREGISTERED");
    service.answering("404 Not Found", body.as_bytes(), worker.drain()).await.unwrap();
    assert_eq!((seed::devices_left(&app).await.len(), states(&app).await), (12, scheduled(12)));
    assert_eq!(seed::outcomes(&app).await, ["unregistered"; 12], "what was answered is on record");
}

#[tokio::test]
async fn dead_addresses_among_good_ones_are_believed_and_nothing_pauses() {
    let app = TestApp::start_stepped(&[]).await;
    for index in 0..40 {
        let person = seed::person(&app).await;
        let phone = seed::phone(&app, person).await;
        if index % 4 > 0 {
            app.fcm.answer_next_of(phone, PushOutcome::Unregistered { since: None });
        }
        seed::due_now(&app, person, "m:a").await;
        app.drain_worker().await;
    }
    assert_eq!(seed::devices_left(&app).await.len(), 10);
    assert_eq!(pauses(&app, "addresses"), 0);
}

/// What a test's thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn lines_with(&self, words: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().filter(|line| line.contains(words)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn two_hundred_refusals_are_one_pause_and_one_line_and_so_is_its_end() {
    let log = Log::default();
    let _listening = log.listen();
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    busy_person(&app, 200).await;
    service.answering("401 Unauthorized", b"", worker.drain()).await.unwrap();
    assert_eq!(states(&app).await, scheduled(200));
    assert!(pushes(&service) >= 200, "all were on their way");
    let begun = log.lines_with("provider paused");
    assert_eq!((begun.len(), pauses(&app, "credentials")), (1, 1), "{begun:#?}");
    assert!(begun[0].contains("ERROR") && begun[0].contains("http_401"), "{begun:?}");

    app.pass(TimeDelta::seconds(20));
    worker.drain().await.unwrap();
    assert_eq!((waiting(&app), seed::outcomes(&app).await.len()), (200, 200));
    let early = |row: &seed::AlertRow| row.tries > 0 || row.next_attempt_at < app.care.now() + TimeDelta::seconds(40);
    assert!(!seed::alerts(&app).await.iter().any(early), "nobody comes back before the pause is over");
    assert_eq!(worker.drain().await.unwrap().claimed, 0);

    // A probe that fails is no news.
    app.pass(TimeDelta::seconds(60));
    service.answering("401 Unauthorized", b"", worker.drain()).await.unwrap();
    assert_eq!(pauses(&app, "credentials"), 2);

    app.pass(TimeDelta::seconds(150));
    come_back(&app, &service, &worker, TimeDelta::seconds(15)).await;
    assert_eq!(states(&app).await, sent(200));
    assert_eq!(log.lines_with("provider paused").len(), 1);
    let ended = log.lines_with("provider accepts again");
    assert!(ended.len() == 1 && ended[0].contains("alerts_waited=200"), "{ended:?}");
}

#[tokio::test]
async fn a_dead_service_costs_no_alert_its_tries() {
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    busy_person(&app, 30).await;
    service.hanging_up(worker.drain()).await.unwrap();
    let tried = seed::alerts(&app).await.iter().filter(|row| row.tries > 0).count();
    assert_eq!((tried, pauses(&app, "outage")), (19, 1), "the twentieth says that it is not the messages");

    let so_far = pushes(&service);
    for round in 1..=6 {
        app.pass(TimeDelta::minutes(20));
        service.hanging_up(worker.drain()).await.unwrap();
        assert_eq!(pushes(&service), so_far + round, "one probe for each pause");
    }
    assert_eq!(states(&app).await, scheduled(30));
    assert!(seed::alerts(&app).await.iter().all(|row| row.tries <= 1));
    app.pass(TimeDelta::minutes(20));
    come_back(&app, &service, &worker, TimeDelta::seconds(15)).await;
    assert_eq!(states(&app).await, sent(30));
}

#[tokio::test]
async fn a_service_that_comes_back_gets_more_and_more_not_everything_at_once() {
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    busy_person(&app, 150).await;
    service.answering("429 Slow\r\nretry-after: 30", b"", worker.drain()).await.unwrap();
    assert_eq!(pauses(&app, "quota"), 1);
    app.pass(TimeDelta::seconds(36));
    let brought = come_back(&app, &service, &worker, TimeDelta::seconds(1)).await;
    assert_eq!(brought[0], 1 + 10, "the probe, and a few after it");
    assert!(brought.iter().all(|messages| *messages <= 30) && brought.len() > 5, "{brought:?}");
    let rows = seed::alerts(&app).await;
    assert!(rows.iter().all(|row| row.claim_no <= 4), "nobody is claimed again and again: {rows:?}");
}

#[tokio::test]
async fn a_limit_a_second_holds_and_whoever_is_over_it_is_put_off_not_tried() {
    let app = TestApp::start_stepped(&[("MENDLINE_FCM_RATE", "20")]).await;
    let person = busy_person(&app, 100).await;
    app.drain_worker().await;
    let at_once = app.fcm.sent().len();
    assert!((20..=24).contains(&at_once), "{at_once}: two at once, and as many as a second brings");
    let rows = seed::alerts_of(&app, person).await;
    let put_off: Vec<_> = rows.iter().filter(|row| row.state == "scheduled").collect();
    assert_eq!(put_off.len(), 100 - at_once);
    assert!(put_off.iter().all(|row| row.tries == 0 && row.reason.as_deref() == Some("rate_limit")));
    let within = |seconds| {
        let until = app.care.now() + TimeDelta::seconds(seconds);
        put_off.iter().filter(|row| row.next_attempt_at <= until).count()
    };
    assert!(within(0) == 0 && within(3) < 60 && within(6) == put_off.len(), "they come back at that rate");
}

#[tokio::test]
async fn a_limit_at_once_holds() {
    let service = Service::open().await;
    let app = service.app_with_fcm_and(&[("MENDLINE_FCM_CONCURRENCY", "3")]).await;
    let worker = Worker::new(app.wire_parts());
    busy_person(&app, 9).await;
    let story = async {
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(service.next_push().await);
        }
        assert_eq!(pushes(&service), 3, "three are in flight");
        for held in held {
            held.accept().await;
        }
        service.well(std::future::pending::<()>()).await;
    };
    tokio::select! {
        round = worker.drain() => assert_eq!(round.unwrap().settled, 9),
        () = story => {}
    }
    assert_eq!(states(&app).await, sent(9));
}

#[tokio::test]
async fn a_limit_at_once_over_all_providers_holds() {
    let service = Service::open().await;
    let settings = [("MENDLINE_PUSH_CONCURRENCY", "3"), ("MENDLINE_PUSH_ALLOWED_HOSTS", service.host.as_str())];
    let app = service.app_with_fcm_and(&settings).await;
    let worker = Worker::new(app.wire_parts());
    let person = busy_person(&app, 5).await;
    service.subscribe(&app, person).await;
    let messages = || service.paths().iter().filter(|path| *path != "/token").count();
    let story = async {
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(service.next_push().await);
        }
        assert_eq!(messages(), 3, "three are in flight, whoever carries them");
        for held in held {
            held.accept().await;
        }
        service.well(std::future::pending::<()>()).await;
    };
    tokio::select! {
        round = worker.drain() => assert_eq!(round.unwrap().settled, 5),
        () = story => {}
    }
    assert_eq!((states(&app).await, messages()), (sent(5), 10));
    assert!(pushes(&service) == 5, "each alert goes to both of them");
}

#[tokio::test]
async fn a_second_worker_and_a_restarted_one_know_the_pause_and_each_tries_once() {
    let service = Service::open().await;
    let (app, first) = service.app_with_fcm("15").await;
    busy_person(&app, 5).await;
    service.answering("401 Unauthorized", b"", first.drain()).await.unwrap();
    let so_far = pushes(&service);
    drop(first);
    app.pass(TimeDelta::seconds(15));
    let second = Worker::new(app.wire_parts());
    assert_eq!(second.drain().await.unwrap().claimed, 5);
    assert_eq!(pushes(&service), so_far, "it does not have to find out for itself");
    assert!(seed::alerts(&app).await.iter().all(|row| row.reason.as_deref() == Some("http_401") && row.tries == 0));

    app.pass(TimeDelta::seconds(60));
    come_back(&app, &service, &second, TimeDelta::seconds(15)).await;
    app.pass(TimeDelta::seconds(61));
    // Who knows better does not take the word of one who died.
    let owed = seed::owed(&app, "m:later", TimeDelta::zero(), TimeDelta::days(1));
    app.sql("UPDATE push_health SET until = until + interval '1 day' WHERE state = 'paused'").await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::plan(&app, person, &[owed]).await;
    service.well(second.drain()).await.unwrap();
    assert_eq!(seed::state(&app, "m:later").await, "sent");
}

#[tokio::test]
async fn administrators_see_what_is_wrong_and_how_many_wait() {
    let app = TestApp::start_stepped(&[]).await;
    let clinic = app.clinic().await;
    let answer = app.get("/v1/push/providers", &clinic.admin.token).await.expect(200);
    assert_eq!((&answer["workers"], &answer["items"][0]["configured"]), (&json!(0), &json!(false)));

    busy_person(&app, 3).await;
    app.fcm.answer_next(refused());
    app.drain_worker().await;
    let since = app.state.clocks.wall.now();
    let answer = app.get("/v1/push/providers", &clinic.admin.token).await.expect(200);
    let fcm = &answer["items"][0];
    assert_eq!((&answer["workers"], &fcm["provider"], &fcm["configured"]), (&json!(1), &json!("fcm"), &json!(true)));
    let expected = json!({
        "service": "fcm", "state": "paused", "cause": "credentials", "reason": "UNAUTHENTICATED", "since": since,
        "until": since + TimeDelta::seconds(60), "alerts_waiting": 2, "accepted_last_hour": 0, "failed_last_hour": 1,
    });
    assert_eq!(fcm["services"], json!([expected]));
    let web_push = answer["items"].as_array().unwrap().iter().find(|item| item["provider"] == "web_push").unwrap();
    assert_eq!(web_push["services"][0]["state"], "healthy");

    // Whoever has written nothing for a minute is gone.
    app.pass(TimeDelta::seconds(91));
    let answer = app.get("/v1/push/providers", &clinic.admin.token).await.expect(200);
    assert_eq!(answer["workers"], 0);
}

fn refused() -> PushOutcome {
    PushOutcome::Unauthorized { scope: Scope::Provider, reason: "UNAUTHENTICATED".into() }
}

#[tokio::test]
async fn a_running_worker_writes_down_what_it_knows_when_it_changes() {
    use diesel::prelude::*;
    use diesel_async::RunQueryDsl;
    use mendline::schema::push_health::dsl;
    let app = TestApp::start_stepped(&[]).await;
    busy_person(&app, 1).await;
    app.fcm.answer_next(refused());
    let (stop, worker) = (CancellationToken::new(), Worker::new(app.worker_parts()));
    let story = async {
        loop {
            let rows = dsl::push_health.select((dsl::service, dsl::state)).order(dsl::service);
            let rows: Vec<(String, String)> = seed::run(&app, async |conn| rows.load(conn).await).await;
            if rows.iter().any(|(_, state)| state == "paused") {
                stop.cancel();
                return rows;
            }
            tokio::task::yield_now().await;
        }
    };
    let both = async { tokio::join!(worker.run(stop.clone()), story) };
    let (ended, rows) = tokio::time::timeout(std::time::Duration::from_secs(60), both).await.expect("written down");
    ended.unwrap();
    let row = |service: &str, state: &str| (service.to_owned(), state.to_owned());
    assert_eq!(rows, [row("expo", "healthy"), row("fcm", "paused"), row("web_push", "healthy")]);
}

#[tokio::test]
async fn a_failing_phone_is_tried_eight_times_however_long_another_one_waits() {
    let app = TestApp::start_stepped(&[]).await;
    let person = seed::person(&app).await;
    let (waits, fails) = (seed::phone(&app, person).await, seed::phone(&app, person).await);
    let owed = seed::owed(&app, "m:a", TimeDelta::zero(), TimeDelta::days(3));
    seed::plan(&app, person, &[owed]).await;
    let tried = |device: Uuid| app.fcm.sent().iter().filter(|sent| sent.target.device_id == device).count();
    for _ in 0..24 {
        let key = PushOutcome::Unauthorized { scope: Scope::Device, reason: "THIRD_PARTY_AUTH_ERROR".into() };
        let down = PushOutcome::Unavailable { retry_after: None, reason: "http_503".into() };
        app.fcm.answer_next_of(waits, key);
        app.fcm.answer_next_of(fails, down);
        app.drain_worker().await;
        app.pass(TimeDelta::hours(1));
    }
    assert_eq!((tried(fails), tried(waits)), (8, 24));
    assert_eq!(seed::state(&app, "m:a").await, "scheduled");
}
