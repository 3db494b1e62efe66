//! STUN and TURN for the one port, without I/O: a server whose relays are virtual, a small client, and
//! the demultiplexing of everything that shares the port.
//!
//! # Virtual relays
//! A relayed address ([`is_relayed`]) exists inside the program only. An allocation reaches other
//! allocations and the addresses of the SFU that the [`ServerConfig`] names, and nothing else: not
//! because a list forbids it, but because there is no socket by which it could. There is no port
//! range to open, and no way into the owner's network.
//!
//! As all relays of a family share one IP address, and permissions are given to addresses (RFC 8656
//! section 9), who permits one relay permits all: packets of any participant who guesses the port
//! then reach the client, as those of anybody would on an open UDP port. ICE and DTLS discard them.
//!
//! # Use
//! Feed [`Server`] what arrives; after every `handle_*` call take [`Server::poll_output`] until it
//! gives nothing; call [`Server::handle_timeout`] no later than [`Server::poll_timeout`] says.
//!
//! # Why not a ready-made server core
//! `turn-server-proto` was read and does not fit one open port: every packet walks a list of all
//! clients, a nonce is stored for every source that asks (so a flood of forged requests grows
//! memory), peers cannot be refused, users must be known beforehand instead of being recognised by
//! their credential, there are no quotas, and addresses of people are logged. The codec is our own
//! with it: relayed packets need two fields of a fixed header, and control messages are few.

mod address;
pub mod client;
pub mod credentials;
pub mod demux;
pub mod framing;
pub mod proxy;
mod server;
pub mod stun;

pub use address::{RELAYED_V4, RELAYED_V6, is_relayed};
pub use credentials::TurnSecret;
pub use server::{Client, Limits, Output, Server, ServerConfig, Stats, StreamId};
