//! The mail server: does it take us? Nothing is sent.

use super::report::Report;
use crate::config::Config;
use crate::mail::{MailError, Transport};

const AREA: &str = "mail";

/// Connects, says who we are, logs in, hangs up.
pub(super) async fn examine(config: &Config, report: &mut Report) {
    let Some(mail) = &config.mail else {
        return report.ok(AREA, "not configured: a forgotten password takes a code that the clinic hands out");
    };
    let extra_ca = config.database.extra_ca.as_deref();
    let checked = match Transport::new(mail, extra_ca) {
        Ok(transport) => transport.check().await,
        Err(error) => Err(error),
    };
    match checked {
        Ok(()) => report.ok(AREA, "the server takes our name and our password"),
        Err(error) => {
            let remedy = match &error {
                MailError::Refused(_) => {
                    "look at user and password in MENDLINE_SMTP_URL, and at what the server lets them do"
                }
                MailError::Tls => {
                    "the certificate must be for the name in MENDLINE_SMTP_URL; a root of your own goes into MENDLINE_EXTRA_CA"
                }
                MailError::Address | MailError::Unavailable => {
                    "look at host and port in MENDLINE_SMTP_URL (smtps: 465, smtp with STARTTLS: 587) and at what the way out lets through"
                }
            };
            report.fail(AREA, error.to_string(), remedy);
        }
    }
}
