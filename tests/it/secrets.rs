//! What is secret does not show in `Debug`: not in the settings, not in the state that every handler holds.

use crate::support::TestApp;
use crate::support::people::PASSWORD;

#[tokio::test]
async fn neither_settings_nor_state_show_a_secret_or_whom_they_know() {
    let app = TestApp::start_with(&[("MENDLINE_EXPO_TOKEN", "expo-hunter2")]).await;
    let person = app.clinic().await.admin;
    let body = serde_json::json!({ "email": person.email, "password": "four other words together" });
    app.post("/v1/auth/login", "", body).await.expect(401);
    let keys = app.config.data_dir.join("keys");
    let files = std::fs::read_dir(&keys).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let mut secrets: Vec<String> = files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    secrets.retain(|line| !line.is_empty() && !line.starts_with("-----"));
    assert!(secrets.len() >= 5, "token keys, the master secret and a key of Web Push: {}", secrets.len());
    secrets.extend(["expo-hunter2", PASSWORD, &person.email, &person.token, &person.refresh_token].map(str::to_owned));
    let shown = format!("{:?} {:#?} {:?} {:#?}", app.state, app.state, app.config, app.config);
    assert!(shown.contains("Keys") && shown.contains("Throttle"), "{shown}");
    for secret in secrets {
        assert!(!shown.contains(&secret), "{secret}");
    }
}
