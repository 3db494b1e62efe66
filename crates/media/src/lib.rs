//! The media plane: one thread that owns the UDP socket, every leg, and the TURN server.
//!
//! The control plane talks to it through a [`MediaHandle`] (commands in, answers out) and a channel
//! of [`MediaEvent`]s. Media never waits for the control plane: a command queue that nobody fills
//! and an event queue that nobody empties leave packets flowing.
//!
//! From the outside in: `worker` is the thread with its clock and `socket`; `plane` is everything
//! without them, and `ingress` gives what arrives to whom it belongs; `room` joins a
//! [`conclave_sfu::Conference`] with its `leg`s; `webrtc` is the boundary to the WebRTC engine, and
//! the only module that names it.
//!
//! A leg's packets come and go by UDP, by TCP connections (ICE-TCP, RFC 6544) that are pumped
//! elsewhere as `stream`s, or by the relays of [`conclave_turn`], which exist in here only: what they
//! have for the SFU enters the plane as if it had come from the network.

mod budget;
mod check;
mod config;
mod counters;
mod datagram;
mod event;
mod handle;
mod ingress;
mod leg;
mod mailbox;
mod offer;
mod order;
mod paths;
mod plane;
mod probing;
mod relay;
mod remote;
mod room;
mod routes;
mod shared;
mod socket;
pub mod stats;
mod stream;
mod tally;
mod timers;
mod webrtc;
mod worker;

pub use config::{Announce, MediaConfig, MediaError, MediaLimits, RelayConfig, bind_udp};
pub use event::{MediaEvent, RoomKey};
pub use handle::{MediaHandle, start};
pub use offer::{LegOffer, OfferRefused, played, published};
pub use stream::{StreamError, StreamKind, StreamSink, StreamSource, StreamsFull};
