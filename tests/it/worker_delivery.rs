//! The worker, alert by alert: what providers answer, and what becomes of the alert, its devices and its plan.

use chrono::TimeDelta;
use mendline::alerts::queue;
use mendline::domain::alert::{PushOutcome, Scope};

use crate::support::{TestApp, seed};

fn hours(n: i64) -> TimeDelta {
    TimeDelta::hours(n)
}

fn unavailable() -> PushOutcome {
    PushOutcome::Unavailable { retry_after: None, reason: "http_503".into() }
}

#[tokio::test]
async fn a_due_alert_reaches_every_phone_once_with_a_neutral_text() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let phones = [seed::phone(&app, person).await, seed::phone(&app, person).await];
    seed::due_now(&app, person, "m:a").await;

    let round = app.drain_worker().await;
    assert_eq!((round.claimed, round.settled), (1, 1));
    assert_eq!(seed::state(&app, "m:a").await, "sent");
    let sent = app.fcm.sent();
    assert_eq!(sent.len(), 2);
    for push in &sent {
        assert!(phones.contains(&push.target.device_id));
        assert_eq!(push.message.text.title, "You have a new message.");
        assert_eq!(push.message.ttl_seconds(app.care.now()), Ok(86_400));
    }
    assert_eq!(sent[0].message.collapse, sent[1].message.collapse);
    assert_ne!(sent[0].message.delivery_id, sent[1].message.delivery_id);

    assert_eq!(app.drain_worker().await.claimed, 0, "sent is sent");
}

#[tokio::test]
async fn nothing_is_sent_before_it_is_due_or_after_it_expired() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::plan(&app, person, &[seed::owed(&app, "m:a", hours(1), hours(2))]).await;

    assert_eq!(app.drain_worker().await.claimed, 0);
    let round = app.advance(hours(3)).await;
    assert_eq!((round.claimed, round.ended), (1, 1));
    assert_eq!(seed::state(&app, "m:a").await, "expired");
    assert!(app.fcm.sent().is_empty());
}

#[tokio::test]
async fn a_failing_provider_is_tried_again_by_the_schedule_under_the_same_delivery_id() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    app.fcm.answer_next(unavailable());

    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "scheduled");
    assert_eq!(app.advance(TimeDelta::seconds(9)).await.claimed, 0, "not before ten seconds");
    app.advance(TimeDelta::seconds(4)).await;
    assert_eq!(seed::state(&app, "m:a").await, "sent");
    let sent = app.fcm.sent();
    assert_eq!(sent[0].message.delivery_id, sent[1].message.delivery_id);
    assert_eq!(seed::outcomes(&app).await, ["unavailable", "accepted"]);
}

#[tokio::test]
async fn eight_tries_and_then_it_has_failed() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    seed::due_now(&app, person, "m:a").await;
    for _ in 0..9 {
        app.fcm.answer_next(unavailable());
    }
    app.drain_worker().await;
    for _ in 0..9 {
        app.advance(hours(1)).await;
    }
    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.tries, row.reason.as_deref()), ("failed", 8, Some("http_503")));
    assert_eq!(app.fcm.sent().len(), 8);
}

#[tokio::test]
async fn an_unregistered_device_is_removed_and_the_alert_still_reaches_the_other_phone() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let dead = seed::phone(&app, person).await;
    let alive = seed::phone(&app, person).await;
    app.fcm.answer_next_of(dead, PushOutcome::Unregistered { since: None });
    seed::due_now(&app, person, "m:a").await;

    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "sent");
    assert_eq!(seed::devices_left(&app).await, [alive]);
}

#[tokio::test]
async fn an_address_registered_after_the_providers_date_is_kept() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let phone = seed::phone(&app, person).await;
    let since = app.state.clocks.wall.now() - TimeDelta::days(1);
    app.fcm.answer_next(PushOutcome::Unregistered { since: Some(since) });
    seed::due_now(&app, person, "m:a").await;

    app.drain_worker().await;
    assert_eq!(seed::devices_left(&app).await, [phone]);
}

