//! Where the request that is being served came from. Whoever records an entry need not be told.

use std::net::IpAddr;

tokio::task_local! {
    static FROM: IpAddr;
}

/// Serves a request that came from `address`: what it does is recorded as coming from there.
pub async fn on_behalf_of<T>(address: IpAddr, serving: impl Future<Output = T>) -> T {
    FROM.scope(address.to_canonical(), serving).await
}

/// The address of the request being served; none outside one.
pub(super) fn address() -> Option<IpAddr> {
    FROM.try_with(|address| *address).ok()
}
