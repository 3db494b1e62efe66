use std::net::SocketAddr;
use std::time::Duration;

use crate::credentials::TurnSecret;

/// How a [`Server`](crate::Server) is set up.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The realm of long-term credentials (RFC 8489 section 9.2.1): printable ASCII without `"` or
    /// `\`. It is in every answer to a stranger, so it should be short; what exceeds 32 bytes is cut.
    pub realm: String,
    /// What credentials are recognised by.
    pub secret: TurnSecret,
    /// The announced addresses of the SFU: all that relays reach besides each other.
    pub peers: Vec<SocketAddr>,
    /// The bounds of everything that clients cause.
    pub limits: Limits,
}

/// Bounds of what clients cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Allocations at one time; no more than the relays of one address family have ports (64,512)
    /// are possible.
    pub allocations: usize,
    /// Allocations of one user at one time.
    pub allocations_per_user: usize,
    /// Allocations of one connectivity check, whose user id begins with
    /// [`CHECK_PREFIX`](crate::credentials::CHECK_PREFIX).
    pub allocations_per_check: usize,
    /// Addresses that one allocation may permit at one time.
    pub permissions: usize,
    /// Channels of one allocation at one time.
    pub channels: usize,
    /// What one allocation may relay in each direction, in bits of payload a second.
    pub bits_per_second: u64,
    /// What one allocation may relay in each direction, in packets a second.
    pub packets_per_second: u64,
    /// How long an allocation may relay above its rates before packets are dropped.
    pub burst: Duration,
    /// Answers to strangers (401 and other refusals of who has not proved its address) that one
    /// network gets a second; ten seconds' worth at once. A network is an IPv4 /24 or an IPv6 /56.
    pub refusals_per_second: u32,
    /// Answers to STUN Binding requests that one network gets a second; ten seconds' worth at once.
    pub bindings_per_second: u32,
    /// Outputs that may wait to be polled; what exceeds them is dropped.
    pub pending_outputs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations: 16_384,
            allocations_per_user: 64,
            allocations_per_check: 16,
            permissions: 32,
            channels: 32,
            bits_per_second: 30_000_000,
            packets_per_second: 6_000,
            burst: Duration::from_millis(500),
            refusals_per_second: 100,
            bindings_per_second: 200,
            pending_outputs: 4_096,
        }
    }
}