#[tokio::test]
async fn a_device_that_accepted_is_left_alone_while_the_other_is_tried_again() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let good = seed::phone(&app, person).await;
    let slow = seed::phone(&app, person).await;
    app.fcm.answer_next_of(slow, unavailable());
    seed::due_now(&app, person, "m:a").await;

    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "scheduled");
    app.advance(TimeDelta::minutes(1)).await;
    assert_eq!(seed::state(&app, "m:a").await, "sent");
    let to_good = app.fcm.sent().iter().filter(|sent| sent.target.device_id == good).count();
    assert_eq!((to_good, app.fcm.sent().len()), (1, 3));
}

#[tokio::test]
async fn refused_credentials_pause_the_provider_and_cost_neither_device_nor_tries() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let phone = seed::phone(&app, person).await;
    app.fcm.answer_next(PushOutcome::Unauthorized { scope: Scope::Provider, reason: "UNAUTHENTICATED".into() });
    seed::due_now(&app, person, "m:a").await;

    app.drain_worker().await;
    let row = &seed::alerts(&app).await[0];
    assert_eq!((row.state.as_str(), row.tries), ("scheduled", 0));
    app.advance(hours(1)).await;
    assert_eq!(app.fcm.sent().len(), 1, "the pause runs by the wall clock, which has not moved");
    assert_eq!(seed::devices_left(&app).await, [phone]);
    app.advance(hours(24)).await;
    assert_eq!(seed::state(&app, "m:a").await, "expired");
}

#[tokio::test]
async fn a_throttled_device_waits_as_long_as_it_was_told() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    let retry_after = Some(TimeDelta::minutes(7));
    app.fcm.answer_next(PushOutcome::Throttled { scope: Scope::Device, retry_after, reason: "rate".into() });
    seed::due_now(&app, person, "m:a").await;

    let now = app.care.now();
    app.drain_worker().await;
    let wait = seed::alerts(&app).await[0].next_attempt_at - now;
    assert!(wait >= TimeDelta::minutes(7) && wait <= TimeDelta::seconds(504), "{wait}");
}

#[tokio::test]
async fn a_suspect_address_is_quarantined_not_removed() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::phone(&app, person).await;
    app.fcm.answer_next(PushOutcome::AddressSuspect { reason: "SENDER_ID_MISMATCH".into() });
    seed::due_now(&app, person, "m:a").await;

    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "no_device");
    assert!(seed::devices_left(&app).await.is_empty());
}

#[tokio::test]
async fn many_suspect_addresses_in_a_row_are_our_mistake_and_the_rest_are_kept() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    for _ in 0..15 {
        seed::phone(&app, person).await;
        app.fcm.answer_next(PushOutcome::AddressSuspect { reason: "SENDER_ID_MISMATCH".into() });
    }
    seed::due_now(&app, person, "m:a").await;

    app.drain_worker().await;
    assert_eq!(seed::devices_left(&app).await.len(), 15, "also those that were set aside before the wave was one");
    assert_eq!(seed::state(&app, "m:a").await, "scheduled");
}

#[tokio::test]
async fn a_refused_message_fails_without_retry_and_keeps_the_address() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let phone = seed::phone(&app, person).await;
    app.fcm.answer_next(PushOutcome::Rejected { reason: "INVALID_ARGUMENT".into() });
    seed::due_now(&app, person, "m:a").await;

    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "failed");
    assert_eq!(seed::devices_left(&app).await, [phone]);
}

#[tokio::test]
async fn nobody_to_reach_is_told_apart_from_failure() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::due_now(&app, person, "m:a").await;
    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "no_device");

    seed::phone(&app, person).await;
    let now = app.care.now();
    let revived =
        seed::run(&app, async |conn| mendline::alerts::queue::revive_for_user(conn, person.user_id, now).await).await;
    assert_eq!(revived, 1);
    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "sent");
}

/// A worker number that no living worker has: its claims are settled by the test.
const SLOW: i32 = 11;

#[tokio::test]
async fn a_phone_registered_while_its_alert_is_under_way_is_not_missed() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::due_now(&app, person, "m:a").await;
    let now = app.care.now();
    let claimed = seed::run(&app, async |conn| queue::claim_due(conn, now, 10, SLOW, 3600).await).await;
    // The worker has looked for devices and found none; only then does the phone come.
    seed::phone(&app, person).await;
    let revived = seed::run(&app, async |conn| queue::revive_for_user(conn, person.user_id, now).await).await;
    assert_eq!(revived, 0);
    seed::run(&app, async |conn| queue::settle(conn, &settled(&claimed.claims[0], now)).await).await;
    assert_eq!(seed::state(&app, "m:a").await, "scheduled");
    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "sent");
}

