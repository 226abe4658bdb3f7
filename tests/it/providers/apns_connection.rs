//! How APNs' connection is treated: one request until it is known to be good, a fresh one in place of one that is lost,
//! and tokens that are never renewed in a hurry.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::TimeDelta;
use futures_util::future::join_all;
use mendline::domain::alert::{PushOutcome, Scope};
use mendline::push::http::HttpSettings;
use mendline::push::{PushProvider as _, Verdict, apns};

use super::apns::{Lab, accepted};
use super::quick;
use crate::support::apple::{Apple, Reaction, Seen};

async fn send_many(lab: &Lab, count: usize) -> Vec<PushOutcome> {
    join_all((0..count).map(|_| lab.send())).await
}

/// The requests of every connection that came before its first answer.
fn before_the_first_answer(seen: &[Seen]) -> HashMap<usize, usize> {
    let mut counts = HashMap::new();
    for request in seen.iter().filter(|request| !request.is_after_an_answer) {
        *counts.entry(request.connection).or_default() += 1;
    }
    counts
}

fn unauthorized(reason: &'static str) -> PushOutcome {
    PushOutcome::Unauthorized { scope: Scope::Provider, reason: reason.into() }
}

#[tokio::test]
async fn one_request_goes_alone_and_then_all_share_the_connection() {
    // Slow enough that whoever does not wait is seen.
    let lab = Lab::new(|_| Reaction::Slowly(40, Box::new(Reaction::accept()))).await;
    assert_eq!(send_many(&lab, 50).await, vec![accepted(); 50]);
    let seen = lab.apple.seen();
    assert_eq!(before_the_first_answer(&seen), HashMap::from([(1, 1)]));
    assert!(seen.len() == 50 && seen.iter().all(|request| request.connection == 1));
}

#[tokio::test]
async fn a_phone_that_is_gone_proves_the_connection_as_well_as_one_that_is_there() {
    let count = AtomicUsize::new(0);
    let lab = Lab::new(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Reaction::Slowly(40, Box::new(Reaction::reason(400, "BadDeviceToken"))),
        _ => Reaction::accept(),
    })
    .await;
    let outcomes = send_many(&lab, 10).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == accepted()).count(), 9);
    assert_eq!(lab.apple.seen().iter().map(|request| request.connection).max(), Some(1));
}

#[tokio::test]
async fn what_the_first_request_meets_is_what_everybody_would_have_met() {
    let lab = Lab::new(|_| Reaction::Slowly(40, Box::new(Reaction::reason(403, "InvalidProviderToken")))).await;
    assert_eq!(send_many(&lab, 20).await, vec![unauthorized("InvalidProviderToken"); 20]);
    assert_eq!(lab.apple.seen().len(), 1);
    assert_eq!(lab.send().await, unauthorized("InvalidProviderToken"), "asked anew, on a connection of its own");
    assert_eq!(lab.apple.seen().iter().map(|request| request.connection).collect::<Vec<_>>(), [1, 2]);
}

#[tokio::test]
async fn a_silent_apple_costs_everybody_who_waits_one_timeout() {
    let lab = Lab::with(quick(), |_| Reaction::Silence).await;
    let began = std::time::Instant::now();
    let timeout = PushOutcome::Unavailable { retry_after: None, reason: "timeout".into() };
    assert_eq!(send_many(&lab, 30).await, vec![timeout; 30]);
    assert!(began.elapsed() < quick().total_timeout * 5);
    assert_eq!(lab.apple.seen().len(), 1);
}

#[tokio::test]
async fn a_connection_that_apple_ends_is_replaced_and_nothing_is_lost() {
    // The first connection says goodbye with its third answer, while others are on their way.
    let count = AtomicUsize::new(0);
    let lab = Lab::new(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        2 => Reaction::LastAnswer(Box::new(Reaction::accept())),
        _ => Reaction::Slowly(20, Box::new(Reaction::accept())),
    })
    .await;
    for _ in 0..3 {
        assert_eq!(lab.send().await, accepted());
    }
    assert_eq!(send_many(&lab, 30).await, vec![accepted(); 30]);
    let seen = lab.apple.seen();
    assert_eq!(before_the_first_answer(&seen), HashMap::from([(1, 1), (2, 1)]));
    assert_eq!(seen.len(), 33, "nothing was sent twice");
}

