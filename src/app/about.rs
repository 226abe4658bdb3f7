//! What an app asks before anybody has logged in: what this server speaks, and which versions it expects.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::State;
use crate::config::{self, Config};
use crate::push::web_push::VapidKeys;

/// What does not change while the server runs.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    vapid_public_key: String,
    vapid_key_id: String,
    /// All keys that still serve subscriptions, the current one first.
    #[serde(skip)]
    vapid_key_ids: Vec<String>,
    /// Push providers that a device may be registered for, and what else may be switched off.
    features: Vec<&'static str>,
    #[serde(flatten)]
    versions: config::AppVersions,
}

#[derive(Serialize)]
struct ConfigAnswer<'a> {
    server_time: DateTime<Utc>,
    /// On development servers whose care clock may be put forward: what it shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    care_time: Option<DateTime<Utc>>,
    #[serde(flatten)]
    about: &'a About,
}

impl About {
    /// From the settings and the keys that browsers subscribe with.
    pub fn new(config: &Config, keys: &VapidKeys) -> Self {
        let by_mail = config.mail.is_some().then_some("password_reset_by_mail");
        Self {
            vapid_public_key: keys.current().public_key().to_owned(),
            vapid_key_id: keys.current().id().to_owned(),
            vapid_key_ids: keys.iter().map(|key| key.id().to_owned()).collect(),
            features: config.push.configured().map(|provider| provider.word).chain(by_mail).collect(),
            versions: config.app.clone(),
        }
    }

    /// The versions that apps compare themselves with.
    pub fn versions(&self) -> &config::AppVersions {
        &self.versions
    }

    /// The ids of the keys that a Web Push subscription may have been made with, the current one first.
    pub fn vapid_key_ids(&self) -> &[String] {
        &self.vapid_key_ids
    }
}

/// Server time, push key, features, versions.
pub async fn find_config(state: web::Data<State>) -> HttpResponse {
    let care_time = state.stepping.as_ref().map(|_| state.clocks.care.now());
    let answer = ConfigAnswer { server_time: state.clocks.wall.now(), care_time, about: &state.about };
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}
