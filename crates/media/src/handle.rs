//! The control plane's end: starting the media plane, and commanding it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conclave_proto::{
    CodecPreference, ErrorCode, LegNumber, MediaState, ParticipantId, ProtocolError, SfuAnswer, View,
};
use metrics::counter;
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{MediaConfig, MediaError, announced};
use crate::counters::Counters;
use crate::datagram::canonical;
use crate::event::{MediaEvent, Outbox, RoomKey};
use crate::mailbox::{Command, Mailbox, Refused};
use crate::offer::LegOffer;
use crate::relay::Relay;
use crate::shard::{Desk, Inbox, Links, Shard, ShardId, Waker, run};
use crate::shared::{Common, Front, Shared};
use crate::socket::MediaSocket;
use crate::stats::MediaSnapshot;
use crate::stream::{self, Hub, StreamKind, StreamSink, StreamSource, Streams, StreamsFull};
use crate::webrtc::Identity;

/// Events that may wait for the control plane before newer ones take the place of older ones.
const EVENTS: usize = 4_096;

/// Starts the media plane, on one thread for each of its sockets. It ends with
/// [`MediaHandle::shutdown`]; events that nobody receives do not stop it. Metrics go to the recorder
/// that is installed now.
///
/// # Errors
/// [`MediaError`]: the sockets, the addresses, the certificate or the threads.
pub fn start(config: MediaConfig) -> Result<(MediaHandle, mpsc::Receiver<MediaEvent>), MediaError> {
    let MediaConfig { udp, announce, relay, controller, limits } = config;
    let shards = udp.len().min(ShardId::MOST);
    let first = udp.first().ok_or(MediaError::NoAddress)?;
    let announced: Arc<[SocketAddr]> = announced(&announce, first.local_addr().map_err(MediaError::Socket)?)?.into();
    let identity = Identity::new().ok_or(MediaError::Certificate)?;
    let now = Instant::now();
    let common = Common::new(now, ntp(SystemTime::now()), limits, controller, identity, announced.clone());
    let wakers = (0..shards).map(|_| Waker::new()).collect::<Result<Vec<_>, _>>().map_err(MediaError::Thread)?;
    let inboxes: Vec<_> = wakers.iter().cloned().map(Inbox::new).collect();
    let mailboxes: Arc<[Mailbox]> = wakers.iter().cloned().map(Mailbox::new).collect();
    // Streams are looked at by the first shard, which there always is.
    let hub = Arc::new(Hub::new(wakers.first().cloned().ok_or(MediaError::NoAddress)?, limits.streams));
    let (events, receiver) = mpsc::channel(EVENTS);
    let (ended, has_ended) = watch::channel(0);
    let mut front = Some(Front { streams: Streams::new(hub.clone()), relay: Relay::new(now, relay, &announced) });
    let desks = udp.into_iter().zip(wakers).zip(inboxes.iter().cloned()).zip(mailboxes.iter().cloned());
    for (index, (((socket, waker), inbox), mailbox)) in desks.enumerate() {
        let Some(me) = ShardId::new(index) else { break };
        let socket = MediaSocket::new(socket).map_err(MediaError::Socket)?;
        let links = Links::new(me, inboxes.clone());
        let front = front.take();
        let hub = front.as_ref().map(|_| hub.clone());
        let shared = Shared::new(common.clone(), links, Outbox::new(events.clone()), Counters::new(), front);
        let shard = Shard::new(now, shared);
        let desk = Desk { socket, mailbox, inbox, waker, hub, ended: ended.clone() };
        std::thread::Builder::new()
            .name(format!("media-{index}"))
            .spawn(move || run(shard, desk))
            .map_err(MediaError::Thread)?;
    }
    let handle = MediaHandle { announced, mailboxes, hub, has_ended, shards };
    Ok((handle, receiver))
}

/// The wall clock as NTP tells it: seconds since 1900 above 32 bits of their fraction (RFC 5905 section 6).
fn ntp(now: SystemTime) -> u64 {
    const FROM_1900_TO_1970: u64 = 2_208_988_800;
    // Before 1970 the clock was never set; it then counts from there.
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    // Modulo 2^32 seconds, the era that receivers expect (RFC 5905 section 6).
    (since.as_secs().wrapping_add(FROM_1900_TO_1970) << 32) | fraction
}

/// Gives the media plane its commands. Cheap to clone. Commands are carried out in the order in
/// which they are given; those about what does not exist (any more) do nothing.
#[derive(Clone, Debug)]
pub struct MediaHandle {
    announced: Arc<[SocketAddr]>,
    /// By shard.
    mailboxes: Arc<[Mailbox]>,
    hub: Arc<Hub>,
    /// How many shards have ended.
    has_ended: watch::Receiver<usize>,
    shards: usize,
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
        let given = self.mailbox(room).push(command);
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
        self.command(room, Command::SetMedia { room, participant, media });
    }

    /// What a participant's page shows.
    pub fn set_view(&self, room: RoomKey, participant: ParticipantId, leg: LegNumber, view: View) {
        self.command(room, Command::SetView { room, participant, leg, view });
    }

    /// Which codec the room prefers. Kept until [`Self::close_room`].
    pub fn set_codec(&self, room: RoomKey, preference: CodecPreference) {
        self.command(room, Command::SetCodec { room, preference });
    }

    /// Closes a leg; it is not told as failed.
    pub fn close_leg(&self, room: RoomKey, participant: ParticipantId, leg: LegNumber) {
        self.command(room, Command::CloseLeg { room, participant, leg });
    }

    /// Closes all legs of a participant, ends its TURN allocations, and voids the TURN credentials that
    /// were issued to it.
    pub fn close_participant(&self, room: RoomKey, participant: ParticipantId) {
        self.command(room, Command::CloseParticipant { room, participant });
    }

    /// Closes all legs of a room and forgets it. The TURN allocations of who has no leg are ended by
    /// [`Self::close_participant`].
    pub fn close_room(&self, room: RoomKey) {
        self.command(room, Command::CloseRoom { room });
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
        let answers = self.mailboxes.iter().map(|mailbox| {
            let (reply, answer) = oneshot::channel();
            mailbox.push(Command::Snapshot { reply }).ok().map(|()| answer)
        });
        let answers: Vec<_> = answers.collect();
        async move {
            let mut parts = Vec::with_capacity(answers.len());
            for answer in answers {
                parts.push(answer?.await.ok()?);
            }
            Some(MediaSnapshot::join(parts))
        }
    }

    /// Closes every leg, which clients are told, and ends the threads; resolves when they have ended.
    pub async fn shutdown(mut self) {
        for mailbox in &*self.mailboxes {
            // Refused means that it is ending already.
            let _ = mailbox.push(Command::Shutdown);
        }
        let shards = self.shards;
        // An error means that the threads are gone.
        let _ = self.has_ended.wait_for(|ended| *ended >= shards).await;
    }

    fn mailbox(&self, room: RoomKey) -> &Mailbox {
        // A home is always one of the shards.
        &self.mailboxes[ShardId::home(room, self.shards).index()]
    }

    fn command(&self, room: RoomKey, command: Command) {
        if self.mailbox(room).push(command) == Err(Refused::Full) {
            // The shard stands still: nothing that this command could change is happening.
            counter!("conclave_media_commands_refused_total").increment(1);
            tracing::warn!("the media plane does not keep up with its commands");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_told_as_in_rfc_5905() {
        let half_past = UNIX_EPOCH + Duration::from_millis(1_500);
        assert_eq!(ntp(half_past), (2_208_988_801 << 32) | (1 << 31));
    }
}
