//! Whether credentials are worth anything, asked without reaching anybody.

use mendline::push::web_push::CARRIER as WEB_PUSH;
use mendline::push::{Finding, PushProvider as _, Registry, Verdict, fcm};
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::fcm::{Google, accepted, error, fcm_error};
use super::{quick, web_push};
use crate::support::google::SEND;

/// The verdict in one word, and what to do about it.
fn told(finding: &Finding) -> (&'static str, &str) {
    match &finding.verdict {
        Verdict::Good { .. } => ("good", ""),
        Verdict::Doubtful { remedy, .. } => ("doubtful", remedy),
        Verdict::Bad { remedy, .. } => ("bad", remedy),
    }
}

#[tokio::test]
async fn fcm_is_asked_to_validate_a_message_to_nobody_and_to_send_none() {
    let not_valid = error(400, "INVALID_ARGUMENT", json!([fcm_error("INVALID_ARGUMENT")]));
    let google = Google::new().await.granting(3599).await.answering(SEND, not_valid).await;
    let findings = google.fcm.check().await;
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].provider, findings[0].subject.as_str()), (&fcm::CARRIER.provider, "recovery-1"));
    assert_eq!(told(&findings[0]), ("good", ""));
    let body: Value = serde_json::from_slice(&google.requests(SEND).await[0].body).unwrap();
    assert_eq!(body["validate_only"], true);
    assert_eq!(body["message"]["notification"], Value::Null);
}

#[tokio::test]
async fn every_answer_of_fcm_says_what_is_wrong_with_the_credentials() {
    let with = |http, status: &str, code: &str| error(http, status, json!([fcm_error(code)]));
    for (answer, verdict, remedy) in [
        (with(404, "NOT_FOUND", "UNREGISTERED"), "good", ""),
        (accepted(), "good", ""),
        (error(401, "UNAUTHENTICATED", json!([])), "bad", "MENDLINE_FCM_CREDENTIALS"),
        (error(403, "PERMISSION_DENIED", json!([])), "bad", "enable the Firebase Cloud Messaging API"),
        (error(404, "NOT_FOUND", json!([])), "bad", "there is no project recovery-1"),
        (ResponseTemplate::new(404).set_body_string("<html>"), "bad", "MENDLINE_FCM_BASE_URL"),
        (with(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), "doubtful", "Firebase console"),
        (with(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), "doubtful", "ask again"),
        (with(503, "UNAVAILABLE", "UNAVAILABLE"), "doubtful", "reaches it"),
        (with(422, "SOMETHING", "SOMETHING_NEW"), "doubtful", "MENDLINE_FCM_BASE_URL"),
    ] {
        let google = Google::new().await.granting(3599).await.answering(SEND, answer).await;
        let finding = google.fcm.check().await.remove(0);
        let (told, what_to_do) = told(&finding);
        assert_eq!(told, verdict, "{finding:?}");
        assert!(what_to_do.contains(remedy), "{finding:?}");
    }
}

#[tokio::test]
async fn a_service_account_that_google_does_not_know_is_told_from_a_network_that_is_down() {
    let denied = ResponseTemplate::new(400).set_body_json(json!({"error": "invalid_grant"}));
    let down = ResponseTemplate::new(503);
    for (answer, verdict, remedy) in [(denied, "bad", "clock is right"), (down, "doubtful", "ask again")] {
        let google = Google::with(quick()).await.answering("/token", answer).await;
        let finding = google.fcm.check().await.remove(0);
        assert_eq!(told(&finding).0, verdict);
        assert!(told(&finding).1.contains(remedy), "{finding:?}");
    }
}

#[tokio::test]
async fn web_push_shows_its_key_and_its_contact_and_a_registry_asks_everybody() {
    let findings = Registry::default().with(std::sync::Arc::new(web_push("", quick()))).check().await;
    assert_eq!(findings.iter().map(|finding| told(finding).0).collect::<Vec<_>>(), ["good", "good"]);
    assert!(findings.iter().all(|finding| !finding.is_bad() && finding.provider == &WEB_PUSH.provider));
    assert!(findings[0].subject.starts_with("VAPID key "));
}
