//! The sending half of a leg, as its receiver sees it: everything is sealed, opened and read again.

mod by_source;
mod controller;
mod copies;
mod feedback;
mod keyframes;
mod link;
mod pacing;
mod parity;
mod probing;
mod property;
mod reports;
mod retransmission;
mod slots;
mod world;
