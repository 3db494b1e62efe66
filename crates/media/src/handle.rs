//! The control plane's end: starting the media plane, and commanding it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use conclave_proto::{
    CodecPreference, ErrorCode, LegNumber, MediaState, ParticipantId, ProtocolError, SfuAnswer, View,
};
use metrics::counter;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{MediaConfig, MediaError, announced};
use crate::datagram::canonical;
use crate::event::{MediaEvent, Outbox, RoomKey};
use crate::mailbox::{Command, Mailbox, Refused};
use crate::offer::LegOffer;
use crate::plane::Plane;
use crate::relay::Relay;
use crate::shared::Shared;
use crate::socket::MediaSocket;
use crate::stats::MediaSnapshot;
use crate::stream::{self, Hub, StreamKind, StreamSink, StreamSource, Streams, StreamsFull};
use crate::webrtc::Identity;
use crate::worker;

/// Events that may wait for the control plane before newer ones take the place of older ones.
const EVENTS: usize = 1_024;

/// Starts the media plane on a thread of its own. It ends with [`MediaHandle::shutdown`]; events
/// that nobody receives do not stop it. Metrics go to the recorder that is installed now.
///
/// # Errors
/// [`MediaError`]: the socket, the addresses, the certificate or the thread.
pub fn start(config: MediaConfig) -> Result<(MediaHandle, mpsc::Receiver<MediaEvent>), MediaError> {
    let local = config.udp.local_addr().map_err(MediaError::Socket)?;
    let announced = announced(&config.announce, local)?;
    let identity = Identity::new().ok_or(MediaError::Certificate)?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(MediaError::Thread)?;
    let socket = {
        let _context = runtime.enter();
        MediaSocket::new(config.udp).map_err(MediaError::Socket)?
    };
    let (events, receiver) = mpsc::channel(EVENTS);
    let (ended, has_ended) = watch::channel(false);
    let mailbox = Mailbox::default();
    let hub = Arc::new(Hub::new(mailbox.waker(), config.limits.streams));
    let now = Instant::now();
    let relay = Relay::new(now, config.relay, &announced);
    let (outbox, streams) = (Outbox::new(events), Streams::new(hub.clone()));
    let shared = Shared::new(now, config.limits, identity, announced.clone(), outbox, streams, relay);
    let plane = Plane::new(now, shared);
    let handle = MediaHandle { announced: announced.into(), mailbox: mailbox.clone(), hub: hub.clone(), has_ended };
    std::thread::Builder::new()
        .name("media".into())
        .spawn(move || runtime.block_on(worker::run(plane, socket, mailbox, hub, ended)))
        .map_err(MediaError::Thread)?;
    Ok((handle, receiver))
}

/// Gives the media plane its commands. Cheap to clone. Commands are carried out in the order in
/// which they are given; those about what does not exist (any more) do nothing.
#[derive(Clone, Debug)]
pub struct MediaHandle {
    announced: Arc<[SocketAddr]>,
    mailbox: Mailbox,
    hub: Arc<Hub>,
    has_ended: watch::Receiver<bool>,
}

