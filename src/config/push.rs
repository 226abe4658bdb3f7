//! Push providers' credentials and addresses.

use secrecy::SecretString;

use super::{Vars, base_url};

/// Push providers' credentials and addresses.
#[derive(Debug, Clone)]
pub struct Push {
    /// `MENDLINE_FCM_CREDENTIALS`: service-account JSON, inline or a path.
    pub fcm_credentials: Option<SecretString>,
    /// `MENDLINE_FCM_BASE_URL`.
    pub fcm_base_url: String,
    /// `MENDLINE_EXPO_TOKEN`: access token, inline or a path; only projects with enhanced push security need it.
    pub expo_token: Option<SecretString>,
    /// `MENDLINE_EXPO_BASE_URL`.
    pub expo_base_url: String,
    /// `MENDLINE_APNS_...`: all of it or nothing.
    pub apns: Option<Apns>,
    /// `MENDLINE_VAPID_KEY`: PEM, P-256; the first is what apps subscribe with, the others serve older subscriptions.
    pub vapid_key: Option<SecretString>,
    /// `MENDLINE_VAPID_SUBJECT`: `mailto:` or `https:` URL that push services may contact.
    pub vapid_subject: Option<String>,
    /// `MENDLINE_PUSH_ALLOWED_HOSTS`: `host:port` of self-hosted push services; only these may be private or plain http.
    pub allowed_hosts: Vec<String>,
    /// PEM of `MENDLINE_EXTRA_CA`.
    pub extra_ca: Option<String>,
}

/// Who we are to Apple.
#[derive(Debug, Clone)]
pub struct Apns {
    /// `MENDLINE_APNS_KEY`: the `.p8` file, inline or a path.
    pub key: SecretString,
    /// `MENDLINE_APNS_KEY_ID`.
    pub key_id: String,
    /// `MENDLINE_APNS_TEAM_ID`.
    pub team_id: String,
    /// `MENDLINE_APNS_TOPIC`: the bundle id of devices that name no app.
    pub topic: String,
    /// `MENDLINE_APNS_BASE_URL`.
    pub base_url: String,
    /// `MENDLINE_APNS_SANDBOX_BASE_URL`.
    pub sandbox_base_url: String,
}

pub(super) fn read(vars: &mut Vars, extra_ca: Option<String>) -> Push {
    Push {
        fcm_credentials: vars.pem("MENDLINE_FCM_CREDENTIALS").map(SecretString::from),
        fcm_base_url: base_url(vars, "MENDLINE_FCM_BASE_URL", "https://fcm.googleapis.com"),
        expo_token: vars.secret("MENDLINE_EXPO_TOKEN").map(SecretString::from),
        expo_base_url: base_url(vars, "MENDLINE_EXPO_BASE_URL", "https://exp.host"),
        apns: apns(vars),
        vapid_key: vars.pem("MENDLINE_VAPID_KEY").map(SecretString::from),
        vapid_subject: vars.text("MENDLINE_VAPID_SUBJECT"),
        allowed_hosts: vars.list("MENDLINE_PUSH_ALLOWED_HOSTS"),
        extra_ca,
    }
}

/// Somebody who set one of the four meant all of them.
fn apns(vars: &mut Vars) -> Option<Apns> {
    let base_url_of = |vars: &mut Vars, variable, default| base_url(vars, variable, default);
    let production = base_url_of(vars, "MENDLINE_APNS_BASE_URL", "https://api.push.apple.com");
    let sandbox = base_url_of(vars, "MENDLINE_APNS_SANDBOX_BASE_URL", "https://api.sandbox.push.apple.com");
    let variables = ["MENDLINE_APNS_KEY", "MENDLINE_APNS_KEY_ID", "MENDLINE_APNS_TEAM_ID", "MENDLINE_APNS_TOPIC"];
    let given = variables.map(|variable| vars.text(variable));
    if given.iter().all(Option::is_none) {
        return None;
    }
    for (variable, _) in variables.iter().zip(&given).filter(|(_, value)| value.is_none()) {
        vars.fault(variable, "is missing: APNs needs MENDLINE_APNS_KEY, _KEY_ID, _TEAM_ID and _TOPIC");
    }
    let [_, key_id, team_id, topic] = given;
    Some(Apns {
        key: SecretString::from(vars.pem("MENDLINE_APNS_KEY")?),
        key_id: key_id?,
        team_id: team_id?,
        topic: topic?,
        base_url: production,
        sandbox_base_url: sandbox,
    })
}
