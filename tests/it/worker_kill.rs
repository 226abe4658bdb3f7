//! The worst moments: a worker killed between claim and settle, and a database that goes away under a running worker.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use chrono::TimeDelta;
use mendline::db::{let_groups_log_in, migrate, open_as_owner};
use mendline::embedded::{DATABASE, Durability, Embedded};
use mendline::worker::Worker;
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use crate::support::binary::{Reachable, mendline};
use crate::support::{Service, TestApp, TestDatabase, seed, server_programs};

#[tokio::test]
async fn what_a_killed_worker_held_is_sent_again_at_once_under_the_same_name() {
    let service = Service::open().await;
    let hosts = [("MENDLINE_PUSH_ALLOWED_HOSTS", service.host.as_str())];
    let app = TestApp::start_with(&hosts).await;
    app.care.set(app.state.clocks.wall.now());
    let person = seed::person(&app).await;
    service.subscribe(&app, person).await;
    seed::due_now(&app, person, "m:a").await;

    let mut worker = mendline(&app.config.data_dir, Some(app.database.url.expose_secret()), &["worker"])
        .env("MENDLINE_PUSH_ALLOWED_HOSTS", &service.host)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _held = service.next().await;
    assert_eq!(seed::state(&app, "m:a").await, "sending");
    worker.kill().await.unwrap();

    // Postgres notices the closed connection by itself; the rescue asks it, not the lease.
    let sent = async {
        while seed::state(&app, "m:a").await != "sent" {
            app.care.set(app.state.clocks.wall.now());
            app.drain_worker().await;
        }
    };
    let sent = tokio::time::timeout(Duration::from_secs(20), sent);
    service.well(sent).await.expect("rescued long before the lease of a minute");
    let topics = service.topics();
    assert_eq!(topics.len(), 2);
    assert_eq!(topics[0], topics[1], "a phone that got both shows one");
}

/// A private cluster of the test's own, which it may stop.
fn cluster(dir: &Path, programs: &Path) -> Embedded {
    Embedded::start(dir, Some(programs), Durability::None).expect("a cluster")
}

#[tokio::test]
async fn a_database_that_restarts_under_a_running_server_is_found_again_and_nothing_is_lost() {
    let Some(programs) = server_programs() else { return };
    let dir = Reachable::new("restart");
    let first = cluster(&dir.0, &programs);
    let url = SecretString::from(first.url(DATABASE));
    migrate(&url, None).await.unwrap();
    let_groups_log_in(&mut open_as_owner(&url, None).await.unwrap()).await.unwrap();
    let service = Service::open().await;
    let hosts = [("MENDLINE_PUSH_ALLOWED_HOSTS", service.host.as_str())];
    let app = TestApp::start_at(TestDatabase { url: url.clone() }, &url, &hosts).await;
    let (person, other) = (seed::person(&app).await, seed::person(&app).await);
    service.subscribe(&app, person).await;
    seed::phone(&app, other).await;
    app.get("/readyz", "").await.expect(200);

    let stop = CancellationToken::new();
    let worker = Worker::new(app.worker_parts());
    let run = worker.run(stop.clone());
    let story = async {
        let later = seed::owed(&app, "t:due-in-the-outage", TimeDelta::hours(1), TimeDelta::hours(1));
        seed::plan(&app, other, &[later]).await;
        seed::due_now(&app, person, "t:in-flight").await;
        let held = service.next().await;
        tokio::task::spawn_blocking(move || first.stop()).await.unwrap().unwrap();
        assert_eq!(app.get("/readyz", "").await.problem(503), "unavailable");
        // Its result comes while there is nowhere to write it.
        held.accept().await;
        app.care.advance(TimeDelta::hours(1));

        let again = dir.0.clone();
        let second = tokio::task::spawn_blocking(move || cluster(&again, &programs)).await.unwrap();
        let ready = async {
            while app.get("/readyz", "").await.status != 200 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ready).await.expect("ready again");
        let both_sent = async {
            for key in ["t:in-flight", "t:due-in-the-outage"] {
                seed::wait_for(&app, key, "sent").await;
            }
        };
        service.well(both_sent).await;
        stop.cancel();
        second
    };
    let (ended, second) = tokio::join!(run, story);
    ended.unwrap();
    assert_eq!(app.fcm.sent().len(), 1, "what fell due in the outage is sent once");
    let topics = service.topics();
    assert!(topics.len() <= 2 && topics.iter().all(|topic| *topic == topics[0]), "{topics:?}");
    drop(app);
    drop(second);
}
