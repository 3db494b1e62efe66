//! The media plane: UDP sockets, every leg, and the TURN server, on a thread for each core.
//!
//! The control plane talks to it through a [`MediaHandle`] (commands in, answers out) and a channel
//! of [`MediaEvent`]s. Media never waits for the control plane: a command queue that nobody fills
//! and an event queue that nobody empties leave packets flowing.
//!
//! From the outside in: `shard/worker` is a thread with its clock and `socket`; `shard` is everything
//! without them, and its `ingress` gives what arrives to whom it belongs; `room` joins a
//! [`conclave_sfu::Conference`] with its legs, which may be other shards'; `leg` is one client: its
//! connection (`webrtc`, the boundary to the engine that does ICE, DTLS and session descriptions), and its
//! RTP ([`conclave_rtp::Session`]), for which [`dtls`] takes the keys.
//!
//! A leg's packets come and go by UDP, by TCP connections (ICE-TCP, RFC 6544) that are pumped
//! elsewhere as `stream`s, or by the relays of [`conclave_turn`], which exist in here only: what they
//! have for the SFU enters the plane as if it had come from the network.

mod budget;
mod check;
mod config;
mod counters;
mod datagram;
pub mod dtls;
mod event;
#[cfg(test)]
mod fault;
mod handle;
mod leg;
mod mailbox;
mod offer;
mod order;
mod paths;
mod relay;
mod remote;
mod room;
mod routes;
#[cfg(test)]
mod scenarios;
mod shard;
mod shared;
mod socket;
pub mod stats;
mod stream;
mod timers;
mod webrtc;

pub use conclave_qos::{Algorithm, UnknownAlgorithm};
pub use config::{Announce, MediaConfig, MediaError, MediaLimits, RelayConfig, bind_udp};
pub use event::{MediaEvent, RoomKey};
pub use handle::{MediaHandle, start};
pub use offer::{LegOffer, OfferRefused, played, published};
pub use stream::{StreamError, StreamKind, StreamSink, StreamSource, StreamsFull};
