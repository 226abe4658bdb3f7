//! What the operator says about APNs: all of it or nothing.

use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::{Apns, ApnsKey, ApnsSettings, BASE_URL, SANDBOX_BASE_URL};
use crate::config::{Environment, Vars};
use crate::push::{Maker, SetupError};

/// Somebody who set one of the four meant all of them. The key is the `.p8` file, inline or a path; the topic is the bundle
/// id of devices that name no app.
pub(super) fn read(vars: &mut Vars, _: Environment) -> Option<Maker> {
    let production = vars.url("MENDLINE_APNS_BASE_URL", BASE_URL);
    let sandbox = vars.url("MENDLINE_APNS_SANDBOX_BASE_URL", SANDBOX_BASE_URL);
    let variables = ["MENDLINE_APNS_KEY", "MENDLINE_APNS_KEY_ID", "MENDLINE_APNS_TEAM_ID", "MENDLINE_APNS_TOPIC"];
    let given = variables.map(|variable| vars.text(variable));
    if given.iter().all(Option::is_none) {
        return None;
    }
    for (variable, _) in variables.iter().zip(&given).filter(|(_, value)| value.is_none()) {
        vars.fault(variable, "is missing: APNs needs MENDLINE_APNS_KEY, _KEY_ID, _TEAM_ID and _TOPIC");
    }
    let key = SecretString::from(vars.pem("MENDLINE_APNS_KEY")?);
    let [_, key_id, team_id, topic] = given;
    let (key_id, team_id, topic) = (key_id?, team_id?, topic?);
    let (base_url, sandbox_base_url) = (production?, sandbox?);
    Some(Maker::new(move |setup| {
        let key = ApnsKey::new(key.expose_secret(), &key_id, &team_id);
        let settings = ApnsSettings {
            key: key.map_err(|fault| SetupError::of(fault.variable())(fault))?,
            topic: topic.clone(),
            base_url: base_url.clone(),
            sandbox_base_url: sandbox_base_url.clone(),
            http: setup.http.clone(),
        };
        let apns = Apns::new(settings, setup.clocks.clone()).map_err(SetupError::of("MENDLINE_APNS_TOPIC"))?;
        Ok(Arc::new(apns))
    }))
}
