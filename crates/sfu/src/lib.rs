//! The forwarding core of the SFU, without I/O: which packet goes to whom, under which numbers.
//!
//! One [`Conference`] holds the legs of one room. The media plane feeds it what legs receive
//! ([`Conference::handle_rtp`]) and what clients and their networks say, and gets back what to send
//! and what to ask. Time comes in as an argument and there is no randomness but the seed, so that
//! every decision can be repeated in a test.
//!
//! After every `handle_*` call, call [`Conference::poll_output`] until it gives nothing; call
//! [`Conference::handle_timeout`] no later than [`Conference::poll_timeout`] says.

mod allocation;
mod av1;
mod bits;
mod compaction;
mod conference;
mod dependency;
mod estimate;
mod fates;
mod frame;
mod h264;
mod held;
mod keyframes;
mod layers;
mod leg;
mod listening;
mod patch;
mod person;
mod picture;
mod rate;
mod red;
mod rewriter;
mod rtp;
mod scalability;
mod selector;
mod speakers;
mod stream;
mod table;
mod trials;
mod vp8;
mod vp9;
mod window;

pub use conference::{AddLegError, Carried, Conference, HeldForwards, Output};
pub use leg::{Demand, LegConfig};
pub use patch::{Descriptor, Patch};
pub use rtp::{AudioLevel, Bitrate, Codec, Forward, LayerIndex, LegId, RtpPacket, SlotId, SlotReport, Time, Timestamp};
