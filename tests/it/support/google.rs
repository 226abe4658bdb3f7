//! Who we are to Google in tests: a service account whose key is drawn when the first test needs it.

use std::sync::OnceLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Where messages of this account's project are posted to.
pub const SEND: &str = "/v1/projects/recovery-1/messages:send";

/// The account's key.
pub fn key() -> &'static KeyPair {
    static KEY: OnceLock<KeyPair> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

/// The account as Google's console exports it, with a token server of the test's choice.
pub fn credentials(token_uri: &str) -> String {
    let der = key().as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    json!({
        "type": "service_account", "project_id": "recovery-1", "client_email": "push@recovery-1.example",
        "private_key_id": "kid-1", "private_key": pem, "token_uri": token_uri,
    })
    .to_string()
}

/// An error as FCM writes it, with Google's word and FCM's own.
pub fn error(status: &str, code: &str) -> String {
    let detail = json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code});
    json!({"error": {"status": status, "details": [detail]}}).to_string()
}
