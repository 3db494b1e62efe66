//! The media plane as clients meet it: real UDP and TCP sockets on loopback, real ICE, DTLS and SRTP.
//!
//! Clients are the same WebRTC engine in the client's role. Nothing sleeps: clients run by
//! themselves, and tests wait for what they observe.

mod client;
mod counted;
mod forwarding;
mod harness;
mod hostile;
mod lifecycle;
mod listener;
mod network;
mod offers;
mod paths;
mod snapshots;
mod streams;
mod threats;
