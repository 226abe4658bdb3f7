//! All settings, typed, from the environment: nothing else reads it. Every fault is reported at once and names
//! its variable. Secrets are redacted in `Debug`. Defaults and meanings stand in the README.

mod budgets;
mod limits;
mod mail;
mod origin;
mod places;
pub mod postgres_url;
pub mod roots;
mod sections;
mod strangers;
mod vars;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use secrecy::SecretString;

use crate::push::{self, CARRIERS, Carrier};

pub use budgets::Budgets;
pub use limits::{Limit, LimitSettings};
pub use mail::{Mail, MailServer, Security};
use origin::Origin;
pub use places::{default_data_dir, search_path};
pub use sections::{AppVersions, Database, Environment, Http, Keys, Worker};
pub use strangers::Stranger;
pub use vars::{Fault, Vars};

/// How fast one process may send, whoever carries it: what providers take is said for each of them.
const ALL_PROVIDERS: LimitSettings =
    LimitSettings { rate: ("MENDLINE_PUSH_RATE", 0), concurrency: ("MENDLINE_PUSH_CONCURRENCY", 0) };

/// Everything the binary can be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// `MENDLINE_ENV`.
    pub environment: Environment,
    /// `MENDLINE_DATA_DIR`: private database and generated keys.
    pub data_dir: PathBuf,
    /// Where the data is.
    pub database: Database,
    /// `MENDLINE_ERASURE_JOURNAL`: where deletions are written down outside the database; nowhere where absent.
    pub erasure_journal: Option<PathBuf>,
    /// The API.
    pub http: Http,
    /// How much one caller may ask.
    pub budgets: Budgets,
    /// Signing and sealing keys.
    pub keys: Keys,
    /// The worker.
    pub worker: Worker,
    /// Where mail is handed in, if any is sent.
    pub mail: Option<Mail>,
    /// Push providers; what each wants to be told stands in its own file.
    pub push: push::Settings,
    /// `MENDLINE_ERASURE_WINDOW_DAYS`: for how long a deleted login can be brought back.
    pub erasure_window: TimeDelta,
    /// What apps are expected to be.
    pub app: AppVersions,
    /// Variables that are called like settings and are none.
    pub strangers: Vec<Stranger>,
}

impl Config {
    /// Reads the process's environment.
    pub fn from_environment() -> Result<Self, Vec<Fault>> {
        Self::read(Vars::from_environment())
    }

    /// Reads given variables.
    pub fn read(vars: Vars) -> Result<Self, Vec<Fault>> {
        Self::read_for(vars, CARRIERS)
    }

    /// Reads given variables for a program with these push providers.
    pub fn read_for(mut vars: Vars, carriers: &[&'static Carrier]) -> Result<Self, Vec<Fault>> {
        let config = Self::gather(&mut vars, carriers);
        // Read where it is needed, and only by builds for crash tests.
        #[cfg(feature = "failpoints")]
        vars.text(crate::failpoint::VARIABLE);
        let strangers = vars.strangers();
        match vars.into_faults() {
            faults if faults.is_empty() => Ok(Self { strangers, ..config }),
            faults => Err(strangers::hint(faults, &strangers)),
        }
    }

    /// The names of all variables that are read.
    pub fn names() -> BTreeSet<&'static str> {
        let mut vars = Vars::from_map(BTreeMap::new());
        Self::gather(&mut vars, CARRIERS);
        vars.asked().clone()
    }

