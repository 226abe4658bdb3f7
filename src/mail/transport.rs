//! Handing mail in. This and `push/http` are the only ways out of the program; where this one leads is the operator's to say.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::words::Letter;
use crate::config::{Mail, Security};

/// How long the server may take for one answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a whole letter may take.
const WHOLE: Duration = Duration::from_secs(30);

/// RFC 3834: nobody's holiday note is an answer to this.
const AUTOMATIC: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Why a letter was not handed in. Servers repeat addresses in what they say: it is never passed on.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// It cannot be written to.
    #[error("this is no address that mail can be sent to")]
    Address,
    /// What the operator gave for TLS cannot be used.
    #[error("TLS cannot be set up")]
    Tls,
    /// The server refused, for good.
    #[error("the mail server refused with {0}")]
    Refused(String),
    /// It did not answer in time, was not there, or asked to come again.
    #[error("the mail server could not be reached, or not now")]
    Unavailable,
}

impl MailError {
    fn of(error: &lettre::transport::smtp::Error) -> Self {
        match error.status() {
            Some(code) if error.is_permanent() => Self::Refused(code.to_string()),
            None if error.is_tls() => Self::Tls,
            _ => Self::Unavailable,
        }
    }
}

/// The way to the operator's mail server. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Transport {
    /// As the settings say; nothing is connected yet.
    pub fn new(settings: &Mail, extra_ca: Option<&str>) -> Result<Self, MailError> {
        let server = &settings.server;
        let tls = || {
            let mut parameters = TlsParameters::builder(server.host.clone());
            if let Some(pem) = extra_ca {
                let roots = Certificate::from_pem(pem.as_bytes()).map_err(|_opaque| MailError::Tls)?;
                parameters = parameters.add_root_certificate(roots);
            }
            parameters.build().map_err(|_opaque| MailError::Tls)
        };
        let tls = match server.security {
            Security::Tls => Tls::Wrapper(tls()?),
            Security::StartTls => Tls::Required(tls()?),
            Security::None => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            // What this machine is called is nobody's business, and often nothing that could be looked up.
            .hello_name(ClientId::Domain(settings.from.email.domain().to_owned()))
            .timeout(Some(ANSWER));
        if let Some((user, password)) = &server.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.expose_secret().to_owned()));
        }
        Ok(Self { smtp: builder.build(), from: settings.from.clone() })
    }

    /// Hands a letter in. Never within a transaction.
    pub async fn send(&self, to: &str, locale: &str, letter: Letter<'_>, now: DateTime<Utc>) -> Result<(), MailError> {
        let to: Address = to.parse().map_err(|_personal| MailError::Address)?;
        let words = letter.words(locale);
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(words.subject)
            .date(now.into())
            .message_id(Some(format!("<{}@{}>", Uuid::new_v4(), self.from.email.domain())))
            .raw_header(HeaderValue::new(AUTOMATIC, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(words.text)
            .map_err(|_personal| MailError::Address)?;
        let sent = tokio::time::timeout(WHOLE, self.smtp.send(message)).await;
        sent.map_err(|_late| MailError::Unavailable)?.map(drop).map_err(|error| MailError::of(&error))
    }

    /// Connects, says who we are, and hangs up without having sent anything.
    pub async fn check(&self) -> Result<(), MailError> {
        let checked = tokio::time::timeout(WHOLE, self.smtp.test_connection()).await;
        match checked.map_err(|_late| MailError::Unavailable)? {
            Ok(true) => Ok(()),
            Ok(false) => Err(MailError::Unavailable),
            Err(error) => Err(MailError::of(&error)),
        }
    }
}
