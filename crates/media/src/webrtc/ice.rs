//! ICE as the engine wants it: candidates, credentials, and what a packet came by.

use std::net::SocketAddr;

use rand::Rng;
use rand::distr::Alphanumeric;
use str0m::net::{Protocol, TcpType};
use str0m::{Candidate, IceCreds, Rtc};

use crate::remote::Transport;
use crate::shard::ShardId;

/// Adds the announced addresses: by UDP, and by TCP connections that the client opens (RFC 6544).
pub(super) fn add_candidates(rtc: &mut Rtc, announced: &[SocketAddr]) {
    for address in announced {
        if let Ok(candidate) = Candidate::builder().udp().host(*address).build() {
            rtc.add_local_candidate(candidate);
        }
    }
    for address in announced {
        if let Ok(candidate) = Candidate::builder().tcp().host(*address).tcptype(TcpType::Passive).build() {
            rtc.add_local_candidate(candidate);
        }
    }
}

/// 95 and 142 bits from the system's generator (RFC 8445 section 5.3 asks for 24 and 128). The name
/// says which shard knows the connection: a check can come to any of them.
pub(super) fn credentials(home: ShardId) -> IceCreds {
    let text = |length| rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect::<String>();
    IceCreds { ufrag: home.prefix() + &text(16), pass: text(24) }
}

impl From<Transport> for Protocol {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
        }
    }
}

impl From<Protocol> for Transport {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Udp => Self::Udp,
            // The engine has no candidates of the others.
            Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Self::Tcp,
        }
    }
}
