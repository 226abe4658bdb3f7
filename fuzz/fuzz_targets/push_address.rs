//! Addresses that apps register: `provider`, address, p256dh and auth, a line each. Nothing may make a check fall over, and a
//! Web Push endpoint that passes is one that a connection is made for: https, to a public address, without credentials.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use mendline::domain::address::Said;
use mendline::domain::device::{AddressKind, Environment, WebPushKeys};
use mendline::domain::endpoint::{self, AllowedHosts, Trust};
use mendline::domain::public_address::is_public;
use mendline::push::CARRIERS;
use url::Host;

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (word, address) = (line(), line());
    let keys = WebPushKeys { p256dh: line().to_owned(), auth: line().to_owned() };
    let hosts = AllowedHosts::default();
    let chosen = CARRIERS.iter().filter(|carrier| word.is_empty() || carrier.provider.word == word);
    for carrier in chosen {
        let form = &carrier.provider.address;
        for (kind, environment) in AddressKind::ALL.iter().zip(Environment::ALL) {
            let said = |keys| Said { address, kind: *kind, environment: *environment, keys, hosts: &hosts };
            let _ = form.faults(&said(None));
            let _ = form.faults(&said(Some(&keys)));
        }
        let once = form.spelling(address);
        assert_eq!(form.spelling(&once), once, "one spelling has another");
    }
    let Ok((url, trust)) = endpoint::parse_endpoint(address, &hosts) else { return };
    assert_eq!(trust, Trust::Public, "nothing is listed");
    assert_eq!(url.scheme(), "https");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
    match url.host() {
        Some(Host::Ipv4(ip)) => assert!(is_public(IpAddr::V4(ip)), "{ip}"),
        Some(Host::Ipv6(ip)) => assert!(is_public(IpAddr::V6(ip)), "{ip}"),
        Some(Host::Domain(name)) => assert!(name.parse::<IpAddr>().is_err(), "a number among names: {name}"),
        None => panic!("no host"),
    }
    let again = endpoint::parse_endpoint(url.as_str(), &hosts).map(|(url, _)| url);
    assert!(again.is_err() || again == Ok(url), "another reading of the same text");
    let _ = AllowedHosts::parse(text);
});