impl MediaHandle {
    /// Makes a leg from an offer, or changes the one of the same number. A leg of a new number takes
    /// the place of the participant's older legs once it is connected; until then they go on.
    ///
    /// # Errors
    /// The client's fault: [`ErrorCode::BadSdp`], [`ErrorCode::TooManySections`], or
    /// [`ErrorCode::StaleGeneration`] when a leg of a higher number exists. The server's:
    /// [`ErrorCode::MediaUnavailable`], [`ErrorCode::Internal`].
    ///
    /// The command is given when this is called, not when the future is first polled: what is
    /// commanded afterwards stays behind it.
    pub fn offer(
        &self,
        room: RoomKey,
        participant: ParticipantId,
        offer: LegOffer,
        media: MediaState,
    ) -> impl Future<Output = Result<SfuAnswer, ProtocolError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Offer { room, participant, offer: Box::new(offer), media, reply };
        let given = self.mailbox.push(command);
        async move {
            let stopped = || ProtocolError::new(ErrorCode::MediaUnavailable, "the media plane has stopped");
            match given {
                Ok(()) => answer.await.unwrap_or_else(|_| Err(stopped())),
                Err(Refused::Stopped) => Err(stopped()),
                Err(Refused::Full) => Err(ProtocolError {
                    retry_after_ms: Some(2_000),
                    ..ProtocolError::new(ErrorCode::MediaUnavailable, "the media plane has too much to do")
                }),
            }
        }
    }

    /// Which sources a participant sends; the others are not forwarded.
    pub fn set_media(&self, room: RoomKey, participant: ParticipantId, media: MediaState) {
        self.command(Command::SetMedia { room, participant, media });
    }

    /// What a participant's page shows.
    pub fn set_view(&self, room: RoomKey, participant: ParticipantId, leg: LegNumber, view: View) {
        self.command(Command::SetView { room, participant, leg, view });
    }

    /// Which codec the room prefers. Kept until [`Self::close_room`].
    pub fn set_codec(&self, room: RoomKey, preference: CodecPreference) {
        self.command(Command::SetCodec { room, preference });
    }

    /// Closes a leg; it is not told as failed.
    pub fn close_leg(&self, room: RoomKey, participant: ParticipantId, leg: LegNumber) {
        self.command(Command::CloseLeg { room, participant, leg });
    }

    /// Closes all legs of a participant, ends its TURN allocations, and voids the TURN credentials that
    /// were issued to it.
    pub fn close_participant(&self, room: RoomKey, participant: ParticipantId) {
        self.command(Command::CloseParticipant { room, participant });
    }

    /// Closes all legs of a room and forgets it. The TURN allocations of who has no leg are ended by
    /// [`Self::close_participant`].
    pub fn close_room(&self, room: RoomKey) {
        self.command(Command::CloseRoom { room });
    }

    /// Opens a stream: a connection to the one TCP port whose first bytes said what it carries. The
    /// caller pumps both halves, and closes the connection when either fails; dropping either half
    /// closes the stream. `remote` is the client's address, `local` the address of this machine that
    /// it reached, if that is known.
    ///
    /// A stream that is of no use within [`crate::MediaLimits::stream_start`] is closed.
    ///
    /// # Errors
    /// [`StreamsFull`]: there are [`crate::MediaLimits::streams`] already, or the media plane has
    /// stopped. Close the connection.
    pub fn open_stream(
        &self,
        kind: StreamKind,
        remote: SocketAddr,
        local: Option<IpAddr>,
    ) -> Result<(StreamSink, StreamSource), StreamsFull> {
        stream::open(&self.hub, kind, canonical(remote), local.map(|ip| ip.to_canonical()))
    }

    /// The addresses that clients are told, each for UDP and TCP.
    pub fn announced(&self) -> &[SocketAddr] {
        &self.announced
    }

    /// What the media plane knows of itself now; none when it has stopped, or has too much to do. The
    /// work grows with the number of streams: ask once a second, not more.
    pub fn snapshot(&self) -> impl Future<Output = Option<MediaSnapshot>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let given = self.mailbox.push(Command::Snapshot { reply });
        async move {
            given.ok()?;
            answer.await.ok()
        }
    }

    /// Closes every leg, which clients are told, and ends the thread; resolves when it has ended.
    pub async fn shutdown(mut self) {
        // Refused means that it is ending already.
        let _ = self.mailbox.push(Command::Shutdown);
        // An error means that the thread is gone.
        let _ = self.has_ended.wait_for(|ended| *ended).await;
    }

    fn command(&self, command: Command) {
        if self.mailbox.push(command) == Err(Refused::Full) {
            // The media thread stands still: nothing that this command could change is happening.
            counter!("conclave_media_commands_refused_total").increment(1);
            tracing::warn!("the media plane does not keep up with its commands");
        }
    }
}
