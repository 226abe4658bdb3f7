//! Postgres URLs as we take them: what libpq knows and we do not is refused with what to write instead, never ignored.

use std::error::Error as _;

/// Reads a URL; the fault, which never repeats a password, where it cannot be used.
///
/// `sslmode=require` and `sslmode=verify-full` both verify the server's certificate: encryption to whoever answers is
/// not worth having.
pub fn parse(url: &str) -> Result<tokio_postgres::Config, String> {
    const FORM: &str = "expected postgres://user:password@host:5432/database, special characters percent-encoded";
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(FORM.to_owned());
    }
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let parameters: Vec<&str> =
        query.split('&').filter(|parameter| !parameter.is_empty()).map(parameter).collect::<Result<_, _>>()?;
    let known: tokio_postgres::Config =
        format!("{address}?{}", parameters.join("&")).parse().map_err(|error: tokio_postgres::Error| {
            match error.source().map(ToString::to_string) {
                // These name the parameter and nothing else.
                Some(cause) if cause.contains(" option ") => format!("{cause}; {FORM}"),
                _ => FORM.to_owned(),
            }
        })?;
    if known.get_hosts().is_empty() && known.get_hostaddrs().is_empty() {
        return Err(format!("names no host: {FORM}"));
    }
    Ok(known)
}

/// One parameter in words that our client knows.
fn parameter(given: &str) -> Result<&str, String> {
    let (key, value) = given.split_once('=').unwrap_or((given, ""));
    match (key, value) {
        ("sslmode", "verify-full") => Ok("sslmode=require"),
        ("sslmode", "disable" | "prefer" | "require") => Ok(given),
        ("sslmode", _) => Err(format!(
            "sslmode={value} is not known here: take verify-full or require, which both verify the server's \
             certificate, or prefer or disable"
        )),
        ("sslrootcert", _) => {
            Err("sslrootcert is not known here: name the root's file in MENDLINE_EXTRA_CA".to_owned())
        }
        ("sslcert" | "sslkey" | "sslpassword", _) => {
            Err(format!("{key} is not known here: client certificates are not supported, take a password"))
        }
        _ => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::SslMode;

    use super::*;

    #[test]
    fn modes_that_verify_are_one_and_the_others_stay_what_they_are() {
        for (query, mode) in [
            ("", SslMode::Prefer),
            ("?sslmode=prefer", SslMode::Prefer),
            ("?sslmode=disable", SslMode::Disable),
            ("?sslmode=require", SslMode::Require),
            ("?connect_timeout=3&sslmode=verify-full&application_name=x", SslMode::Require),
        ] {
            let config = parse(&format!("postgresql://u:sslmode=verify-full@h/d{query}")).unwrap();
            assert_eq!(config.get_ssl_mode(), mode, "{query}");
            assert_eq!(config.get_password(), Some(b"sslmode=verify-full".as_slice()), "only parameters are read");
        }
    }

    #[test]
    fn a_parameter_that_would_be_ignored_is_named_with_what_to_write_instead() {
        for (query, said) in [
            ("sslmode=verify-ca", "sslmode=verify-ca is not known here: take verify-full"),
            ("sslmode=allow", "sslmode=allow"),
            ("sslmode=require&sslrootcert=/root.pem", "MENDLINE_EXTRA_CA"),
            ("sslkey=/key.pem", "sslkey"),
            ("gssencmode=disable", "gssencmode"),
            ("connect_timeout=soon", "connect_timeout"),
        ] {
            let fault = parse(&format!("postgres://u:hunter2@h/d?{query}")).unwrap_err();
            assert!(fault.contains(said) && !fault.contains("hunter2"), "{query}: {fault}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_without_repeating_it() {
        for url in
            ["host=h password=hunter2", "mysql://u:hunter2@h/d", "postgres:///hunter2", "postgres://u:hunter2@h:port/d"]
        {
            let fault = parse(url).unwrap_err();
            assert!(fault.contains("postgres://user:password@host") && !fault.contains("hunter2"), "{url}: {fault}");
        }
    }
}
