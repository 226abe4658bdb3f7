//! What the settings are, section by section, once they are read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;

use super::limits::Limit;

/// How strict the server is with its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// Generates missing keys and may run its own database.
    Development,
    /// Refuses generated keys and the embedded database.
    Production,
}

impl std::str::FromStr for Environment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err("expected development or production"),
        }
    }
}

/// Versions that apps compare themselves with; each is absent until the operator sets it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct AppVersions {
    /// `MENDLINE_MINIMUM_APP_VERSION`: older apps ask their user to update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum_app_version: Option<String>,
    /// `MENDLINE_TERMS_VERSION`: an app asks for consent anew when it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms_version: Option<String>,
    /// `MENDLINE_PRIVACY_VERSION`: likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub privacy_version: Option<String>,
}

/// Where the data is.
#[derive(Debug, Clone)]
pub struct Database {
    /// `DATABASE_URL`: as the API; absent: the embedded cluster.
    pub url: Option<SecretString>,
    /// `MENDLINE_WORKER_URL`: as the worker; `DATABASE_URL` where absent.
    pub worker_url: Option<SecretString>,
    /// `MENDLINE_MIGRATE_URL`: as the owner; `DATABASE_URL` where absent.
    pub migrate_url: Option<SecretString>,
    /// `PG_BIN_DIR`: server binaries for the embedded cluster.
    pub bin_dir: Option<PathBuf>,
    /// `MENDLINE_DATABASE_POOL`: connections per process and role.
    pub pool_size: u32,
    /// PEM of `MENDLINE_EXTRA_CA`: roots trusted beside the system's.
    pub extra_ca: Option<String>,
}

/// The API's addresses and limits.
#[derive(Debug, Clone)]
pub struct Http {
    /// `MENDLINE_BIND`.
    pub bind: SocketAddr,
    /// `MENDLINE_OPS_BIND`: health and metrics.
    pub ops_bind: SocketAddr,
    /// `MENDLINE_PUBLIC_URL`, without a trailing slash.
    pub public_url: String,
    /// `MENDLINE_TRUSTED_PROXIES`: whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// `MENDLINE_CORS_ORIGINS`.
    pub cors_origins: Vec<String>,
    /// `MENDLINE_HTTP_WORKERS`: threads that serve HTTP; the number of cores where absent.
    pub workers: Option<u32>,
    /// `MENDLINE_SHUTDOWN_SECONDS`: how long requests and sends in flight may take to finish.
    pub shutdown: Duration,
}

/// Our own keys; absent ones are generated into the data directory, in development only.
#[derive(Debug, Clone)]
pub struct Keys {
    /// `MENDLINE_TOKEN_KEY`: PEM, Ed25519 or P-256; the first signs, all verify.
    pub token: Option<SecretString>,
    /// `MENDLINE_SECRET_KEY`: at least 32 bytes, base64, inline or a path.
    pub secret: Option<SecretString>,
    /// `MENDLINE_VAPID_KEY`: PEM, P-256; the first is what apps subscribe with, the others serve older subscriptions.
    pub vapid: Option<SecretString>,
}

/// The worker's pace.
#[derive(Debug, Clone)]
pub struct Worker {
    /// `MENDLINE_WORKER_CONCURRENCY`: alerts in flight at once.
    pub concurrency: u32,
    /// `MENDLINE_LEASE_SECONDS`: how long a claim holds.
    pub lease: Duration,
    /// `MENDLINE_SEND_TIMEOUT_SECONDS`: how long one provider may take.
    pub send_timeout: Duration,
    /// `MENDLINE_SHUTDOWN_SECONDS`: how long sends in flight may take to finish at a stop.
    pub shutdown: Duration,
    /// `MENDLINE_POLL_SECONDS`: how often a worker looks at the queue and for claims of dead ones without being called.
    pub poll: Duration,
    /// `MENDLINE_PUSH_RATE`, `MENDLINE_PUSH_CONCURRENCY`: how fast this process may send, over all providers.
    pub limit: Limit,
}
