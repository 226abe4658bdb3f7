//! Push services: are our credentials worth anything there? Each is asked without reaching anybody.

use super::report::Report;
use crate::app::providers;
use crate::auth::keys::Keys;
use crate::clock::Clocks;
use crate::config::Config;
use crate::domain::endpoint::AllowedHosts;
use crate::push::{Finding, Registry, Verdict};

/// Asks all that are configured.
pub(super) async fn examine(config: &Config, clocks: &Clocks, report: &mut Report) {
    let registry = match registry(config, clocks) {
        Ok(registry) => registry,
        Err(error) => {
            report.fail("push", format!("{error:#}"), "mend the variable that is named; no server starts before");
            return;
        }
    };
    for provider in registry.known().iter().filter(|provider| !registry.configured().any(|one| one == *provider)) {
        report.ok(provider.word, "not configured: devices of this provider wait");
    }
    for finding in registry.check().await {
        tell(report, finding);
    }
}

fn registry(config: &Config, clocks: &Clocks) -> anyhow::Result<Registry> {
    let keys = Keys::look(config)?;
    let hosts = AllowedHosts::parse(&config.push.allowed_hosts.join(","))
        .map_err(|error| anyhow::anyhow!("MENDLINE_PUSH_ALLOWED_HOSTS: {error}"))?;
    Ok(providers::registry(config, &keys, &hosts, clocks)?)
}

fn tell(report: &mut Report, finding: Finding) {
    let (area, subject) = (finding.provider.word, finding.subject);
    match finding.verdict {
        Verdict::Good { because } => report.ok(area, format!("{subject}: {because}")),
        Verdict::Doubtful { because, remedy } => report.warn(area, format!("{subject}: {because}"), remedy),
        Verdict::Bad { because, remedy } => report.fail(area, format!("{subject}: {because}"), remedy),
    }
}
