//! One bot, without I/O: packets, time and orders go in, packets to send and a report come out.

mod bot;
mod incoming;
mod outgoing;
mod report;
mod transport;

pub use bot::{Bot, BotConfig, BotError, Moment, Outbox, Sends};
pub use report::BotReport;
pub use transport::TransportError;
