//! Where the servers listen, and when the operating system gives a connection up.

use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(target_os = "linux")]
use std::time::Duration;

/// How long a connection may take nothing of what is sent to it: one that is stuck asks its server for nothing more, which
/// would so wait for ever.
#[cfg(target_os = "linux")]
const MAX_STUCK: Duration = Duration::from_secs(30);

/// Listens at this address. What comes in inherits what is set here.
pub(super) fn listen(bind: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(bind)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(MAX_STUCK))?;
    Ok(listener)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    #[test]
    fn a_connection_that_takes_nothing_is_given_up() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let _reader = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (connection, _) = listener.accept().unwrap();
        assert_eq!(socket2::SockRef::from(&connection).tcp_user_timeout().unwrap(), Some(MAX_STUCK));
    }
}
