//! What shards tell each other, and the queues that it goes through.
//!
//! A room is decided on at its *home*, the shard that its key names. A leg belongs to its *owner*, the
//! shard that heard its client's first connectivity check, so that most of what a client sends comes to
//! where it is needed. Commands go home, *orders* from there to owners, *words* from owners home; media
//! goes both ways in batches, once for each turn of a shard.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use conclave_proto::{ParticipantId, ProtocolError, SfuAnswer, SourceKind};
use conclave_qos::{Bitrate, Ecn};
use conclave_sfu::{Demand, LayerIndex, LegConfig, SlotId};
use conclave_turn::Client;
use conclave_turn::demux::DatagramKind;
use crossbeam_queue::{ArrayQueue, SegQueue};
use tokio::sync::oneshot;

use super::batch::{ForwardBatch, MediaBatch};
use super::wake::Waker;
use crate::counters::End;
use crate::leg::Leg;
use crate::offer::CheckedOffer;
use crate::paths::Path;
use crate::remote::Remote;
use crate::routes::LegRef;

/// A shard of the media plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ShardId(u8);

impl ShardId {
    /// The shard that has the TURN server and all streams.
    pub(crate) const FRONT: Self = Self(0);
    /// Most shards: more cores than that want several programs.
    pub(crate) const MOST: usize = 64;

    /// `None` beyond [`Self::MOST`].
    pub(crate) fn new(index: usize) -> Option<Self> {
        (index < Self::MOST).then_some(Self(index as u8))
    }

    /// The home of a room.
    pub(crate) fn home(room: crate::RoomKey, shards: usize) -> Self {
        // Below `MOST`, so it fits.
        Self((room.0 % shards.clamp(1, Self::MOST) as u64) as u8)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The first characters of ICE user names that belong to connections of this home; they must be of
    /// RFC 8839 section 5.4's alphabet.
    pub(crate) fn prefix(self) -> String {
        let digit = |value: u8| char::from(b'A' + (value & 0xf));
        [digit(self.0 >> 4), digit(self.0)].iter().collect()
    }

    /// The home that an ICE user name tells of.
    pub(crate) fn of_ufrag(ufrag: &str, shards: usize) -> Option<Self> {
        let digit = |byte: u8| byte.checked_sub(b'A').filter(|value| *value < 16);
        let bytes = ufrag.as_bytes();
        let index = digit(*bytes.first()?)? << 4 | digit(*bytes.get(1)?)?;
        (usize::from(index) < shards).then_some(Self(index))
    }
}

/// A packet that came to a shard that it does not belong to.
#[derive(Debug)]
pub(crate) struct Handed {
    /// The shard that it came to.
    pub(crate) from: ShardId,
    pub(crate) kind: DatagramKind,
    pub(crate) source: Remote,
    pub(crate) to: SocketAddr,
    pub(crate) at: Instant,
    pub(crate) ecn: Ecn,
    pub(crate) contents: Vec<u8>,
}

/// What one shard tells another.
pub(crate) enum Message {
    /// A connectivity check for a leg of which the receiver is the home, or the owner.
    Check(Box<Handed>),
    /// A packet from a remote of one of the receiver's legs.
    Packet(LegRef, Box<Handed>),
    /// Something came to this address of the machine.
    Local(IpAddr),
    /// A remote belongs to a leg of the sender: what comes from there is to be handed to it.
    Route {
        remote: Remote,
        leg: LegRef,
        owner: ShardId,
    },
    /// It belongs to nobody any more.
    Unroute {
        remote: Remote,
        leg: LegRef,
    },
    /// A stream, which is the front's, is gone.
    StreamLost {
        remote: Remote,
        leg: LegRef,
    },
    /// A stream carried a genuine check of a leg, or nothing needs it any more.
    StreamUse {
        remote: Remote,
        is_needed: bool,
    },
    /// For the TURN server.
    Turn {
        client: Client,
        contents: Vec<u8>,
    },
    /// To be sent by a way that is the front's.
    Transmit {
        path: Path,
        contents: Vec<u8>,
    },
    /// A participant's TURN allocations end.
    Revoke(ParticipantId),
    /// A leg of which nothing was heard before moves to the shard that its client reaches. With it comes
    /// the check that was heard.
    Leg(Box<Leg>, Box<Handed>),
    /// From a room to one of its legs.
    Order(LegRef, Order),
    /// From a leg to its room.
    Word(LegRef, Word),
    /// Packets of the sender's legs, for a room of the receiver.
    Media(Box<MediaBatch>),
    /// Packets for the receiver's legs.
    Forward(Box<ForwardBatch>),
    /// A batch that was used up, to be filled again.
    SpentMedia(Box<MediaBatch>),
    SpentForward(Box<ForwardBatch>),
}

/// What a room wants of a leg.
pub(crate) enum Order {
    /// Another offer of the same leg.
    Negotiate(Box<Negotiation>),
    /// Ask the client for a key frame.
    RequestKeyframe { source: SourceKind, layer: LayerIndex },
    /// What the room would send.
    Demand(Demand),
    /// The publisher's sender report, in the slot's numbers.
    Report { slot: SlotId, ntp: u64, timestamp: u32 },
    /// A newer leg of the participant is connected.
    Retire(Instant),
    /// It ends; the client is told.
    End(End),
}

/// An offer on its way to a leg and back to its room.
pub(crate) struct Negotiation {
    pub(crate) offer: CheckedOffer,
    /// What the room makes of it; the leg fills in what was agreed on.
    pub(crate) config: LegConfig,
    pub(crate) reply: oneshot::Sender<Result<SfuAnswer, ProtocolError>>,
}

/// What a leg tells its room.
pub(crate) enum Word {
    /// It has another owner, where it has this place.
    Owned { owner: ShardId, place: u32 },
    /// The answer to another offer, and the name that checks ask for from now on. The room replies, once
    /// it has taken note.
    Negotiated(Box<Negotiation>, Result<(String, String), ProtocolError>),
    /// ICE and DTLS are done.
    Connected,
    /// Whether nothing has come for so long that something should have.
    Silent(bool),
    /// The client cannot decode what a slot carries.
    KeyframeWanted(SlotId),
    /// Its packets go by another network from now on.
    RouteChanged,
    /// How much the client's network takes.
    Estimate(Bitrate),
    /// How many copies of earlier sounds go with each sound.
    Copies(u8),
    /// The publisher's clock (RFC 3550 section 6.4.1).
    Report { source: SourceKind, layer: LayerIndex, ntp: u64, timestamp: u32 },
    /// It is no more.
    Ended(End),
}

impl Message {
    /// Whether it may be lost as a packet may be lost on its way.
    fn is_packet(&self) -> bool {
        matches!(
            self,
            Self::Check(_)
                | Self::Packet(..)
                | Self::Turn { .. }
                | Self::Transmit { .. }
                | Self::Media(_)
                | Self::Forward(_)
                | Self::SpentMedia(_)
                | Self::SpentForward(_)
        )
    }
}

/// The queues of one shard. Neither has a lock.
#[derive(Clone)]
pub(crate) struct Inbox {
    /// What is bounded by the number of legs and rooms, and must not be lost.
    control: Arc<SegQueue<Message>>,
    packets: Arc<ArrayQueue<Message>>,
    waker: Waker,
}

/// Packets and batches of them that may wait for a shard. It takes all of them in each turn, so that many
/// wait only if it stands still.
const CAPACITY: usize = 8_192;

impl Inbox {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { control: Arc::default(), packets: Arc::new(ArrayQueue::new(CAPACITY)), waker }
    }

