//! What the worker leaves alone and for how long: pauses of providers, platforms, devices and keys; and alerts whose time
//! is over while they wait.

use chrono::TimeDelta;
use mendline::auth::keys::Keys;
use mendline::config::Config;
use mendline::domain::alert::PushOutcome;
use mendline::push::fcm;
use mendline::telemetry::{ProviderLabel, PushLabels};
use mendline::worker::Worker;

use crate::support::{Service, TestApp, google, seed};

fn fcm_is_paused(app: &TestApp) -> bool {
    let provider = ProviderLabel { provider: fcm::CARRIER.provider.word };
    app.state.metrics.paused.get_or_create(&provider).get() == 1
}

#[tokio::test]
async fn a_message_that_was_on_its_way_does_not_lift_the_pause_that_began_meanwhile() {
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    let people = [seed::person(&app).await, seed::person(&app).await, seed::person(&app).await];
    for person in people {
        seed::phone(&app, person).await;
    }
    seed::due_now(&app, people[0], "m:a").await;
    seed::due_now(&app, people[1], "m:b").await;
    let answers = async {
        let (one, other) = (service.next_push().await, service.next_push().await);
        one.answer("429 Slow\r\nretry-after: 120", b"").await;
        while !fcm_is_paused(&app) {
            tokio::task::yield_now().await;
        }
        other.accept().await;
    };
    let (round, ()) = tokio::join!(worker.drain(), answers);
    assert_eq!(round.unwrap().settled, 2);
    let mut states = [seed::state(&app, "m:a").await, seed::state(&app, "m:b").await];
    states.sort_unstable();
    assert_eq!(states, ["scheduled", "sent"]);

    // A third one keeps the pause, costs no try, and comes back at a moment of its own.
    let so_far = service.paths().len();
    seed::due_now(&app, people[2], "m:c").await;
    assert_eq!(worker.drain().await.unwrap().claimed, 1);
    app.pass(TimeDelta::seconds(119));
    worker.drain().await.unwrap();
    assert_eq!((service.paths().len(), fcm_is_paused(&app)), (so_far, true));
    let row = &seed::alerts_of(&app, people[2]).await[0];
    let wait = (row.next_attempt_at - app.care.now()).num_seconds();
    assert!(row.tries == 0 && (0..=25).contains(&wait), "{row:?}: {wait}");
    assert_eq!(row.reason.as_deref(), Some("http_429"));

    app.pass(TimeDelta::seconds(26));
    service.well(worker.drain()).await.unwrap();
    assert!(seed::alerts(&app).await.iter().all(|row| row.state == "sent"));
    assert!(!fcm_is_paused(&app));
}

#[tokio::test]
async fn a_key_that_google_holds_for_one_platform_silences_only_that_platform() {
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    let (with_iphone, with_android) = (seed::person(&app).await, seed::person(&app).await);
    let iphone = seed::phone(&app, with_iphone).await;
    seed::phone(&app, with_android).await;
    seed::due_now(&app, with_iphone, "m:iphone").await;
    let error = google::error("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR");
    let refuse = async || service.next_push().await.answer("401 Unauthorized", error.as_bytes()).await;
    let (round, ()) = tokio::join!(worker.drain(), refuse());
    round.unwrap();
    assert!(!fcm_is_paused(&app));
    seed::due_now(&app, with_android, "m:android").await;
    service.well(worker.drain()).await.unwrap();
    assert_eq!(seed::state(&app, "m:android").await, "sent");

    // Left in peace for a minute, then asked again: half a day of refusals cost neither the address nor a try.
    let so_far = service.paths().len();
    app.pass(TimeDelta::seconds(30));
    worker.drain().await.unwrap();
    assert_eq!(service.paths().len(), so_far);
    for _ in 0..12 {
        app.pass(TimeDelta::hours(1));
        let (round, ()) = tokio::join!(worker.drain(), refuse());
        round.unwrap();
    }
    let row = &seed::alerts_of(&app, with_iphone).await[0];
    assert_eq!((row.state.as_str(), row.tries), ("scheduled", 0));
    assert!(seed::devices_left(&app).await.contains(&iphone));
    app.pass(TimeDelta::hours(1));
    service.well(worker.drain()).await.unwrap();
    assert_eq!(seed::state(&app, "m:iphone").await, "sent");
}

/// An alert that is worth something for six more seconds, of which five are the least.
async fn nearly_expired(app: &TestApp) {
    let person = seed::person(app).await;
    seed::phone(app, person).await;
    seed::plan(app, person, &[seed::owed(app, "m:a", TimeDelta::zero(), TimeDelta::seconds(6))]).await;
}

