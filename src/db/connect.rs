//! Opening a connection: TLS by `sslmode`, timeouts, session settings, and nothing of it while everybody is held off.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::hold_off;
use crate::config::{postgres_url, roots};

/// How long opening a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Nothing that this server asks for takes longer, in milliseconds.
const STATEMENT_TIMEOUT_MS: u32 = 30_000;

/// Opens connections to one database. Cheap to clone.
#[derive(Clone)]
pub struct Connector {
    config: Arc<tokio_postgres::Config>,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// Reads the URL and prepares TLS.
    ///
    /// Wherever TLS is used, and by default it is where the server offers it, the server's certificate is verified
    /// against the system's roots and `extra_ca`. `sslmode=disable` and Unix sockets use none.
    pub fn new(url: &SecretString, extra_ca: Option<&str>) -> anyhow::Result<Self> {
        let mut config = postgres_url::parse(url.expose_secret()).map_err(anyhow::Error::msg)?;
        config.connect_timeout(CONNECT_TIMEOUT);
        config.tcp_user_timeout(Duration::from_secs(15));
        config.keepalives_idle(Duration::from_secs(30));
        if config.get_application_name().is_none() {
            config.application_name("mendline");
        }
        let over_tcp = config.get_hosts().iter().any(|host| matches!(host, tokio_postgres::config::Host::Tcp(_)));
        let wants_tls = over_tcp && config.get_ssl_mode() != SslMode::Disable;
        let tls = if wants_tls { Some(MakeRustlsConnect::new(tls_config(extra_ca)?)) } else { None };
        Ok(Self { config: Arc::new(config), tls })
    }

    /// Opens one connection; the current runtime drives it.
    pub async fn open(&self) -> ConnectionResult<AsyncPgConnection> {
        let mut conn = match &self.tls {
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await.map_err(refused)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await?
            }
            None => {
                let (client, connection) = self.config.connect(tokio_postgres::NoTls).await.map_err(refused)?;
                AsyncPgConnection::try_from_client_and_connection(client, connection).await?
            }
        };
        let settings = format!(
            "{}; SET statement_timeout = {STATEMENT_TIMEOUT_MS}; SET idle_in_transaction_session_timeout = 60000",
            hold_off::ask()
        );
        conn.batch_execute(&settings).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }
}

/// Database errors name hosts and roles but never the password.
fn refused(error: tokio_postgres::Error) -> ConnectionError {
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let advice = untrusted(&error).map(|advice| format!(": {advice}")).unwrap_or_default();
    ConnectionError::BadConnection(format!("{error}: {cause}{advice}"))
}

/// What to do about a server whose certificate was not believed.
fn untrusted(error: &tokio_postgres::Error) -> Option<&'static str> {
    use rustls::CertificateError::{NotValidForName, NotValidForNameContext};
    let tls = std::error::Error::source(error)?.downcast_ref::<std::io::Error>()?.get_ref()?;
    match tls.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            Some("connect by a name that the certificate holds, or set sslmode=disable where the network is private")
        }
        rustls::Error::InvalidCertificate(_) => Some(
            "set MENDLINE_EXTRA_CA to the root certificate of the server's, or sslmode=disable where the network is \
             private",
        ),
        _ => None,
    }
}

fn tls_config(extra_ca: Option<&str>) -> anyhow::Result<rustls::ClientConfig> {
    let mut store = rustls::RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = extra_ca {
        store.add_parsable_certificates(roots::parse(pem).map_err(anyhow::Error::msg).context("MENDLINE_EXTRA_CA")?);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_root_certificates(store)
        .with_no_client_auth())
}
