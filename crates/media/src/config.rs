//! What the media plane starts with: the socket, the addresses, the bounds.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroUsize;
use std::time::Duration;

use conclave_qos::Algorithm;
use conclave_turn::TurnSecret;
use socket2::{Domain, Protocol, Socket, Type};

/// What the media plane starts with.
#[derive(Debug)]
pub struct MediaConfig {
    /// The sockets that all legs share, bound to one address; see [`bind_udp`]. Each has a thread, a
    /// shard, of its own; those beyond the 64th are not used.
    pub udp: Vec<UdpSocket>,
    /// Addresses under which clients reach the socket, and connections that become streams. Empty:
    /// those of the network interfaces.
    pub announce: Vec<Announce>,
    /// The TURN server.
    pub relay: RelayConfig,
    /// What decides how much each client is sent.
    pub controller: Algorithm,
    /// Bounds.
    pub limits: MediaLimits,
}

/// An address under which clients reach the program, by UDP and TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announce {
    /// The address, as clients see it.
    pub ip: IpAddr,
    /// The port, as clients see it; absent: the socket's own.
    pub port: Option<u16>,
}

impl From<IpAddr> for Announce {
    fn from(ip: IpAddr) -> Self {
        Self { ip, port: None }
    }
}

/// The TURN server.
#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// What its users' credentials are made with. The user id is the participant's.
    pub secret: TurnSecret,
    /// Bounds.
    pub limits: conclave_turn::Limits,
}

/// Bounds of the media plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaLimits {
    /// Legs in the process; further offers are refused with
    /// [`conclave_proto::ErrorCode::MediaUnavailable`].
    pub legs: usize,
    /// Legs in one room.
    pub legs_per_room: usize,
    /// What one leg may send, in packets per second, with one second's worth of slack. More is
    /// dropped.
    pub packets_per_second: u32,
    /// What one leg may send, in bits per second, with one second's worth of slack. More is dropped.
    pub bits_per_second: u64,
    /// A leg that stays over its budget for this long is closed.
    pub overload: Duration,
    /// How long a leg may take from its offer until ICE and DTLS are done.
    pub handshake: Duration,
    /// How long nothing may arrive from a participant before it is called silent.
    pub silence: Duration,
    /// How long a leg lives without an ICE connectivity check. Browsers check every 2.5 s (Chromium)
    /// or 5 s (Firefox, RFC 7675 section 5.1).
    pub consent: Duration,
    /// How long a participant's older leg still carries media after the newer one is connected, so
    /// that no frame is lost between them.
    pub handover: Duration,
    /// TCP and TLS connections; further ones are refused with [`crate::StreamsFull`].
    pub streams: usize,
    /// How long a connection may take until it is of use: until its first genuine connectivity check,
    /// or its TURN allocation.
    pub stream_start: Duration,
    /// How long an ICE-TCP connection lives without a connectivity check. Chromium checks a
    /// connection that it does not use every 25 s.
    pub stream_silence: Duration,
}

impl Default for MediaLimits {
    fn default() -> Self {
        Self {
            legs: 10_000,
            legs_per_room: 10_000,
            // A camera in three layers, a shared screen and two sounds make about 1,000 packets per
            // second at 6 Mbit/s; retransmissions and probes come on top.
            packets_per_second: 4_000,
            bits_per_second: 25_000_000,
            overload: Duration::from_secs(5),
            handshake: Duration::from_secs(15),
            silence: Duration::from_secs(3),
            consent: Duration::from_secs(15),
            handover: Duration::from_secs(2),
            streams: 8_192,
            stream_start: Duration::from_secs(10),
            stream_silence: Duration::from_secs(60),
        }
    }
}