#[tokio::test]
async fn a_goodbye_between_two_alerts_is_noticed_by_one_request_and_not_by_a_crowd() {
    let lab = Lab::new(|seen| match seen.connection {
        1 => Reaction::LastAnswer(Box::new(Reaction::accept())),
        _ => Reaction::Slowly(40, Box::new(Reaction::accept())),
    })
    .await;
    assert_eq!(lab.send().await, accepted());
    assert_eq!(send_many(&lab, 25).await, vec![accepted(); 25]);
    assert_eq!(before_the_first_answer(&lab.apple.seen()), HashMap::from([(1, 1), (2, 1)]));
}

#[tokio::test]
async fn over_tls_it_is_the_same_and_a_certificate_that_nobody_vouches_for_gets_nothing() {
    let (apple, pem) = Apple::start_with_tls(|_| Reaction::Slowly(20, Box::new(Reaction::accept()))).await;
    let base_url = format!("https://{}", apple.address);
    let trusting = HttpSettings { extra_ca: Some(pem), ..HttpSettings::default() };
    let lab = Lab::at(apple, &base_url, trusting).await;
    assert_eq!(send_many(&lab, 10).await, vec![accepted(); 10]);
    assert_eq!(before_the_first_answer(&lab.apple.seen()), HashMap::from([(1, 1)]));

    let (apple, _) = Apple::start_with_tls(|_| Reaction::accept()).await;
    let base_url = format!("https://{}", apple.address);
    let lab = Lab::at(apple, &base_url, HttpSettings::default()).await;
    assert_eq!(lab.send().await, PushOutcome::Unavailable { retry_after: None, reason: "tls".into() });
    assert!(lab.apple.seen().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_cut_under_way_may_have_delivered_and_the_next_is_a_fresh_one() {
    let lab = Lab::new(|seen| match (seen.connection, seen.is_after_an_answer) {
        (1, true) => Reaction::HangUp,
        _ => Reaction::accept(),
    })
    .await;
    assert_eq!(lab.send().await, accepted());
    let cut = PushOutcome::Unavailable { retry_after: None, reason: "connection_closed".into() };
    assert_eq!(lab.send().await, cut);
    assert_eq!(lab.send().await, accepted());
    assert_eq!(lab.apple.seen().iter().map(|request| request.connection).collect::<Vec<_>>(), [1, 1, 2]);
}

#[tokio::test]
async fn a_connection_that_belongs_to_another_key_or_was_idle_is_left_for_a_new_one_and_the_message_sent_there() {
    for reason in ["UnrelatedKeyIdInToken", "IdleTimeout"] {
        let status = if reason == "IdleTimeout" { 400 } else { 403 };
        let lab = Lab::new(move |seen| match seen.connection {
            1 => Reaction::reason(status, reason),
            _ => Reaction::accept(),
        })
        .await;
        assert_eq!(lab.send().await, accepted(), "{reason}");
        assert_eq!(lab.apple.seen().iter().map(|request| request.connection).collect::<Vec<_>>(), [1, 2]);
    }
}

#[tokio::test]
async fn a_server_that_shuts_down_gets_nothing_more_on_that_connection() {
    let lab = Lab::new(|seen| match seen.connection {
        1 => Reaction::reason(503, "Shutdown"),
        _ => Reaction::accept(),
    })
    .await;
    assert_eq!(lab.send().await, PushOutcome::Unavailable { retry_after: None, reason: "Shutdown".into() });
    assert_eq!(lab.send().await, accepted());
}

#[tokio::test]
async fn an_expired_token_is_signed_anew_once_and_never_when_it_is_young() {
    let refused: &'static AtomicUsize = Box::leak(Box::default());
    let lab = Lab::new(|_| match refused.load(Ordering::Relaxed) {
        0 => Reaction::accept(),
        _ => {
            refused.fetch_sub(1, Ordering::Relaxed);
            Reaction::reason(403, "ExpiredProviderToken")
        }
    })
    .await;
    let tokens = || {
        let mut tokens: Vec<_> =
            lab.apple.seen().iter().map(|request| request.headers["authorization"].clone()).collect();
        tokens.dedup();
        tokens.len()
    };
    assert_eq!(lab.send().await, accepted());
    refused.store(1, Ordering::Relaxed);
    assert_eq!(lab.send().await, unauthorized("ExpiredProviderToken"), "a minute-old token cannot be an hour old");
    assert_eq!(tokens(), 1);

    lab.wall.advance(TimeDelta::minutes(20));
    refused.store(1, Ordering::Relaxed);
    assert_eq!(lab.send().await, accepted());
    assert_eq!(tokens(), 2);

    lab.wall.advance(TimeDelta::minutes(20));
    refused.store(2, Ordering::Relaxed);
    assert_eq!(lab.send().await, unauthorized("ExpiredProviderToken"), "if that did not help, our clock is wrong");
    assert_eq!(tokens(), 3);
}

#[tokio::test]
async fn where_tokens_change_too_often_the_one_before_is_used_again() {
    let refused: &'static AtomicUsize = Box::leak(Box::default());
    let lab = Lab::new(|_| match refused.swap(0, Ordering::Relaxed) {
        0 => Reaction::accept(),
        _ => Reaction::reason(429, "TooManyProviderTokenUpdates"),
    })
    .await;
    assert_eq!(lab.send().await, accepted());
    lab.wall.advance(TimeDelta::minutes(45));
    refused.store(1, Ordering::Relaxed);
    let throttled = PushOutcome::Throttled {
        scope: Scope::Provider,
        retry_after: Some(TimeDelta::seconds(60)),
        reason: "TooManyProviderTokenUpdates".into(),
    };
    assert_eq!(lab.send().await, throttled);
    assert_eq!(lab.send().await, accepted());
    let tokens: Vec<_> = lab.apple.seen().iter().map(|request| request.headers["authorization"].clone()).collect();
    assert_eq!(tokens[2], tokens[0]);
    assert_ne!(tokens[1], tokens[0]);
}

#[tokio::test]
async fn credentials_are_good_where_apple_refuses_nothing_but_a_made_up_phone() {
    for (reason, status, verdict, remedy) in [
        ("BadDeviceToken", 400, "good", ""),
        ("InvalidProviderToken", 403, "bad", "MENDLINE_APNS_TEAM_ID"),
        ("ExpiredProviderToken", 403, "bad", "clock"),
        ("TopicDisallowed", 400, "bad", "MENDLINE_APNS_TOPIC: org.example.mendline"),
        ("BadEnvironmentKeyInToken", 403, "bad", "for this environment"),
        ("BadEnvironmentKeyIdInToken", 403, "bad", "for this environment"),
        ("ServiceUnavailable", 503, "doubtful", "reaches it"),
    ] {
        let lab = Lab::new(move |_| Reaction::reason(status, reason)).await;
        let findings = lab.apns.check().await;
        assert_eq!(findings.len(), 2);
        assert!(findings.iter().all(|finding| finding.provider == &apns::CARRIER.provider));
        assert_eq!(findings[0].subject, "key KEY1234567 for production");
        let (told, what_to_do) = match &findings[0].verdict {
            Verdict::Good { .. } => ("good", ""),
            Verdict::Doubtful { remedy, .. } => ("doubtful", remedy.as_str()),
            Verdict::Bad { remedy, .. } => ("bad", remedy.as_str()),
        };
        assert_eq!(told, verdict, "{reason}");
        assert!(what_to_do.contains(remedy), "{findings:?}");
        assert!(lab.apple.seen()[0].path.ends_with(&"0".repeat(64)));
        assert_eq!(lab.sandbox.seen().len(), 1);
    }
}
