//! Where a push may go: which URLs are acceptable as Web Push endpoints and which addresses a connection may reach.
//! Endpoints are user input, so this is the wall against using mendline to reach machines that only it can see.
//!
//! Pure: resolving names is `push/http/guard.rs`. `url` is allowed here although `domain` otherwise keeps to the
//! standard library: it parses and does nothing else, and a second, home-made URL parser beside the one that the HTTP
//! client uses is how such walls are climbed (`0x7f.1`, `[::ffff:127.0.0.1]`, `user@host`).

mod allowed_hosts;

use std::fmt;
use std::net::IpAddr;

use url::{Host, Url};

use super::public_address::is_public;

pub use allowed_hosts::{AllowedHosts, NotHostAndPort};

/// The longest endpoint that is accepted. Real ones are 150 to 600 characters long.
pub const MAX_ENDPOINT_CHARS: usize = 2048;

/// Why a URL is not acceptable as an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointError {
    /// Longer than [`MAX_ENDPOINT_CHARS`].
    TooLong,
    /// Not an absolute URL with a host.
    NotAUrl,
    /// Plain http to a host that the operator did not list, or another scheme altogether.
    NotHttps,
    /// A user name or password in front of the host.
    Credentials,
    /// A `#fragment`, which is never sent.
    Fragment,
    /// A port that belongs to something else than a web server.
    Port,
    /// An address that is not on the public internet.
    PrivateAddress,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "is longer than 2048 characters",
            Self::NotAUrl => "is not an absolute URL",
            Self::NotHttps => "must start with https://",
            Self::Credentials => "must not hold a user name or password",
            Self::Fragment => "must not hold a fragment",
            Self::Port => "must use port 443, or one from 1024 on",
            Self::PrivateAddress => "must not lead to a private address",
        })
    }
}

impl std::error::Error for EndpointError {}

/// How far an endpoint is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Anybody may have chosen it: every address it resolves to must be public.
    Public,
    /// The operator listed this host and port: it may be private, and may speak plain http.
    Listed,
}

/// Parses an endpoint and says how far it is trusted. A public name may still resolve to a private address: the
/// connection checks that again.
pub fn parse_endpoint(text: &str, allowed: &AllowedHosts) -> Result<(Url, Trust), EndpointError> {
    if text.len() > MAX_ENDPOINT_CHARS {
        return Err(EndpointError::TooLong);
    }
    // The URL standard drops blanks and control characters silently; an app that sends them has a bug worth telling.
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(EndpointError::NotAUrl);
    }
    let Ok(url) = Url::parse(text) else { return Err(EndpointError::NotAUrl) };
    let trust = admit(&url, allowed)?;
    Ok((url, trust))
}

/// The checks of [`parse_endpoint`] for a URL that is already parsed.
pub fn admit(url: &Url, allowed: &AllowedHosts) -> Result<Trust, EndpointError> {
    if !matches!(url.scheme(), "https" | "http") {
        return Err(EndpointError::NotHttps);
    }
    let Some(host) = url.host() else { return Err(EndpointError::NotAUrl) };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Credentials);
    }
    if url.fragment().is_some() {
        return Err(EndpointError::Fragment);
    }
    if allowed.contains(url) {
        return Ok(Trust::Listed);
    }
    if url.scheme() != "https" {
        return Err(EndpointError::NotHttps);
    }
    let public = match host {
        Host::Domain(name) => !is_local_name(name),
        Host::Ipv4(ip) => is_public(IpAddr::V4(ip)),
        Host::Ipv6(ip) => is_public(IpAddr::V6(ip)),
    };
    if !public {
        return Err(EndpointError::PrivateAddress);
    }
    if url.port_or_known_default().is_some_and(is_web_port) { Ok(Trust::Public) } else { Err(EndpointError::Port) }
}

/// Whether a push service may listen there. Those that people host themselves sit on ports of their own choice, as 8443; the
/// ones below 1024 belong to mail, shells and directories, which nobody may have us talk to.
fn is_web_port(port: u16) -> bool {
    port == 443 || port >= 1024
}

