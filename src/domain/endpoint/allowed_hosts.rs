//! The operator's list of push services that may be reached though nobody should be sent there.

use std::collections::BTreeSet;
use std::fmt;

use url::{Host, Url};

/// The operator's list of hosts that are exempt from the address guard (`MENDLINE_PUSH_ALLOWED_HOSTS`).
/// Entries are whole hosts with a port, never patterns: `push.example.org:443, 127.0.0.1:8099, [::1]:8099`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts(BTreeSet<(String, u16)>);

/// An entry of the list that is not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotHostAndPort(pub String);

impl fmt::Display for NotHostAndPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not host:port", self.0)
    }
}

impl std::error::Error for NotHostAndPort {}

impl AllowedHosts {
    /// Reads a comma-separated list; blanks around entries and empty entries are ignored.
    pub fn parse(list: &str) -> Result<Self, NotHostAndPort> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries.map(|entry| host_and_port(entry).ok_or_else(|| NotHostAndPort(entry.to_owned()))).collect()
    }

    /// Whether exactly this host and port are listed.
    pub fn contains(&self, url: &Url) -> bool {
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else { return false };
        self.0.contains(&(canonical(&host), port))
    }
}

impl FromIterator<(String, u16)> for AllowedHosts {
    fn from_iter<I: IntoIterator<Item = (String, u16)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

fn host_and_port(entry: &str) -> Option<(String, u16)> {
    let (host, port) = entry.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port != 0)?;
    Some((canonical(&Host::parse(host).ok()?), port))
}

/// One spelling per host: `example.org.` and `example.org` are the same machine.
fn canonical<S: AsRef<str>>(host: &Host<S>) -> String {
    match host {
        Host::Domain(name) => name.as_ref().trim_end_matches('.').to_ascii_lowercase(),
        Host::Ipv4(ip) => ip.to_string(),
        Host::Ipv6(ip) => ip.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_entry_without_host_or_port_is_named() {
        for entry in
            ["example.org", "example.org:", ":80", "example.org:0", "http://example.org:80", "*.example.org:80 x"]
        {
            let list = format!("127.0.0.1:1,{entry}");
            assert_eq!(AllowedHosts::parse(&list), Err(NotHostAndPort(entry.to_owned())), "{entry}");
        }
    }
}
