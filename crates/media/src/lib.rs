//! The media plane: one thread that owns the UDP socket and every leg.
//!
//! The control plane talks to it through a [`MediaHandle`] (commands in, answers out) and a channel
//! of [`MediaEvent`]s. Media never waits for the control plane: a command queue that nobody fills
//! and an event queue that nobody empties leave packets flowing.

mod api;

pub use api::{MediaConfig, MediaError, MediaEvent, MediaHandle, MediaLimits, RoomKey, bind_udp, start};