#[tokio::test]
async fn a_phone_registered_while_its_alert_is_just_being_claimed_is_not_missed() {
    use diesel_async::SimpleAsyncConnection;
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    seed::due_now(&app, person, "m:a").await;
    let now = app.care.now();
    let mut worker = mendline::db::Connector::new(&app.database.url, None).unwrap().open().await.unwrap();
    worker.batch_execute("BEGIN").await.unwrap();
    // The worker has claimed, looked for devices and found none, and has not committed yet.
    let claimed = queue::claim_due(&mut worker, now, 10, SLOW, 3600).await.unwrap();
    seed::phone(&app, person).await;
    let revive = seed::run(&app, async |conn| queue::revive_for_user(conn, person.user_id, now).await);
    let commit = async {
        app.database.someone_waits_for_a_lock().await;
        worker.batch_execute("COMMIT").await.unwrap();
    };
    let (revived, ()) = tokio::join!(revive, commit);
    assert_eq!(revived, 0);
    seed::run(&app, async |conn| queue::settle(conn, &settled(&claimed.claims[0], now)).await).await;
    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "sent");
}

#[tokio::test]
async fn what_left_the_plan_is_not_revived_by_a_phone() {
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let now = app.care.now();
    seed::due_now(&app, person, "m:a").await;
    app.drain_worker().await;
    assert_eq!(seed::state(&app, "m:a").await, "no_device");
    // Called off while it waits for a phone, and another one while it is being sent.
    seed::plan(&app, person, &[seed::owed(&app, "m:b", TimeDelta::zero(), TimeDelta::hours(1))]).await;
    let claimed = seed::run(&app, async |conn| queue::claim_due(conn, now, 10, SLOW, 3600).await).await;
    seed::plan(&app, person, &[]).await;
    seed::run(&app, async |conn| queue::settle(conn, &settled(&claimed.claims[0], now)).await).await;
    seed::phone(&app, person).await;
    let revived = seed::run(&app, async |conn| queue::revive_for_user(conn, person.user_id, now).await).await;
    assert_eq!(revived, 0);
    for key in ["m:a", "m:b"] {
        assert_eq!(seed::state(&app, key).await, "cancelled", "{key}");
    }
}

#[tokio::test]
async fn what_ran_out_of_time_while_it_was_given_more_is_owed_again() {
    use mendline::domain::alert::Decision;
    let app = TestApp::start().await;
    let person = seed::person(&app).await;
    let now = app.care.now();
    let lasting = |seconds| seed::owed(&app, "m:a", TimeDelta::zero(), TimeDelta::seconds(seconds));
    let expire = async |claimed: &queue::Claimed| {
        let mut ended = settled(&claimed.claims[0], now);
        ended.settlements[0].decision = Decision::Expired;
        seed::run(&app, async |conn| queue::settle(conn, &ended).await).await;
    };
    let claim = async || seed::run(&app, async |conn| queue::claim_due(conn, now, 10, SLOW, 3600).await).await;
    seed::plan(&app, person, &[lasting(60)]).await;
    let claimed = claim().await;
    seed::plan(&app, person, &[lasting(3600)]).await;
    expire(&claimed).await;
    let row = seed::alerts(&app).await.remove(0);
    assert_eq!((row.state.as_str(), row.tries, row.next_attempt_at), ("scheduled", 0, now));

    // A next try that would come too late ends an alert whose time is not over yet, and nothing was given to it.
    let claimed = claim().await;
    assert_eq!(claimed.claims[0].expires_at, now + TimeDelta::hours(1));
    expire(&claimed).await;
    assert_eq!(seed::state(&app, "m:a").await, "expired");

    // Less time than before is not more.
    seed::plan(&app, person, &[lasting(3600)]).await;
    let claimed = claim().await;
    seed::plan(&app, person, &[lasting(1800)]).await;
    expire(&claimed).await;
    assert_eq!(seed::state(&app, "m:a").await, "expired");
}

/// No device was found for a claim.
fn settled(claim: &queue::Claim, at: chrono::DateTime<chrono::Utc>) -> queue::Batch {
    let settlement = claim.settled(mendline::domain::alert::Decision::NoDevice, at, None);
    queue::Batch { settlements: vec![settlement], over: vec![claim.claim_id], ..queue::Batch::default() }
}
