//! The other end of a leg, as its packets show it.

use std::net::SocketAddr;

use conclave_proto::MediaPath;
use conclave_turn::StreamId;

/// Where packets of a leg come from and go to. What one stands for never becomes another: a relayed
/// address is no machine's, and a stream's number is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Remote {
    /// An address beyond the UDP socket.
    Udp(SocketAddr),
    /// An ICE-TCP connection (RFC 6544), and the address at its other end.
    Stream(StreamId, SocketAddr),
    /// The relayed address of a TURN client of this server.
    Relay(SocketAddr),
}

/// What the engine tells remotes apart by, besides their address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// The ways that metrics tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    Udp,
    Tcp,
    Relay,
}

impl PathKind {
    pub(crate) const ALL: [(Self, &'static str); 3] = [(Self::Udp, "udp"), (Self::Tcp, "tcp"), (Self::Relay, "relay")];
}

impl From<PathKind> for MediaPath {
    fn from(kind: PathKind) -> Self {
        match kind {
            PathKind::Udp => Self::Udp,
            PathKind::Tcp => Self::Tcp,
            PathKind::Relay => Self::Relay,
        }
    }
}

impl Remote {
    /// The address that the other end has, as far as ICE is concerned.
    pub(crate) fn address(self) -> SocketAddr {
        match self {
            Self::Udp(address) | Self::Stream(_, address) | Self::Relay(address) => address,
        }
    }

    /// By what the engine must believe that it is reached. A relay is one of UDP: its packets have a
    /// datagram's bounds and are lost like datagrams, whatever carries them to the relay.
    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::Udp(_) | Self::Relay(_) => Transport::Udp,
            Self::Stream(..) => Transport::Tcp,
        }
    }

    /// Whether what was learnt of the network on the way to the one holds for the other. A NAT that has given the client
    /// another port leads by the same networks; another address, or another transport, need not.
    pub(crate) fn is_beside(self, other: Self) -> bool {
        match (self, other) {
            (Self::Udp(one), Self::Udp(other)) | (Self::Stream(_, one), Self::Stream(_, other)) => {
                one.ip() == other.ip()
            }
            // All relays are here; where their clients are, only they know.
            _ => self == other,
        }
    }

    pub(crate) fn kind(self) -> PathKind {
        match self {
            Self::Udp(_) => PathKind::Udp,
            Self::Stream(..) => PathKind::Tcp,
            Self::Relay(_) => PathKind::Relay,
        }
    }
}