#[tokio::test]
async fn what_expires_while_a_token_is_fetched_or_replaced_does_not_leave() {
    let (fetched, replaced) = (&["/token"][..], &["/token", google::SEND, "/token"][..]);
    for expected in [fetched, replaced] {
        let service = Service::open().await;
        let (app, worker) = service.app_with_fcm("15").await;
        nearly_expired(&app).await;
        let answers = async {
            for (index, path) in expected.iter().enumerate() {
                let held = service.next().await;
                assert_eq!(held.path(), *path);
                if index + 1 == expected.len() {
                    app.pass(TimeDelta::seconds(2));
                }
                match *path {
                    google::SEND => held.answer("401 Unauthorized", b"").await,
                    _ => held.accept().await,
                }
            }
        };
        let (round, ()) = tokio::join!(worker.drain(), answers);
        assert_eq!(round.unwrap().settled, 1);
        let row = &seed::alerts(&app).await[0];
        assert_eq!((row.state.as_str(), row.reason.as_deref()), ("expired", Some("expired")));
        assert_eq!(seed::outcomes(&app).await, ["not_sent"]);
        assert_eq!(service.paths(), expected);
    }
}

#[tokio::test]
async fn nobody_waits_for_a_provider_longer_than_the_alert_is_worth() {
    let service = Service::open().await;
    let (app, worker) = service.app_with_fcm("15").await;
    nearly_expired(&app).await;
    let story = async {
        let held = service.next().await;
        app.pass(TimeDelta::seconds(6));
        held
    };
    let (round, _held) = tokio::join!(worker.drain(), story);
    assert_eq!(round.unwrap().settled, 1);
    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.reason.as_deref()), ("expired", Some("expired")));
    assert_eq!(service.paths(), ["/token"]);
}

#[tokio::test]
async fn a_wait_that_one_of_two_phones_was_told_is_kept_while_the_other_is_tried_by_the_schedule() {
    let app = TestApp::start_stepped(&[]).await;
    let person = seed::person(&app).await;
    let (told, other) = (seed::phone(&app, person).await, seed::phone(&app, person).await);
    let down = |wait: Option<i64>| PushOutcome::Unavailable {
        retry_after: wait.map(TimeDelta::seconds),
        reason: "http_503".into(),
    };
    app.fcm.answer_next_of(told, down(Some(120)));
    app.fcm.answer_next_of(other, down(None));
    seed::due_now(&app, person, "m:a").await;
    app.drain_worker().await;
    let sent_to = |phone| app.fcm.sent().iter().filter(|sent| sent.target.device_id == phone).count();
    for (seconds, told_so_far) in [(13, 1), (106, 1), (26, 2)] {
        app.pass(TimeDelta::seconds(seconds));
        app.drain_worker().await;
        assert_eq!((sent_to(told), sent_to(other)), (told_so_far, 2));
    }
    assert_eq!(seed::state(&app, "m:a").await, "sent");
}

#[tokio::test]
async fn a_wrong_sealing_key_costs_no_device_and_what_was_owed_goes_out_under_the_right_one() {
    let app = TestApp::start_stepped(&[]).await;
    let elsewhere = tempfile::tempdir().unwrap();
    let person = seed::person(&app).await;
    for _ in 0..12 {
        seed::phone(&app, person).await;
    }
    seed::due_now(&app, person, "m:a").await;
    let mut parts = app.worker_parts();
    parts.keys = Keys::load(&Config { data_dir: elsewhere.path().to_owned(), ..app.config.clone() }).unwrap();
    Worker::new(parts).drain().await.unwrap();

    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.tries, row.reason.as_deref()), ("scheduled", 0, Some("sealing_key")));
    assert_eq!(seed::devices_left(&app).await.len(), 12);
    assert!(app.fcm.sent().is_empty());
    let label = PushLabels { provider: "fcm", outcome: "unauthorized" };
    assert_eq!(app.state.metrics.pushes.get_or_create(&label).get(), 12, "operators see it");

    app.pass(TimeDelta::minutes(6));
    app.drain_worker().await;
    assert_eq!((seed::state(&app, "m:a").await.as_str(), app.fcm.sent().len()), ("sent", 12));
}

#[tokio::test]
async fn an_address_that_was_registered_anew_while_the_old_one_was_refused_is_not_quarantined() {
    let service = Service::open().await;
    let app = TestApp::start_with(&[("MENDLINE_PUSH_ALLOWED_HOSTS", &service.host)]).await;
    let person = seed::person(&app).await;
    let device = service.subscribe(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    let story = async {
        let held = service.next().await;
        app.sql("UPDATE devices SET registered_at = clock_timestamp()").await;
        held.answer("403 Forbidden", b"").await;
    };
    tokio::join!(app.drain_worker(), story);
    assert_eq!(seed::outcomes(&app).await, ["address_suspect"]);
    assert_eq!(seed::devices_left(&app).await, [device]);
}
