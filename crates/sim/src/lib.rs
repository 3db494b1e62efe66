//! The load generator, its bots, and comparisons with other servers.
//!
//! From the inside out: `media` is what bots send, `peer` is one bot without I/O, `swarm` the threads that own bots'
//! sockets, `signal` what brings bots and servers together, `measure` what comes of it, and `load` one run of it all.
//! `floor` is what forwarding cannot cost less than; `compare` runs servers one after the other, for `make bench`; `soak` lets
//! people come and go for minutes and looks at what a server keeps of them.

pub mod compare;
pub mod floor;
pub mod load;
pub mod measure;
pub mod media;
pub mod peer;
pub mod sdp;
pub mod signal;
pub mod soak;
pub mod swarm;
