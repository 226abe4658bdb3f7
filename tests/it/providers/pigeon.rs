//! Carrier pigeons: a provider that only these tests know, written as any other would be. This file, in `src/push`, and its
//! name in the list there would be all of it.

use std::sync::Arc;

use chrono::TimeDelta;
use futures_util::future::{BoxFuture, FutureExt as _, ready};
use mendline::clock::Clocks;
use mendline::config::{Environment, LimitSettings, Vars};
use mendline::domain::address::{AddressForm, Problem, Said};
use mendline::domain::alert::{PushOutcome, Scope};
use mendline::domain::provider::{Provider, Services};
use mendline::push::http::HttpClient;
use mendline::push::{Carrier, Finding, Maker, PushMessage, PushProvider, PushTarget, SetupError, Verdict};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use url::Url;

/// Pigeons as one of the providers.
pub static CARRIER: Carrier = Carrier {
    provider: Provider {
        word: "pigeon",
        believed_for: TimeDelta::days(30),
        address: AddressForm { ignores_case: true, ..AddressForm::of(check_address) },
        // Each loft is a service of its own.
        services: Services::Several(|address, _| address.split('-').next().unwrap_or_default().into()),
    },
    limit: LimitSettings { rate: ("MENDLINE_PIGEON_RATE", 0), concurrency: ("MENDLINE_PIGEON_CONCURRENCY", 2) },
    read,
};

/// Pigeons of which the app holds a subscription, by a word that is as long as the schema takes.
pub static SUBSCRIBED: Carrier = Carrier {
    provider: Provider {
        word: "pigeon_subscriptions",
        believed_for: TimeDelta::days(30),
        address: AddressForm { is_subscription: true, ..AddressForm::of(check_address) },
        services: Services::One,
    },
    limit: LimitSettings {
        rate: ("MENDLINE_PIGEON_SUBSCRIPTIONS_RATE", 0),
        concurrency: ("MENDLINE_PIGEON_SUBSCRIPTIONS_CONCURRENCY", 0),
    },
    read: |_, _| None,
};

/// The loft and the ring's number.
fn check_address(said: &Said<'_>) -> Result<(), Problem> {
    let is_ring = |(loft, number): (&str, &str)| {
        !loft.is_empty() && loft.bytes().all(|b| b.is_ascii_alphabetic()) && number.parse::<u32>().is_ok()
    };
    if said.address.split_once('-').is_some_and(is_ring) {
        Ok(())
    } else {
        Err("is not a ring, such as tower-7".into())
    }
}

fn read(vars: &mut Vars, _: Environment) -> Option<Maker> {
    let base_url = vars.url("MENDLINE_PIGEON_BASE_URL", "https://pigeons.example");
    let whistle = SecretString::from(vars.text("MENDLINE_PIGEON_WHISTLE")?);
    let base_url = base_url?;
    Some(Maker::new(move |setup| {
        let whistle = HeaderValue::from_str(whistle.expose_secret());
        let whistle =
            whistle.map_err(|_opaque| "cannot be whistled").map_err(SetupError::of("MENDLINE_PIGEON_WHISTLE"))?;
        let http = HttpClient::for_settings(setup.http).map_err(SetupError::of("MENDLINE_PIGEON_BASE_URL"))?;
        Ok(Arc::new(Pigeons { http, base_url: base_url.clone(), whistle, clocks: setup.clocks.clone() }))
    }))
}

struct Pigeons {
    http: HttpClient,
    base_url: Url,
    whistle: HeaderValue,
    clocks: Clocks,
}

impl Pigeons {
    async fn fly(&self, target: &PushTarget, message: &PushMessage) -> Result<PushOutcome, PushOutcome> {
        let mut url = self.base_url.clone();
        url.path_segments_mut().expect("an http URL").pop_if_empty().extend(["fly", target.address.expose()]);
        let turn = self.http.turn(url).await?;
        let seconds = message.ttl_seconds(self.clocks.care.now())?;
        let body = json!({ "note": message.text.title, "within": seconds, "name": message.delivery_id });
        let headers = HeaderMap::from_iter([(AUTHORIZATION, self.whistle.clone())]);
        let reply = turn.post(headers, body.to_string().into_bytes()).await?;
        let reason = format!("http_{}", reply.status).into();
        Ok(match reply.status {
            200..=299 => PushOutcome::Accepted { provider_id: None },
            401 | 403 => PushOutcome::Unauthorized { scope: Scope::Provider, reason },
            410 => PushOutcome::Unregistered { since: None },
            _ => PushOutcome::Unavailable { retry_after: reply.retry_after(self.clocks.wall.now()), reason },
        })
    }
}

impl PushProvider for Pigeons {
    fn provider(&self) -> &'static Provider {
        &CARRIER.provider
    }

    fn send<'a>(&'a self, target: &'a PushTarget, message: &'a PushMessage) -> BoxFuture<'a, PushOutcome> {
        self.fly(target, message).map(|flown| flown.unwrap_or_else(|unsent| unsent)).boxed()
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        ready(vec![Finding::new(&CARRIER.provider, "whistle", Verdict::good("they come"))]).boxed()
    }
}
