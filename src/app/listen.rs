//! The addresses that a process serves on: free, and this machine's; and when the operating system gives a connection up. A
//! fault names the setting.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
#[cfg(target_os = "linux")]
use std::time::Duration;

use anyhow::Context;

use crate::config::Http;

/// How long a connection may take nothing of what is sent to it: one that is stuck asks its server for nothing more, which
/// would so wait for ever.
#[cfg(target_os = "linux")]
const MAX_STUCK: Duration = Duration::from_secs(30);

/// Listens where requests are answered.
pub(super) fn api(settings: &Http) -> anyhow::Result<TcpListener> {
    at("MENDLINE_BIND", settings.bind)
}

/// Listens where operators ask.
pub(super) fn ops(bind: SocketAddr) -> anyhow::Result<TcpListener> {
    at("MENDLINE_OPS_BIND", bind)
}

/// Whether all that is going to be served on can be, `api` included: to be asked before anything is started or written. It
/// holds nothing: whoever takes an address meanwhile is found when it is served on.
pub fn check_addresses(settings: &Http, api: bool) -> anyhow::Result<()> {
    let api = if api { Some(self::api(settings)?) } else { None };
    let ops = ops(settings.ops_bind)?;
    drop((api, ops));
    Ok(())
}

fn at(variable: &'static str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listening = listen(address);
    let why = match listening.as_ref().map_err(io::Error::kind) {
        Err(ErrorKind::AddrInUse) => " is taken: stop what serves there, or name another address",
        Err(ErrorKind::AddrNotAvailable) => " is no address of this machine",
        Err(ErrorKind::PermissionDenied) => " is not for this user: name a port from 1024 up",
        Err(_) | Ok(_) => "",
    };
    listening.with_context(|| format!("{variable}: {address}{why}"))
}

/// What comes in inherits what is set here.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(MAX_STUCK))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_connection_that_takes_nothing_is_given_up() {
        let listener = ops("127.0.0.1:0".parse().unwrap()).unwrap();
        let _reader = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, _) = listener.accept().unwrap();
        assert_eq!(socket2::SockRef::from(&connection).tcp_user_timeout().unwrap(), Some(MAX_STUCK));
    }

    #[test]
    fn an_address_that_cannot_be_had_is_named_with_its_setting() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let told = format!("{:#}", ops(address).unwrap_err());
        assert!(told.starts_with(&format!("MENDLINE_OPS_BIND: {address} is taken: ")), "{told}");
        let told = format!("{:#}", ops("192.0.2.1:0".parse().unwrap()).unwrap_err());
        assert!(told.contains("no address of this machine"), "{told}");
    }
}
