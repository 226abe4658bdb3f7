//! A service account like FCM's whose tokens the sink grants, and the settings that make a mendline use it.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// The settings of a server that sends to the sink at `base`.
pub fn settings(base: &str, concurrency: usize) -> anyhow::Result<[(&'static str, String); 4]> {
    Ok([
        ("MENDLINE_FCM_CREDENTIALS", credentials(base)?),
        ("MENDLINE_FCM_BASE_URL", base.to_owned()),
        ("MENDLINE_WORKER_CONCURRENCY", concurrency.to_string()),
        // What FCM takes from one project is less than what is measured here.
        ("MENDLINE_FCM_RATE", "0".to_owned()),
    ])
}

/// The account's file.
fn credentials(sink: &str) -> anyhow::Result<String> {
    let key = KeyPair::generate(KeySize::Rsa2048)?;
    let pem = STANDARD.encode(key.as_der()?.as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{pem}\n-----END PRIVATE KEY-----\n");
    let account = json!({
        "type": "service_account", "project_id": "p", "client_email": "push@p.example", "private_key_id": "k",
        "private_key": pem, "token_uri": format!("{sink}/token"),
    });
    Ok(account.to_string())
}