    /// The next message: what must not be lost first, each kind in the order in which it was sent.
    pub(crate) fn pop(&self) -> Option<Message> {
        self.control.pop().or_else(|| self.packets.pop())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.control.is_empty() && self.packets.is_empty()
    }
}

/// A shard's ways to all shards, itself included.
pub(crate) struct Links {
    pub(crate) me: ShardId,
    inboxes: Vec<Inbox>,
    /// Shards that got something in this turn.
    unsaid: u64,
    /// Messages of this shard to itself.
    own: std::collections::VecDeque<Message>,
    /// Packets and batches that did not fit.
    pub(crate) lost: u64,
}

impl Links {
    pub(crate) fn new(me: ShardId, inboxes: Vec<Inbox>) -> Self {
        Self { me, inboxes, unsaid: 0, own: std::collections::VecDeque::new(), lost: 0 }
    }

    /// How many shards there are.
    pub(crate) fn shards(&self) -> usize {
        self.inboxes.len()
    }

    /// All shards but this one.
    pub(crate) fn others(&self) -> impl Iterator<Item = ShardId> + use<> {
        let me = self.me;
        (0..self.shards()).filter_map(ShardId::new).filter(move |shard| *shard != me)
    }

    /// The home of a room.
    pub(crate) fn home(&self, room: crate::RoomKey) -> ShardId {
        ShardId::home(room, self.shards())
    }

    /// Tells a shard something; it is woken at the end of the turn.
    pub(crate) fn tell(&mut self, to: ShardId, message: Message) {
        if to == self.me {
            return self.own.push_back(message);
        }
        let Some(inbox) = self.inboxes.get(to.index()) else { return };
        if !message.is_packet() {
            inbox.control.push(message);
        } else if inbox.packets.push(message).is_err() {
            self.lost += 1;
        }
        self.unsaid |= 1 << to.index();
    }

    /// The next message of this shard to itself.
    pub(crate) fn next_own(&mut self) -> Option<Message> {
        self.own.pop_front()
    }

    /// Whether this shard has nothing to tell itself.
    pub(crate) fn is_quiet(&self) -> bool {
        self.own.is_empty()
    }

    /// Ends a turn: whoever got something is woken.
    pub(crate) fn wake(&mut self) {
        let mut unsaid = std::mem::take(&mut self.unsaid);
        while unsaid != 0 {
            let index = unsaid.trailing_zeros();
            unsaid &= unsaid - 1;
            if let Some(inbox) = self.inboxes.get(index as usize) {
                inbox.waker.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_home_and_a_made_up_one_no_shard_that_there_is_not() {
        for index in 0..ShardId::MOST {
            let shard = ShardId::new(index).expect("within bounds");
            let ufrag = shard.prefix() + "abcd";
            assert_eq!(ShardId::of_ufrag(&ufrag, ShardId::MOST), Some(shard));
            assert_eq!(ShardId::of_ufrag(&ufrag, index), None);
        }
        for ufrag in ["", "A", "zz", "\u{fc}x", "P9"] {
            assert_eq!(ShardId::of_ufrag(ufrag, ShardId::MOST), None, "{ufrag}");
        }
    }
}