/// Names that never mean a machine on the public internet (RFC 6761, RFC 6762, and the usual private zones).
fn is_local_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    let last = name.rsplit('.').next().unwrap_or(name);
    !name.contains('.') || matches!(last, "localhost" | "local" | "internal" | "localdomain")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admitted(text: &str) -> Result<Trust, EndpointError> {
        parse_endpoint(text, &AllowedHosts::default()).map(|(_, trust)| trust)
    }

    #[test]
    fn endpoints_of_the_known_push_services_are_accepted() {
        for endpoint in [
            "https://fcm.googleapis.com/fcm/send/cQ1:APA91b",
            "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
            "https://web.push.apple.com/QGuQyavXutnMH",
            "https://ntfy.example.com:8443/upABCDEFGHIJKL?up=1",
            "https://1.1.1.1/x",
            "https://[2606:4700:4700::1111]/x",
        ] {
            assert_eq!(admitted(endpoint), Ok(Trust::Public), "{endpoint}");
        }
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused() {
        for endpoint in [
            "https://10.0.0.1/x.google.com/",
            "https://127.0.0.1/",
            "https://127.0.0.1./",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0x7f.0.0.1/",
            "https://0177.0.0.1/",
            "https://%31%32%37.0.0.1/",
            "https://１２７.０.０.１/",
            "https://0/",
            "https://169.254.169.254/latest/meta-data/",
            "https://100.100.100.200/",
            "https://168.63.129.16/",
            "https://172.31.0.1/",
            "https://192.168.1.1/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::ffff:8.8.8.8]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::10.0.0.1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:0:1::1]/",
            "https://[2001:db8::1]/",
            "https://[fe80::1]/",
            "https://[fd00:ec2::254]/",
            "https://[ff02::1]/",
            "https://localhost/",
            "https://LOCALHOST./",
            "https://a.localhost/",
            "https://postgres/",
            "https://metadata.google.internal/",
            "https://printer.local/",
        ] {
            assert_eq!(admitted(endpoint), Err(EndpointError::PrivateAddress), "{endpoint}");
        }
    }

    #[test]
    fn an_endpoint_that_says_one_host_and_means_another_is_refused() {
        assert_eq!(admitted("https://fcm.googleapis.com@10.0.0.1/"), Err(EndpointError::Credentials));
        assert_eq!(admitted("https://a:b@fcm.googleapis.com/"), Err(EndpointError::Credentials));
        assert_eq!(admitted("https://fcm.googleapis.com\\@10.0.0.1/"), Ok(Trust::Public), "the path starts at \\");
        assert_eq!(admitted("https://push.example.com/#x"), Err(EndpointError::Fragment));
        assert_eq!(admitted("https://push.exa\nmple.com/"), Err(EndpointError::NotAUrl));
        assert_eq!(admitted(" https://push.example.com/"), Err(EndpointError::NotAUrl));
    }

    #[test]
    fn ports_of_mail_shells_and_directories_are_refused_unless_listed() {
        for (port, expected) in [
            (443, Ok(Trust::Public)),
            (1024, Ok(Trust::Public)),
            (8443, Ok(Trust::Public)),
            (65535, Ok(Trust::Public)),
            (0, Err(EndpointError::Port)),
            (22, Err(EndpointError::Port)),
            (25, Err(EndpointError::Port)),
            (80, Err(EndpointError::Port)),
            (465, Err(EndpointError::Port)),
            (636, Err(EndpointError::Port)),
            (1023, Err(EndpointError::Port)),
        ] {
            assert_eq!(admitted(&format!("https://push.example.com:{port}/x")), expected, "{port}");
        }
        assert_eq!(admitted("https://push.example.com:65536/"), Err(EndpointError::NotAUrl));
        let listed = AllowedHosts::parse("push.example.com:465").unwrap();
        let trust = parse_endpoint("https://push.example.com:465/x", &listed).map(|(_, trust)| trust);
        assert_eq!(trust, Ok(Trust::Listed));
    }

    #[test]
    fn only_absolute_https_urls_of_a_sane_length_are_endpoints() {
        assert_eq!(admitted("http://push.example.com/"), Err(EndpointError::NotHttps));
        assert_eq!(admitted("file:///etc/passwd"), Err(EndpointError::NotHttps));
        assert_eq!(admitted("gopher://push.example.com/"), Err(EndpointError::NotHttps));
        assert_eq!(admitted("/wpush/v2/x"), Err(EndpointError::NotAUrl));
        assert_eq!(admitted("https://"), Err(EndpointError::NotAUrl));
        assert_eq!(admitted(""), Err(EndpointError::NotAUrl));
        let long = format!("https://push.example.com/{}", "x".repeat(MAX_ENDPOINT_CHARS));
        assert_eq!(admitted(&long), Err(EndpointError::TooLong));
    }

    #[test]
    fn the_list_lifts_the_guard_for_exactly_one_host_and_port() {
        let allowed = AllowedHosts::parse("127.0.0.1:8099, NTFY.lan.:80 ,[::1]:8443,").unwrap();
        let trust = |text| parse_endpoint(text, &allowed).map(|(_, trust)| trust);
        assert_eq!(trust("http://127.0.0.1:8099/x"), Ok(Trust::Listed));
        assert_eq!(trust("http://2130706433:8099/x"), Ok(Trust::Listed), "the same machine, spelt otherwise");
        assert_eq!(trust("http://ntfy.lan/up1"), Ok(Trust::Listed));
        assert_eq!(trust("https://[::1]:8443/x"), Ok(Trust::Listed));
        assert_eq!(trust("https://127.0.0.1:8098/x"), Err(EndpointError::PrivateAddress));
        assert_eq!(trust("http://127.0.0.1:8099.example.com/"), Err(EndpointError::NotAUrl));
        assert_eq!(trust("http://ntfy.lan.example.com/"), Err(EndpointError::NotHttps));
        assert_eq!(trust("http://127.0.0.1:8099@10.0.0.1/"), Err(EndpointError::Credentials));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_fall_over(text in "\\PC{0,80}") {
            let _ = admitted(&text);
            let _ = admitted(&format!("https://{text}"));
        }
    }
}
