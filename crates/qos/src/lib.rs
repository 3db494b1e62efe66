//! Quality of service, without I/O: how much may be sent, and when.
//!
//! Time comes in as an argument; what is to be done comes out of `poll_*`.

mod units;

pub use units::{Bitrate, Time};
