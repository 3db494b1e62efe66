//! The media plane as clients meet it: real UDP sockets on loopback, real ICE, DTLS and SRTP.
//!
//! Clients are the same WebRTC engine in the client's role. Nothing sleeps: clients run by
//! themselves, and tests wait for what they observe.

mod client;
mod forwarding;
mod harness;
mod hostile;
mod lifecycle;
mod offers;