    /// Reads every variable, whether or not others are wrong.
    fn gather(vars: &mut Vars, carriers: &[&'static Carrier]) -> Self {
        let environment = vars.parsed("MENDLINE_ENV", Environment::Development);
        let seconds =
            |vars: &mut Vars, name, default, most| Duration::from_secs(u64::from(vars.number(name, default, 1, most)));
        let shutdown = seconds(vars, "MENDLINE_SHUTDOWN_SECONDS", 10, 600);
        let bind = vars.parsed("MENDLINE_BIND", SocketAddr::from(([127, 0, 0, 1], 8080)));
        let extra_ca = extra_ca(vars);
        let config = Self {
            environment,
            data_dir: places::data_dir(vars),
            database: Database {
                url: postgres_url(vars, "DATABASE_URL"),
                worker_url: postgres_url(vars, "MENDLINE_WORKER_URL"),
                migrate_url: postgres_url(vars, "MENDLINE_MIGRATE_URL"),
                bin_dir: vars.text("PG_BIN_DIR").map(PathBuf::from),
                pool_size: vars.number("MENDLINE_DATABASE_POOL", 16, 2, 500),
                extra_ca: extra_ca.clone(),
            },
            erasure_journal: vars.text("MENDLINE_ERASURE_JOURNAL").map(PathBuf::from),
            http: Http {
                bind,
                ops_bind: vars.parsed("MENDLINE_OPS_BIND", SocketAddr::from(([127, 0, 0, 1], 9090))),
                public_url: public_url(vars, bind),
                trusted_proxies: vars.list("MENDLINE_TRUSTED_PROXIES"),
                cors_origins: vars.list("MENDLINE_CORS_ORIGINS").into_iter().map(|Origin(origin)| origin).collect(),
                workers: vars
                    .text("MENDLINE_HTTP_WORKERS")
                    .is_some()
                    .then(|| vars.number("MENDLINE_HTTP_WORKERS", 1, 1, 1024)),
                shutdown,
            },
            budgets: Budgets::read(vars),
            keys: Keys {
                token: vars.pem("MENDLINE_TOKEN_KEY").map(SecretString::from),
                secret: vars.secret("MENDLINE_SECRET_KEY").map(SecretString::from),
                vapid: vars.pem("MENDLINE_VAPID_KEY").map(SecretString::from),
            },
            worker: Worker {
                concurrency: vars.number("MENDLINE_WORKER_CONCURRENCY", 256, 1, 10_000),
                lease: seconds(vars, "MENDLINE_LEASE_SECONDS", 60, 3600),
                send_timeout: seconds(vars, "MENDLINE_SEND_TIMEOUT_SECONDS", 15, 600),
                shutdown,
                poll: seconds(vars, "MENDLINE_POLL_SECONDS", 1, 600),
                limit: ALL_PROVIDERS.read(vars),
            },
            mail: Mail::read(vars),
            push: push::Settings::read(vars, environment, extra_ca, carriers),
            // The longest that the law waits for an erasure is a month.
            erasure_window: TimeDelta::days(i64::from(vars.number("MENDLINE_ERASURE_WINDOW_DAYS", 14_u32, 0, 30))),
            app: AppVersions {
                minimum_app_version: vars.text("MENDLINE_MINIMUM_APP_VERSION"),
                terms_version: vars.text("MENDLINE_TERMS_VERSION"),
                privacy_version: vars.text("MENDLINE_PRIVACY_VERSION"),
            },
            strangers: Vec::new(),
        };
        config.check(vars);
        config
    }

    /// Whether generated keys and the embedded database will do.
    pub fn is_production(&self) -> bool {
        self.environment == Environment::Production
    }

    /// What contradicts each other, and what production may not lack.
    fn check(&self, vars: &mut Vars) {
        let margin = Duration::from_secs(5);
        if self.worker.lease < self.worker.send_timeout + margin {
            vars.fault("MENDLINE_LEASE_SECONDS", "must exceed MENDLINE_SEND_TIMEOUT_SECONDS by at least 5");
        }
        if self.http.bind == self.http.ops_bind && self.http.bind.port() != 0 {
            vars.fault("MENDLINE_OPS_BIND", "must differ from MENDLINE_BIND");
        }
        let beside =
            [("MENDLINE_WORKER_URL", &self.database.worker_url), ("MENDLINE_MIGRATE_URL", &self.database.migrate_url)];
        for (variable, _) in beside.into_iter().filter(|(_, url)| url.is_some() && self.database.url.is_none()) {
            vars.fault(variable, "needs DATABASE_URL beside it");
        }
        if !self.is_production() {
            return;
        }
        let (plain, key) =
            ("is required in production", "is required in production: `mendline admin keys new` makes one");
        let required = [
            ("DATABASE_URL", self.database.url.is_some(), plain),
            ("MENDLINE_TOKEN_KEY", self.keys.token.is_some(), key),
            ("MENDLINE_SECRET_KEY", self.keys.secret.is_some(), key),
            ("MENDLINE_VAPID_KEY", self.keys.vapid.is_some(), key),
            ("MENDLINE_PUBLIC_URL", vars.text("MENDLINE_PUBLIC_URL").is_some(), plain),
        ];
        for (variable, _, fault) in required.into_iter().filter(|(_, present, _)| !present) {
            vars.fault(variable, fault);
        }
    }
}

fn postgres_url(vars: &mut Vars, variable: &'static str) -> Option<SecretString> {
    let url = vars.text(variable)?;
    if let Err(problem) = postgres_url::parse(&url) {
        vars.fault(variable, problem);
    }
    Some(SecretString::from(url))
}

fn extra_ca(vars: &mut Vars) -> Option<String> {
    let variable = "MENDLINE_EXTRA_CA";
    let pem = vars.pem(variable)?;
    if let Err(problem) = roots::parse(&pem) {
        vars.fault(variable, problem);
    }
    Some(pem)
}

fn public_url(vars: &mut Vars, bind: SocketAddr) -> String {
    vars.base_url("MENDLINE_PUBLIC_URL", &format!("http://{bind}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
        Config::read(Vars::from_map(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()))
    }

    fn faulty(pairs: &[(&str, &str)]) -> Vec<&'static str> {
        read(pairs).unwrap_err().into_iter().map(|fault| fault.variable).collect()
    }

    #[test]
    fn nothing_set_is_a_development_server_with_the_documented_defaults() {
        let config = read(&[]).unwrap();
        assert_eq!(config.http.bind.to_string(), "127.0.0.1:8080");
        assert_eq!(config.worker.concurrency, 256);
        assert_eq!(config.worker.lease, Duration::from_secs(60));
        assert!(config.database.url.is_none());
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let faults = faulty(&[
            ("MENDLINE_BIND", "nowhere"),
            ("MENDLINE_ENV", "staging"),
            ("MENDLINE_WORKER_CONCURRENCY", "0"),
            ("MENDLINE_TRUSTED_PROXIES", "10.0.0.1,proxy"),
        ]);
        assert_eq!(
            faults,
            ["MENDLINE_ENV", "MENDLINE_BIND", "MENDLINE_TRUSTED_PROXIES", "MENDLINE_WORKER_CONCURRENCY"]
        );
    }

    #[test]
    fn contradictions_stop_the_start() {
        assert_eq!(faulty(&[("MENDLINE_LEASE_SECONDS", "15")]), ["MENDLINE_LEASE_SECONDS"]);
        assert_eq!(faulty(&[("MENDLINE_OPS_BIND", "127.0.0.1:8080")]), ["MENDLINE_OPS_BIND"]);
        assert_eq!(faulty(&[("MENDLINE_MIGRATE_URL", "postgres://x/y")]), ["MENDLINE_MIGRATE_URL"]);
        assert_eq!(faulty(&[("MENDLINE_WORKER_URL", "postgres://x/y")]), ["MENDLINE_WORKER_URL"]);
    }

    #[test]
    fn what_cannot_be_used_later_is_a_fault_now() {
        for (variable, value) in [
            ("DATABASE_URL", "postgres://u@h/d?sslrootcert=/root.pem"),
            ("MENDLINE_MIGRATE_URL", "mysql://u@h/d"),
            ("MENDLINE_CORS_ORIGINS", "https://app.example.org,*"),
            ("MENDLINE_EXTRA_CA", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
            ("MENDLINE_SECRET_KEY", "/no/such/file"),
        ] {
            assert_eq!(faulty(&[("DATABASE_URL", "postgres://u@h/d"), (variable, value)]), [variable]);
        }
    }

    #[test]
    fn production_refuses_generated_keys_and_the_embedded_database() {
        let faults = faulty(&[("MENDLINE_ENV", "production")]);
        for variable in ["DATABASE_URL", "MENDLINE_TOKEN_KEY", "MENDLINE_SECRET_KEY", "MENDLINE_VAPID_KEY"] {
            assert!(faults.contains(&variable), "{variable} is missing from {faults:?}");
        }
    }

    #[test]
    fn among_faults_a_misspelt_variable_is_told_of_without_its_value() {
        let told = |pairs: &[(&str, &str)]| {
            let faults = read(&[&[("MENDLINE_ENV", "production")], pairs].concat()).unwrap_err();
            faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        };
        let plain = told(&[]);
        let key = "MENDLINE_TOKEN_KEY: is required in production: `mendline admin keys new` makes one";
        assert!(plain.contains(key) && !plain.contains("no setting"), "{plain}");
        let misspelt = [("MENDLINE_TOKEN_KEYS", "hunter2"), ("MENDLINE_FCM_CREDENTIAL", "s3cr3t"), ("MENDLINE_X", "x")];
        let hint = format!("{key}; may be meant by MENDLINE_TOKEN_KEYS, which is no setting");
        let more = "\nMENDLINE_FCM_CREDENTIALS: may be meant by MENDLINE_FCM_CREDENTIAL, which is no setting";
        assert_eq!(told(&misspelt), plain.replace(key, &hint) + more);
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let config = read(&[("DATABASE_URL", "postgres://u:hunter2@h/d"), ("MENDLINE_SECRET_KEY", "s3cr3t")]).unwrap();
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("s3cr3t"));
    }
}
