//! Sending over a bearer that has a queue and a congestion control of its own: QUIC datagrams, an SCTP data channel, a
//! stream over TCP.
//!
//! Who sends over UDP sees what a network carries by when packets arrive. Over these bearers it also shows earlier, and
//! nearer: in what the bearer has been given and does not send yet. [`BearerSender`] gives it little at a time, so that
//! what waits, waits where it can still be dropped, and sound can go ahead; drops whole frames that have become old, and
//! those that need them, before they are handed over; and learns from how the bearer's queue empties how much an encoder
//! may make ([`limit`](BearerSender::limit)). It stands below a [`CongestionController`](crate::CongestionController), as
//! [`Pacer`](crate::Pacer) does on UDP, and alone where there is none.
//!
//! Packets should be numbered when they are handed over: then what was dropped here is no gap, and is not asked for.
//!
//! | bearer | what to report with [`handle_buffered`](BearerSender::handle_buffered) |
//! |--|--|
//! | WebTransport in a browser | `outgoingMaxBufferedDatagrams` (formerly `outgoingHighWaterMark`; set to 64) less the writer's `desiredSize`, as packets. `outgoingMaxAge` is left unset: here is known what depends on what |
//! | quinn | `datagram_send_buffer_size` less `datagram_send_buffer_space()`, as bytes |
//! | data channel, WebSocket | `bufferedAmount`, as bytes |
//! | TCP natively | what is not sent, as bytes: `SIOCOUTQNSD`, or `tcpi_notsent_bytes` of `TCP_INFO`. `SIOCOUTQ` counts what is on its way, too |

mod chain;
mod kind;
mod limit;
mod outflow;
mod packet;
mod sender;
mod waiting;

pub use kind::Bearer;
pub use outflow::Buffered;
pub use packet::{Content, Handover, Packet, Picture, QueueError, StreamId};
pub use sender::{BearerSender, BearerStats};

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
