//! Whole calls in one thread and in virtual time: shards, clients and networks without sockets and clocks.
//!
//! A [`world::World`] has shards, clients with real ICE, DTLS and SRTP, and links between them that delay,
//! lose, double and reorder by fixed seeds. Time is a number that it counts up.

mod allocations;
mod client;
#[path = "../../tests/media/counted.rs"]
mod counted;
mod link;
mod publisher;
mod repairs;
mod stage;
mod world;

mod cost;
mod crossing;
mod estimation;
mod faults;
mod marks;
mod networks;
mod parity;
mod redundancy;
mod threats;
