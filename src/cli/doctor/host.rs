//! The machine and the settings: what contradicts what, and what the outside will see.

use std::net::IpAddr;

use url::{Host, Url};

use super::report::Report;
use crate::config::Config;

/// Looks at all of it.
pub(super) fn examine(config: &Config, report: &mut Report) {
    let kind = if config.is_production() { "production" } else { "development" };
    report.ok("settings", format!("read, for {kind}"));
    for stranger in &config.strangers {
        report.warn("settings", stranger.to_string(), "see the README's table of settings; nothing reads this one");
    }
    public_url(config, report);
    if config.is_production() && config.http.trusted_proxies.is_empty() {
        report.warn(
            "settings",
            "MENDLINE_TRUSTED_PROXIES is empty: everybody behind a proxy counts as one client",
            "name the proxies in front of the API, or ignore this where there are none",
        );
    }
    data_dir(config, report);
    roots(config, report);
}

fn public_url(config: &Config, report: &mut Report) {
    let area = "public URL";
    let text = &config.http.public_url;
    let Ok(url) = Url::parse(text) else {
        report.fail(area, format!("{text} is no URL"), "set MENDLINE_PUBLIC_URL to where apps reach the API");
        return;
    };
    if !config.is_production() {
        report.ok(area, text.clone());
        return;
    }
    let private = match url.host() {
        None => true,
        Some(Host::Domain(name)) => name == "localhost" || !name.contains('.'),
        Some(Host::Ipv4(address)) => is_inside(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_inside(IpAddr::V6(address)),
    };
    let remedy = "set MENDLINE_PUBLIC_URL to where apps reach the API, such as https://mendline.example.org";
    if url.scheme() != "https" {
        report.fail(area, format!("{text}: passwords and tokens would travel in the open"), remedy);
    } else if private {
        report.warn(area, format!("{text} is reached from inside only"), remedy);
    } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        report.warn(area, format!("{text} is more than a host: apps add /v1 to it"), remedy);
    } else {
        report.ok(area, text.clone());
    }
}

fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local(),
    }
}

fn data_dir(config: &Config, report: &mut Report) {
    let (area, dir) = ("data", config.data_dir.display());
    if config.is_production() {
        report.ok(area, "not used: keys and database are the operator's");
        return;
    }
    match std::fs::metadata(&config.data_dir) {
        Ok(found) if !found.is_dir() => {
            report.fail(area, format!("{dir} is no directory"), "set MENDLINE_DATA_DIR to a directory");
        }
        Ok(found) if found.permissions().readonly() => {
            report.fail(area, format!("{dir} cannot be written"), "chown it, or set MENDLINE_DATA_DIR to another one");
        }
        Ok(_) => report.ok(area, dir.to_string()),
        Err(_) => report.ok(area, format!("{dir}, which the first start makes")),
    }
}

fn roots(config: &Config, report: &mut Report) {
    let area = "TLS roots";
    let found = rustls_native_certs::load_native_certs();
    let own = if config.push.extra_ca.is_some() { ", and those of MENDLINE_EXTRA_CA" } else { "" };
    if found.certs.is_empty() {
        report.fail(
            area,
            format!("the system has none{own}: push services and Postgres cannot be verified"),
            "install the package ca-certificates, or name roots in MENDLINE_EXTRA_CA",
        );
    } else {
        report.ok(area, format!("{} of the system{own}", found.certs.len()));
    }
}