/// Why the media plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The socket does not do what is needed.
    #[error("the UDP socket cannot be used: {0}")]
    Socket(#[source] io::Error),
    /// The network interfaces cannot be listed.
    #[error("the network interfaces cannot be listed: {0}")]
    Interfaces(#[source] io::Error),
    /// No address to announce.
    #[error("no network interface has an address that clients could reach; name one")]
    NoAddress,
    /// No certificate for DTLS could be made.
    #[error("no certificate for DTLS could be made")]
    Certificate,
    /// The thread could not be started.
    #[error("the media thread could not be started: {0}")]
    Thread(#[source] io::Error),
}

/// Bytes that the kernel should buffer in each direction: at 25 Mbit/s from each of 100 people this
/// is about 13 ms. The kernel may grant less (`net.core.rmem_max`).
const SOCKET_BUFFER: usize = 4 << 20;

/// Binds UDP sockets for [`MediaConfig::udp`], between which the system divides the clients. An
/// unspecified IPv6 address makes them dual stack.
///
/// # Errors
/// Those of the system, for example that the port is in use.
pub fn bind_udp(address: SocketAddr, shards: NonZeroUsize) -> io::Result<Vec<UdpSocket>> {
    let bind = |address: SocketAddr, shared: bool| {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if let IpAddr::V6(ip) = address.ip() {
            socket.set_only_v6(!ip.is_unspecified())?;
        }
        socket.set_reuse_port(shared)?;
        // Smaller buffers work, only worse.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER);
        socket.bind(&address.into())?;
        Ok::<UdpSocket, io::Error>(socket.into())
    };
    if shards.get() == 1 {
        return Ok(vec![bind(address, false)?]);
    }
    // Another program of the same user that shares its port, too, must not get half of the clients: only
    // a socket that does not share finds out.
    let address = bind(address, false)?.local_addr()?;
    (0..shards.get()).map(|_| bind(address, true)).collect()
}

/// The addresses to announce for a socket bound to `local`: those that were named, else that of the
/// socket, else those of the network interfaces (loopback only where there is nothing else).
pub(crate) fn announced(named: &[Announce], local: SocketAddr) -> Result<Vec<SocketAddr>, MediaError> {
    let own = |ip| SocketAddr::new(ip, local.port());
    let mut addresses: Vec<SocketAddr> = if !named.is_empty() {
        named.iter().map(|a| SocketAddr::new(a.ip.to_canonical(), a.port.unwrap_or(local.port()))).collect()
    } else if !local.ip().to_canonical().is_unspecified() {
        vec![own(local.ip().to_canonical())]
    } else {
        let found = if_addrs::get_if_addrs().map_err(MediaError::Interfaces)?;
        let found: Vec<_> = found.iter().filter(|interface| interface.is_oper_up()).map(|i| i.ip()).collect();
        reachable(&found, local.is_ipv6()).into_iter().map(own).collect()
    };
    addresses.dedup();
    if addresses.is_empty() {
        return Err(MediaError::NoAddress);
    }
    Ok(addresses)
}

/// Most addresses announced without being named: an offer's answer names every one of them, and a
/// client pairs each with each of its own.
const MOST_GUESSED: usize = 8;

fn reachable(found: &[IpAddr], dual_stack: bool) -> Vec<IpAddr> {
    let usable = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_link_local(),
        // A link-local address needs a zone, which a candidate cannot carry (RFC 8839 section 5.1).
        IpAddr::V6(ip) => dual_stack && !ip.is_unicast_link_local(),
    };
    let (loopback, mut outside): (Vec<IpAddr>, Vec<IpAddr>) =
        found.iter().copied().filter(usable).partition(IpAddr::is_loopback);
    // IPv4 first: the first address of a family stands for the socket where the true one is not known.
    outside.sort_by_key(IpAddr::is_ipv6);
    outside.truncate(MOST_GUESSED);
    if outside.is_empty() { loopback } else { outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn named_addresses_win_and_get_the_sockets_port_unless_they_have_their_own() {
        let local = "[::]:8443".parse().expect("an address");
        let outside = Announce { ip: ip("203.0.113.5"), port: Some(443) };
        let all = announced(&[outside, ip("::ffff:192.0.2.1").into()], local).expect("named");
        assert_eq!(all, ["203.0.113.5:443".parse().expect("valid"), "192.0.2.1:8443".parse().expect("valid")]);
    }

    #[test]
    fn a_socket_bound_to_an_address_announces_it() {
        let all = announced(&[], "127.0.0.1:5000".parse().expect("valid")).expect("bound");
        assert_eq!(all, ["127.0.0.1:5000".parse().expect("valid")]);
    }

    #[test]
    fn loopback_is_announced_only_where_there_is_nothing_else() {
        let found = ["127.0.0.1", "::1", "fe80::1", "2001:db8::1", "192.0.2.1", "169.254.1.1"].map(ip);
        assert_eq!(reachable(&found, true), [ip("192.0.2.1"), ip("2001:db8::1")]);
        assert_eq!(reachable(&found, false), [ip("192.0.2.1")]);
        assert_eq!(reachable(&[ip("127.0.0.1"), ip("fe80::1")], true), [ip("127.0.0.1")]);
    }

    #[test]
    fn shards_share_a_port_that_nobody_else_has() {
        let two = NonZeroUsize::new(2).expect("not zero");
        let sockets = bind_udp("127.0.0.1:0".parse().expect("valid"), two).expect("bound");
        let ports = sockets.iter().map(|socket| socket.local_addr().expect("bound"));
        let ports: Vec<_> = ports.collect();
        assert_eq!(ports[0], ports[1]);
        assert!(bind_udp(ports[0], two).is_err(), "the port is in use");
    }

    #[test]
    fn an_unspecified_ipv6_socket_is_dual_stack() {
        let Ok(servers) = bind_udp("[::]:0".parse().expect("valid"), NonZeroUsize::MIN) else { return };
        let [server] = &servers[..] else { panic!("one was asked for") };
        let port = server.local_addr().expect("bound").port();
        let client = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        client.send_to(b"x", ("127.0.0.1", port)).expect("sent");
        server.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        let (length, from) = server.recv_from(&mut [0; 4]).expect("received");
        assert_eq!((length, from.ip().to_canonical()), (1, ip("127.0.0.1")));
    }
}
