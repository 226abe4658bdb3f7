//! What an app asks before anybody has logged in: what this server speaks, and which versions it expects.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{State, providers};
use crate::auth::keys::Keys;
use crate::config::{self, Config};

/// What does not change while the server runs.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    vapid_public_key: String,
    vapid_key_id: String,
    /// Push providers that a device may be registered for, and what else may be switched off.
    features: Vec<&'static str>,
    #[serde(flatten)]
    versions: config::AppVersions,
}

#[derive(Serialize)]
struct ConfigAnswer<'a> {
    server_time: DateTime<Utc>,
    #[serde(flatten)]
    about: &'a About,
}

impl About {
    /// From the settings and the key that browsers subscribe with.
    pub fn new(config: &Config, keys: &Keys) -> anyhow::Result<Self> {
        let vapid = providers::vapid_key(keys)?;
        let mut features = vec!["web_push", "expo"];
        if config.push.fcm_credentials.is_some() {
            features.push("fcm");
        }
        Ok(Self {
            vapid_public_key: vapid.public_key().to_owned(),
            vapid_key_id: vapid.id().to_owned(),
            features,
            versions: config.app.clone(),
        })
    }
}

/// Server time, push key, features, versions.
pub async fn find_config(state: web::Data<State>) -> HttpResponse {
    let answer = ConfigAnswer { server_time: state.clocks.wall.now(), about: &state.about };
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer)
}
