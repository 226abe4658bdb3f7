//! From settings to providers: credentials that cannot be used stop the start with the variable's name, and without
//! repeating any of them.

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mendline::app::providers;
use mendline::auth::keys::Keys;
use mendline::config::{Config, Vars};
use mendline::domain::endpoint::AllowedHosts;
use mendline::domain::provider::Provider;
use mendline::push::web_push::VapidKey;
use mendline::push::{CARRIERS, expo, web_push};

use super::clocks;
use crate::support::google;

/// Which providers there are with these settings, or the complaint.
fn providers(settings: &[(&str, &str)]) -> Result<Vec<&'static Provider>, String> {
    let dir = tempfile::tempdir().unwrap();
    let data = ("MENDLINE_DATA_DIR", dir.path().to_str().unwrap());
    let variables = settings.iter().chain([&data]).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = Config::read(Vars::from_map(variables.collect()))
        .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let keys = Keys::load(&config).unwrap();
    let registry = providers::registry(&config, &keys, &AllowedHosts::default(), &clocks());
    registry.map(|registry| registry.configured().collect()).map_err(|error| error.to_string())
}

/// The settings of a complete installation, with some of them changed or, where they are empty, left out.
fn all_but(changes: &[(&'static str, &str)]) -> Result<Vec<&'static Provider>, String> {
    let (p256, google) = (VapidKey::generate_pem().unwrap(), google::credentials("https://oauth2.example/token"));
    let mut settings = vec![
        ("MENDLINE_APNS_KEY", p256.as_str()),
        ("MENDLINE_APNS_KEY_ID", "KEY1234567"),
        ("MENDLINE_APNS_TEAM_ID", "TEAM123456"),
        ("MENDLINE_APNS_TOPIC", "org.example.mendline"),
        ("MENDLINE_FCM_CREDENTIALS", google.as_str()),
        ("MENDLINE_VAPID_KEY", p256.as_str()),
        ("MENDLINE_VAPID_SUBJECT", "mailto:ops@example.org"),
    ];
    for (name, value) in changes {
        settings.retain(|(other, _)| other != name);
        settings.push((name, value));
    }
    providers(&settings)
}

#[test]
fn an_installation_has_the_providers_that_it_has_credentials_for() {
    assert_eq!(providers(&[]), Ok(vec![&web_push::CARRIER.provider, &expo::CARRIER.provider]));
    assert_eq!(all_but(&[]), Ok(CARRIERS.iter().map(|carrier| &carrier.provider).collect()));
}

#[test]
fn each_of_apples_settings_that_is_missing_beside_others_is_named() {
    for variable in ["MENDLINE_APNS_KEY", "MENDLINE_APNS_KEY_ID", "MENDLINE_APNS_TEAM_ID", "MENDLINE_APNS_TOPIC"] {
        let complaint = all_but(&[(variable, "")]).unwrap_err();
        assert!(complaint.starts_with(&format!("{variable}: is missing")), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
    let complaint = providers(&[("MENDLINE_APNS_TOPIC", "org.example.mendline")]).unwrap_err();
    assert_eq!(complaint.lines().count(), 3, "all that are missing at once: {complaint}");
}

#[test]
fn credentials_that_cannot_be_used_stop_the_start_with_the_variables_name() {
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap().to_pkcs8v1().unwrap();
    let p384 = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", STANDARD.encode(p384.as_ref()));
    let garbage = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    let half = format!("{}{garbage}", VapidKey::generate_pem().unwrap());
    for (variable, value) in [
        ("MENDLINE_EXPO_TOKEN", "tökén"),
        ("MENDLINE_EXPO_BASE_URL", "nowhere"),
        ("MENDLINE_APNS_KEY", garbage),
        ("MENDLINE_APNS_KEY", &p384),
        ("MENDLINE_APNS_KEY", "/no/such/file.p8"),
        ("MENDLINE_APNS_KEY_ID", "KEY"),
        ("MENDLINE_APNS_TEAM_ID", "TEAM-12345"),
        ("MENDLINE_APNS_TOPIC", "org.example mendline"),
        ("MENDLINE_APNS_BASE_URL", "ftp://apple.example"),
        ("MENDLINE_APNS_SANDBOX_BASE_URL", "apple"),
        ("MENDLINE_FCM_CREDENTIALS", "{\"type\":\"service_account\"}"),
        ("MENDLINE_FCM_CREDENTIALS", "/no/such/file.json"),
        ("MENDLINE_FCM_BASE_URL", "nowhere"),
        ("MENDLINE_VAPID_KEY", garbage),
        ("MENDLINE_VAPID_KEY", &p384),
        ("MENDLINE_VAPID_KEY", &half),
        ("MENDLINE_VAPID_SUBJECT", "mailto:nobody"),
    ] {
        let complaint = all_but(&[(variable, value)]).unwrap_err();
        assert!(complaint.starts_with(&format!("{variable}: ")), "{variable}: {complaint}");
        assert!(!complaint.contains("c2VjcmV0") && !complaint.contains("-----"), "{complaint}");
    }
}
