//! Where mail is handed in, and in whose name.

use lettre::message::Mailbox;
use secrecy::SecretString;
use url::{Host, Url};

use super::Vars;

/// `MENDLINE_SMTP_URL` and `MENDLINE_MAIL_FROM`.
#[derive(Debug, Clone)]
pub struct Mail {
    /// The server that takes our mail.
    pub server: MailServer,
    /// Who it is from.
    pub from: Mailbox,
}

/// A server that takes mail.
#[derive(Debug, Clone)]
pub struct MailServer {
    /// Its name: what its certificate is for.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the way there is protected.
    pub security: Security,
    /// User name and password.
    pub credentials: Option<(String, SecretString)>,
}

/// How the way to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (`smtps:`).
    Tls,
    /// TLS after STARTTLS, without which nothing is said (`smtp:`).
    StartTls,
    /// None (`smtp:` with `?tls=none`): on this machine only.
    None,
}

const SERVER: &str = "MENDLINE_SMTP_URL";
const FROM: &str = "MENDLINE_MAIL_FROM";

impl Mail {
    /// Reads both; `None` where no mail is sent.
    pub fn read(vars: &mut Vars) -> Option<Self> {
        let (url, from) = (vars.secret(SERVER), vars.text(FROM));
        let from = from.and_then(|text| {
            let mailbox = text.parse::<Mailbox>().ok().filter(|mailbox| mailbox.email.to_string().is_ascii());
            if mailbox.is_none() {
                vars.fault(FROM, "is not an address such as Recovery <no-reply@clinic.example>");
            }
            mailbox
        });
        let asked = url.is_some();
        let server = url.and_then(|url| MailServer::parse(&url).map_err(|problem| vars.fault(SERVER, problem)).ok());
        if asked && vars.text(FROM).is_none() {
            vars.fault(FROM, format!("is needed beside {SERVER}"));
        }
        if !asked && vars.text(FROM).is_some() {
            vars.fault(SERVER, format!("is needed beside {FROM}"));
        }
        Some(Self { server: server?, from: from? })
    }
}

impl MailServer {
    /// Never repeats what it was given: there is a password in it.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be smtps://user:password@host:port, or smtp:// for STARTTLS";
        let url = Url::parse(text).map_err(|_secret| FORM)?;
        let plain = match url.query() {
            None => false,
            Some("tls=none") => true,
            Some(_) => return Err("takes no parameter but tls=none"),
        };
        let (security, usual) = match (url.scheme(), plain) {
            ("smtps", false) => (Security::Tls, 465),
            ("smtp", false) => (Security::StartTls, 587),
            ("smtp", true) => (Security::None, 25),
            _ => return Err(FORM),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(FORM);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(FORM)?;
        if security == Security::None && !is_this_machine(host) {
            return Err("may have tls=none only for a server on this machine (localhost, 127.0.0.1)");
        }
        let credentials = match (decoded(url.username())?, url.password().map(decoded).transpose()?) {
            (user, None) if user.is_empty() => None,
            (user, Some(password)) if !user.is_empty() => Some((user, SecretString::from(password))),
            _ => return Err("needs user and password, or neither"),
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port: url.port().unwrap_or(usual), security, credentials })
    }
}

fn is_this_machine(host: &str) -> bool {
    // Of an unknown scheme the parser takes every host for a name.
    match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Ok(Host::Domain(name)) => name == "localhost",
        Err(_) => false,
    }
}

/// What stands percent-encoded in a URL.
fn decoded(text: &str) -> Result<String, &'static str> {
    let plain = text.replace('+', "%2B");
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(plain.as_bytes()).into_owned().collect();
    match pairs.as_slice() {
        [] => Ok(String::new()),
        [(name, value)] if value.is_empty() && !plain.contains(['=', '&']) => Ok(name.clone()),
        _ => Err("must have & in user and password percent-encoded"),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn read(pairs: &[(&str, &str)]) -> (Option<Mail>, Vec<String>) {
        let given = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut vars = Vars::from_map(given);
        let mail = Mail::read(&mut vars);
        (mail, vars.into_faults().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn servers_are_read_with_their_usual_ports_and_passwords_decoded() {
        for (url, host, port, security, credentials) in [
            ("smtps://jo:p%40ss%2Bword@mail.example", "mail.example", 465, Security::Tls, Some(("jo", "p@ss+word"))),
            (
                "smtp://jo%40x.example:s3cr3t@mail.example:2525",
                "mail.example",
                2525,
                Security::StartTls,
                Some(("jo@x.example", "s3cr3t")),
            ),
            ("smtp://mail.example", "mail.example", 587, Security::StartTls, None),
            ("smtp://localhost?tls=none", "localhost", 25, Security::None, None),
            ("smtp://[::1]:1025?tls=none", "::1", 1025, Security::None, None),
        ] {
            let server = MailServer::parse(url).unwrap();
            assert_eq!((server.host.as_str(), server.port, server.security), (host, port, security), "{url}");
            let there = server.credentials.as_ref().map(|(user, password)| (user.as_str(), password.expose_secret()));
            assert_eq!(there, credentials);
            assert!(!format!("{server:?}").contains("s3cr3t"));
        }
    }

    #[test]
    fn what_cannot_be_used_is_a_fault_that_repeats_no_secret() {
        for url in [
            "mail.example",
            "https://mail.example",
            "smtps://mail.example?tls=none",
            "smtp://mail.example?tls=none",
            "smtp://10.0.0.1?tls=none",
            "smtp://mail.example?tls=opportunistic",
            "smtps://hunter2@mail.example",
            "smtps://:hunter2@mail.example",
            "smtps://jo:hunter2@mail.example/path",
            "smtps://jo:hunter2&x@mail.example",
        ] {
            let (mail, faults) = read(&[(SERVER, url), (FROM, "no-reply@clinic.example")]);
            assert!(mail.is_none() && faults.len() == 1, "{url}: {faults:?}");
            assert!(faults[0].starts_with(SERVER) && !faults[0].contains("hunter2"), "{faults:?}");
        }
    }

    #[test]
    fn one_needs_the_other_and_a_sender_is_an_address() {
        assert!(read(&[]).0.is_none() && read(&[]).1.is_empty());
        let good = (SERVER, "smtps://mail.example");
        assert!(read(&[good, (FROM, "Recovery <no-reply@clinic.example>")]).0.is_some());
        assert_eq!(read(&[good]).1.len(), 1);
        assert_eq!(read(&[(FROM, "no-reply@clinic.example")]).1.len(), 1);
        for from in ["clinic", "no-reply@", "a@b.example\r\nBcc: c@d.example", "ä@clinic.example"] {
            assert_eq!(read(&[good, (FROM, from)]).1.len(), 1, "{from}");
        }
    }
}
