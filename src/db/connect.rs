//! Opening a connection: TLS by `sslmode`, timeouts, session settings.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

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
    /// `sslmode=require` and `sslmode=verify-full` both verify the server's certificate against the system's roots and
    /// `extra_ca`: encryption to whoever answers is not worth having. `disable` and Unix sockets use none.
    pub fn new(url: &SecretString, extra_ca: Option<&str>) -> anyhow::Result<Self> {
        let url = url.expose_secret().replace("sslmode=verify-full", "sslmode=require");
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|_hidden: tokio_postgres::Error| anyhow::anyhow!("DATABASE_URL: is not a Postgres URL"))?;
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
        let settings =
            format!("SET statement_timeout = {STATEMENT_TIMEOUT_MS}; SET idle_in_transaction_session_timeout = 60000");
        conn.batch_execute(&settings).await.map_err(ConnectionError::CouldntSetupConfiguration)?;
        Ok(conn)
    }
}

/// Database errors name hosts and roles but never the password.
fn refused(error: tokio_postgres::Error) -> ConnectionError {
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    ConnectionError::BadConnection(format!("{error}: {cause}"))
}

fn tls_config(extra_ca: Option<&str>) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(pem) = extra_ca {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.context("MENDLINE_EXTRA_CA: not a PEM certificate")?;
            roots.add(certificate).context("MENDLINE_EXTRA_CA: not a usable root")?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
