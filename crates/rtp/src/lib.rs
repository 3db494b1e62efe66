//! RTP, RTCP and SRTP without I/O: the formats, and the receiving and the sending half of a leg.
//!
//! One [`Session`] is one leg. Packets, time and keys come in as arguments; what is to be sent is written,
//! sealed, into an [`Arena`]. Nothing on the path of a packet allocates once a leg is warm, and nothing that a
//! peer sends can make anything here grow without a bound that is stated where it grows.

pub mod rtcp;
pub mod srtp;

mod arena;
mod header;
mod ids;
mod receive;
mod send;
mod sequence;
mod session;
mod sources;
mod store;
mod write;

pub use arena::Arena;
pub use header::{Extension, Extensions, Header, Malformed};
pub use ids::{ExtensionId, ExtensionIds, PayloadType, Ssrc};
pub use receive::{
    Feedback, Media, PayloadKind, ReceivePayload, ReceiveSection, ReceiveStats, Receiver, ReceiverConfig,
    ReceiverEvent, Refused, StreamIndex, StreamSources,
};
pub use send::{
    BadSlots, NotQueued, Outgoing, Parity, Patch, SendPayload, Sender, SenderConfig, SenderEvent, SenderStats,
    SlotConfig, SlotStats,
};
pub use session::{NotTaken, Session, SessionStats};
pub use store::{PacketId, PacketRef, PacketStore, Payloads};
pub use write::{ExtensionValues, NoRoom, OutgoingHeader, write_header, write_padding};

/// The longest packet, in bytes, that is received or sent: RTP or RTCP with everything that SRTP adds.
///
/// An Ethernet frame carries no more, and no sender of real-time media relies on IP fragments.
pub const MAX_PACKET: usize = 1_500;
