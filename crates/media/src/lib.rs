//! The media plane: one thread that owns the UDP socket and every leg.
//!
//! The control plane talks to it through a [`MediaHandle`] (commands in, answers out) and a channel
//! of [`MediaEvent`]s. Media never waits for the control plane: a command queue that nobody fills
//! and an event queue that nobody empties leave packets flowing.
//!
//! From the outside in: `worker` is the thread with its clock and `socket`; `plane` is everything
//! without them; `room` joins a [`conclave_sfu::Conference`] with its `leg`s; `webrtc` is the
//! boundary to the WebRTC engine, and the only module that names it.

mod budget;
mod config;
mod counters;
mod datagram;
mod event;
mod handle;
mod leg;
mod mailbox;
mod offer;
mod plane;
mod probing;
mod room;
mod routes;
mod shared;
mod socket;
mod timers;
mod webrtc;
mod worker;

pub use config::{MediaConfig, MediaError, MediaLimits, bind_udp};
pub use event::{MediaEvent, RoomKey};
pub use handle::{MediaHandle, start};
