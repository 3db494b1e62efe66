//! Quality of service, without I/O: how much may be sent, and when.
//!
//! A sender keeps one [`CongestionController`] ([`Conclave`], [`Gcc`], [`Nada`] or [`Scream`]; [`Algorithm`] names
//! them), one [`SendHistory`] and one [`Pacer`] per path. Its receiver keeps one [`ArrivalLog`] and sends back what
//! arrived when, as transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! Over QUIC datagrams, a data channel or TCP, which have a queue and a congestion control of their own, [`bearer`] stands
//! in the pacer's place.
//!
//! What gets lost is repaired by the codes of [`fec`], as [`repair`] decides. A receiver plays what arrives through
//! [`playout`]: jitter buffers for sound and pictures, and what keeps them in step.
//!
//! Time comes in as an argument; what is to be done comes out of `poll_*`. The same calls with the same
//! arguments give the same answers. After warm-up controllers, pacer and books allocate nothing.

mod algorithm;
mod arrival;
pub mod bearer;
mod conclave;
mod control;
pub mod fec;
mod gcc;
mod history;
mod in_flight;
mod nada;
mod pacer;
pub mod playout;
pub mod repair;
mod scream;
mod silence;
mod units;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use arrival::{ArrivalLog, Feedback};
pub use conclave::Conclave;
pub use control::{
    CongestionController, Control, Demand, Ecn, NetworkState, PacketResult, Probe, ProbeId, SentPacket, Snapshot,
};
pub use gcc::{Gcc, Limits};
pub use history::SendHistory;
pub use nada::Nada;
pub use pacer::{Pacer, Queued, Turn};
pub use scream::Scream;
pub use units::{Bitrate, Time};
