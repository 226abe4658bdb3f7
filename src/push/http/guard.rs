//! The guard at connection time: a public name that resolves to a private address leads nowhere.
//! It sits in the resolver, so what was checked is what is connected to: there is no second look-up to be told
//! something else. Addresses written as numbers skip the resolver and are judged by `domain/endpoint.rs`.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::domain::public_address::is_public;

/// All addresses of a name were private.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to private addresses only")]
pub(super) struct OnlyPrivate;

/// The system's resolver, less everything that is not a public address.
#[derive(Debug, Clone, Copy)]
pub(super) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0: the client puts the URL's port in.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(only_public(found)?)
        })
    }
}

fn only_public(found: impl Iterator<Item = SocketAddr>) -> Result<Addrs, OnlyPrivate> {
    let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() { Err(OnlyPrivate) } else { Ok(Box::new(public.into_iter())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_that_leads_to_private_addresses_leads_nowhere() {
        let private = addresses(&["10.0.0.1:0", "[::ffff:169.254.169.254]:0", "[fd00::1]:0"]);
        assert!(only_public(private.into_iter()).is_err());
    }

    #[test]
    fn of_mixed_addresses_only_the_public_ones_are_tried() {
        let mixed = addresses(&["127.0.0.1:0", "1.1.1.1:0", "[::1]:0"]);
        let left: Vec<_> = only_public(mixed.into_iter()).unwrap().collect();
        assert_eq!(left, addresses(&["1.1.1.1:0"]));
    }

    #[tokio::test]
    async fn the_resolver_itself_refuses_this_machine() {
        let refused = PublicOnly.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(refused.is::<OnlyPrivate>(), "{refused}");
    }
}
