//! What to do about lost packets: ask for them, send more beforehand, or let them go. Decisions only; the codes are in
//! [`fec`](crate::fec).
//!
//! - [`Nack`] says when a receiver asks for what;
//! - [`Answers`] says which requests a sender has to answer;
//! - [`LossPattern`] measures how a network loses: how much, and how much in a row ([`Gilbert`]);
//! - [`Redundancy`] chooses from that, from the round trip and from the time that there is, how a sender repairs
//!   video: parity beforehand, and what it answers when it is asked. What it needs is part of the rate budget:
//!   media gets the target less [`Redundancy::overhead_of`] it;
//! - [`Copies`] chooses which earlier sounds a packet of sound carries.

mod answers;
mod copies;
mod gilbert;
mod nack;
mod pattern;
mod plan;
mod redundancy;

pub use answers::Answers;
pub use copies::{Copies, MAX_COPIES};
pub use gilbert::Gilbert;
pub use nack::{Arrived, Nack};
pub use pattern::LossPattern;
pub use plan::{Conditions, Limits, Means, Plan};
pub use redundancy::Redundancy;
