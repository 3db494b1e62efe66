//! Conclave: a private meeting system in one program.
//!
//! One TCP port carries the page, the API and the signalling (HTTPS, and plain HTTP for this machine
//! itself), and media where UDP does not get through (ICE-TCP, TURN over TCP and TLS): [`net`] tells
//! them apart. The UDP port of the same number carries media. A WebSocket's messages go to the task of
//! its meeting ([`rooms`]), which owns a `conclave_room::Room` and does what it decides: sends,
//! writes to the database, orders to the media plane.

mod announce;
pub mod auth;
pub mod check;
pub mod config;
pub mod http;
pub mod ice;
pub mod log;
pub mod metrics;
mod monitor;
pub mod net;
mod outgoing;
pub mod rooms;
mod server;
pub mod signal;
pub mod storage;
pub mod streams;

pub use config::{Config, ConfigError, Invocation};
pub use server::{Server, StartError};
