//! What a container asks of itself: is the mendline in here ready?

use std::time::Duration;

use anyhow::Context;

use crate::config::Config;

/// Succeeds if `/readyz` on the operators' address answers 200 within two seconds.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let mut address = config.http.ops_bind;
    if address.ip().is_unspecified() {
        address.set_ip([127, 0, 0, 1].into());
    }
    let builder = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy();
    let client = builder.redirect(reqwest::redirect::Policy::none()).build().context("building the client")?;
    let answer = client.get(format!("http://{address}/readyz")).send().await.context("asking /readyz")?;
    anyhow::ensure!(answer.status() == 200, "not ready: {}", answer.status());
    Ok(())
}
