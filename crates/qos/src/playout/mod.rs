//! Receiving: from packets that arrive when they do to sound and pictures that are played in step.
//!
//! [`AudioPlayout`] gives 10 ms of sound every 10 ms, whatever the network did, in the manner of libwebrtc's NetEQ.
//! [`VideoPlayout`] gives whole frames, each after those that it needs and in time to be shown. [`Synchronizer`] finds the
//! delays for both at which they are in step, from the clocks in sender reports ([`SenderClock`]).
//!
//! All of it is told the time, never asks for it, and does the same to the bit natively and in WebAssembly: floats are
//! only added, multiplied, divided, compared and rooted. All of it is bounded, and takes whatever a sender or a network
//! makes up.

mod audio;
mod sync;
mod video;
mod wrapping;

pub use audio::{
    AudioConfig, AudioConfigError, AudioDecoder, AudioPacket, AudioPacketError, AudioPlayout, AudioStats, Block,
    DelayLimits, Origin,
};
pub use sync::{NtpTime, Played, ReportError, SenderClock, SyncDelays, Synchronizer};
pub use video::{
    Dependence, FrameId, ReadyFrame, References, VideoFrame, VideoPacket, VideoPacketError, VideoPlayout, VideoStats,
};

use crate::Time;

/// What is played when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlayoutPoint {
    /// The RTP timestamp of what is heard or shown...
    pub timestamp: u32,
    /// ...at this time.
    pub at: Time,
}

/// A time in signed µs.
fn micros(time: Time) -> i64 {
    i64::try_from(time.to_duration().as_micros()).unwrap_or(i64::MAX)
}
