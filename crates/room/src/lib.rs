//! The sans-IO room: people, roles, permissions, topology, chat and resumption of one meeting.
//!
//! A [`Room`] decides and never does: everything that happens comes in by [`Room::handle_input`]
//! and [`Room::handle_timeout`] with the time at which it happened, and everything to be done comes
//! out of [`Room::poll_output`]. The same seed and inputs give the same outputs.

mod chat;
mod commands;
mod config;
mod digest;
mod entry;
mod input;
mod legs;
mod listing;
mod media;
mod member;
mod news;
mod output;
mod paths;
mod pending;
mod permissions;
mod replay;
mod room;
mod roster;
mod secrets;
mod stage;
mod streams;
mod topology;

pub use config::{Now, RoomConfig, StoredMessage, StoredRoom};
pub use digest::Digest;
pub use input::{
    AdminInput, Authority, ConnectionId, Departure, Input, MediaInput, RequestToken, StreamId, StreamInput, Watch,
};
pub use output::{Ending, MediaCommand, Output, StreamAnswer, StreamOutput};
pub use room::Room;
