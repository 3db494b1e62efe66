//! Binding TCP and UDP to the same port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::num::NonZeroUsize;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1_024;
/// With port 0 the system picks a free TCP port, whose UDP twin may be taken.
const PORT_ATTEMPTS: usize = 16;

/// Both sockets of the one port.
#[derive(Debug)]
pub struct Bound {
    /// HTTP, WebSocket and TLS.
    pub tcp: TcpListener,
    /// Media.
    pub udp: Vec<UdpSocket>,
    /// Where both are.
    pub address: SocketAddr,
}

/// Why the port cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({protocol}): {reason}")]
pub struct BindError {
    address: SocketAddr,
    protocol: &'static str,
    reason: String,
}

/// Binds all sockets. `may_fall_back`: use IPv4 alone when the system has no IPv6.
/// `media`: so many UDP sockets.
///
/// # Errors
/// [`BindError`], in words for whoever starts the program.
pub fn bind(address: SocketAddr, may_fall_back: bool, media: NonZeroUsize) -> Result<Bound, BindError> {
    match bind_both(address, media) {
        Err((_, error)) if may_fall_back && address.is_ipv6() && lacks_ipv6(&error) => {
            let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            bind_both(address, media).map_err(|(protocol, error)| explain(address, protocol, &error))
        }
        result => result.map_err(|(protocol, error)| explain(address, protocol, &error)),
    }
}

fn bind_both(address: SocketAddr, media: NonZeroUsize) -> Result<Bound, (&'static str, io::Error)> {
    let attempts = if address.port() == 0 { PORT_ATTEMPTS } else { 1 };
    let mut last = None;
    for _ in 0..attempts {
        let tcp = bind_tcp(address).map_err(|error| ("TCP", error))?;
        let address = tcp.local_addr().map_err(|error| ("TCP", error))?;
        match conclave_media::bind_udp(address, media) {
            Ok(udp) => return Ok(Bound { tcp, udp, address }),
            Err(error) => last = Some(("UDP", error)),
        }
    }
    Err(last.unwrap_or_else(|| ("UDP", io::Error::from(io::ErrorKind::AddrInUse))))
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A restart need not wait for the connections of the last run to time out.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn lacks_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].iter().any(|code| error.raw_os_error() == Some(code.raw_os_error()))
}

fn explain(address: SocketAddr, protocol: &'static str, error: &io::Error) -> BindError {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses this port; stop it, or name another with --listen".into(),
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; use --listen with a higher one, or give the program CAP_NET_BIND_SERVICE"
                .into()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".into(),
        _ => error.to_string(),
    };
    BindError { address, protocol, reason }
}

/// Lets the process open as many files as its hard limit allows, and says how many that is. The
/// usual soft limit of 1,024 is a thing of `select(2)`, which nothing here uses.
pub fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_protocols_get_the_same_port() {
        let bound = bind(SocketAddr::from(([127, 0, 0, 1], 0)), false, NonZeroUsize::MIN).expect("bound");
        assert_eq!(bound.udp[0].local_addr().expect("bound").port(), bound.address.port());
        assert_ne!(bound.address.port(), 0);
    }

    #[test]
    fn a_taken_port_is_explained() {
        let taken = bind(SocketAddr::from(([127, 0, 0, 1], 0)), false, NonZeroUsize::MIN).expect("bound");
        let said = bind(taken.address, false, NonZeroUsize::MIN).expect_err("taken").to_string();
        assert!(said.contains("another program uses this port") && said.contains("TCP"), "{said}");
    }

    #[test]
    fn a_taken_udp_port_is_explained_too() {
        // An address of this test's own: no connection of another one has the TCP port.
        let udp = UdpSocket::bind(("127.31.41.59", 0)).expect("bound");
        let said = bind(udp.local_addr().expect("bound"), false, NonZeroUsize::MIN).expect_err("taken").to_string();
        assert!(said.contains("(UDP)"), "{said}");
    }
}
