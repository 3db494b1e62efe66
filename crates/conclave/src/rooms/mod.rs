//! The live meetings: one task each, found by name.

mod actor;
mod link;
mod outbox;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use conclave_media::{MediaEvent, MediaHandle, RoomKey};
use conclave_proto::{
    ClientMessage, DisplayName, ErrorCode, Join, Participant, ProtocolError, Resume, RoomName, RoomOptions, RoomState,
};
use conclave_room::{
    Authority, ConnectionId, Departure, MediaInput, Now, Room, RoomConfig, StoredRoom, StreamAnswer, StreamId,
    StreamInput,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

pub use link::RoomLink;
pub use outbox::{Outbox, Outgoing, Sending, outbox};

use crate::ice::IceServers;
use crate::metrics::MEDIA_EVENTS_LOST;
use crate::net::Host;
use crate::storage::Storage;
use crate::streams::Lease;
use actor::Actor;

/// Events of the media plane that wait for a meeting's task.
const MEDIA_EVENTS: usize = 8_192;

/// The time, on the clocks that the rooms use.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Now.
    pub fn now(self) -> Now {
        Now { monotonic: self.0.elapsed(), unix_ms: unix_ms() }
    }

    fn instant(self, monotonic: Duration) -> Instant {
        self.0 + monotonic
    }
}

/// Milliseconds since 1970-01-01 UTC; zero on a machine whose clock stands before that.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// What reaches a meeting's task.
pub enum ToRoom {
    /// Somebody wants in.
    Join {
        /// On which connection.
        connection: ConnectionId,
        /// By which it comes.
        entrance: Entrance,
        /// What was asked.
        join: Box<Join>,
        /// What the access token gives.
        authority: Authority,
        /// The message's id.
        request: u32,
    },
    /// Somebody comes back.
    Resume {
        /// On which connection.
        connection: ConnectionId,
        /// By which it comes.
        entrance: Entrance,
        /// What was asked.
        resume: Resume,
        /// The message's id.
        request: u32,
    },
    /// Anything else that a client asks.
    Message {
        /// On which connection.
        connection: ConnectionId,
        /// The message's id.
        request: u32,
        /// What.
        message: ClientMessage,
    },
    /// A connection is gone.
    Disconnected {
        /// Which.
        connection: ConnectionId,
        /// How.
        departure: Departure,
    },
    /// A session without signalling asks something.
    Stream {
        /// Which.
        stream: StreamId,
        /// With the first request; dropped when the session is over.
        opening: Option<Lease>,
        /// What it asks.
        input: StreamInput,
        /// Where the answer goes, if there is one.
        answer: Option<oneshot::Sender<Result<StreamAnswer, ProtocolError>>>,
    },
    /// Somebody looks in from outside.
    Look(oneshot::Sender<Snapshot>),
    /// Somebody at the door wants to know who is inside.
    Glance(oneshot::Sender<Glimpse>),
    /// New options from outside.
    SetOptions(RoomOptions, oneshot::Sender<Result<(), ProtocolError>>),
    /// The owner ends the meeting; answered when everybody has been told.
    Close(oneshot::Sender<()>),
    /// The server stops.
    Stop {
        /// When clients may come back.
        retry_after: Duration,
    },
    /// As if there were a fault in the room.
    #[cfg(test)]
    Fault,
}

/// What a meeting needs to know of a connection.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// Where answers go.
    pub outbox: Outbox,
    /// Under which name the client reached the server.
    pub host: Option<Host>,
}

/// A live meeting from outside.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Name, options, topology.
    pub state: RoomState,
    /// Everybody inside, in the order of arrival.
    pub participants: Vec<Participant>,
    /// How many watch without being inside.
    pub viewers: usize,
    /// Nobody more would be let in.
    pub is_full: bool,
}

/// What whoever stands at the door may see of a meeting: little, and as much for a large one as for a small
/// one, for nobody has to prove anything to ask.
#[derive(Clone, Debug)]
pub struct Glimpse {
    /// How many are inside.
    pub count: usize,
    /// What the first of them are called.
    pub names: Vec<DisplayName>,
    /// Nobody new may come in.
    pub is_locked: bool,
    /// Nobody more would be let in.
    pub is_full: bool,
}

/// Names in a [`Glimpse`]: more than are shown.
const GLIMPSED: usize = 8;

/// All live meetings. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Shared>);

struct Shared {
    config: RoomConfig,
    limit: usize,
    storage: Storage,
    media: MediaHandle,
    ice: IceServers,
    clock: Clock,
    next_connection: AtomicU64,
    next_room: AtomicU64,
    stopping: AtomicBool,
    live: Mutex<Live>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct Live {
    by_name: HashMap<RoomName, LiveRoom>,
    by_key: HashMap<RoomKey, mpsc::Sender<MediaInput>>,
}

struct LiveRoom {
    key: RoomKey,
    link: RoomLink,
}

impl Rooms {
    /// No meetings yet. `limit`: most at once.
    pub fn new(config: RoomConfig, limit: usize, storage: Storage, media: MediaHandle, ice: IceServers) -> Self {
        Self(Arc::new(Shared {
            config,
            limit,
            storage,
            media,
            ice,
            clock: Clock::start(),
            next_connection: AtomicU64::new(1),
            next_room: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
            live: Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// A number for a new connection.
    pub fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.0.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// The meeting of this name; its task is started if there is none.
    ///
    /// # Errors
    /// [`ErrorCode::TooManyRequests`] when there are too many meetings or the server stops.
    pub fn open(&self, name: &RoomName) -> Result<RoomLink, ProtocolError> {
        let mut live = self.0.live();
        if let Some(room) = live.by_name.get(name) {
            return Ok(room.link.clone());
        }
        if self.0.stopping.load(Ordering::Acquire) {
            return Err(try_later("the server stops"));
        }
        if live.by_name.len() >= self.0.limit {
            return Err(try_later("there are as many meetings as this server takes"));
        }
        let key = RoomKey(self.0.next_room.fetch_add(1, Ordering::Relaxed));
        let (link, inlet) = link::link();
        let (media, media_out) = mpsc::channel(MEDIA_EVENTS);
        live.by_key.insert(key, media);
        live.by_name.insert(name.clone(), LiveRoom { key, link: link.clone() });
        self.0.tasks.spawn(Actor::run(self.clone(), name.clone(), key, inlet, media_out));
        Ok(link)
    }

    /// Hands an input to the meeting of this name, opening it as often as it ends in between.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn deliver(&self, name: &RoomName, mut input: ToRoom) -> Result<RoomLink, ProtocolError> {
        loop {
            let link = self.open(name)?;
            match link.send(input).await {
                Ok(()) => return Ok(link),
                Err(returned) => input = returned,
            }
        }
    }

    /// Hands over a connection's join or resume as [`Self::deliver`] does, after what the connection said
    /// before. `before`: the way to the meeting of this name that it has asked already, if it has; while
    /// that leads to a meeting, it is taken, so that a join that is still being passed on to the next
    /// meeting is not overtaken.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn enter(
        &self,
        name: &RoomName,
        before: Option<RoomLink>,
        connection: ConnectionId,
        input: ToRoom,
    ) -> Result<RoomLink, ProtocolError> {
        let Some(mut link) = before else { return self.deliver(name, input).await };
        match link.send_from(connection, input).await {
            Ok(()) => Ok(link),
            Err(input) => self.deliver(name, input).await,
        }
    }

    /// Hands an input to the meeting of this name if it is live.
    ///
    /// # Errors
    /// The input, when it is not.
    pub async fn deliver_if_live(&self, name: &RoomName, input: ToRoom) -> Result<(), ToRoom> {
        let link = self.0.live().by_name.get(name).map(|room| room.link.clone());
        match link {
            Some(link) => link.send(input).await,
            None => Err(input),
        }
    }

    /// A live meeting from outside; `None` if nobody is there.
    pub async fn look(&self, name: &RoomName) -> Option<Snapshot> {
        let link = self.0.live().by_name.get(name)?.link.clone();
        let (answer, answered) = oneshot::channel();
        link.send(ToRoom::Look(answer)).await.ok()?;
        answered.await.ok()
    }

    /// A live meeting from the door; `None` if nobody is there.
    pub async fn glance(&self, name: &RoomName) -> Option<Glimpse> {
        let link = self.0.live().by_name.get(name)?.link.clone();
        let (answer, answered) = oneshot::channel();
        link.send(ToRoom::Glance(answer)).await.ok()?;
        answered.await.ok()
    }

    /// Ends a live meeting, if there is one, and waits until everybody has been told.
    pub async fn close(&self, name: &RoomName) {
        let Some(link) = self.0.live().by_name.get(name).map(|room| room.link.clone()) else { return };
        let (answer, answered) = oneshot::channel();
        if link.send(ToRoom::Close(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }

    /// Changes a room's options, live or not.
    ///
    /// # Errors
    /// [`ErrorCode::BadOptions`], or as [`Self::open`].
    pub async fn set_options(&self, name: &RoomName, options: RoomOptions) -> Result<(), ProtocolError> {
        let (answer, answered) = oneshot::channel();
        self.deliver(name, ToRoom::SetOptions(options, answer)).await?;
        answered.await.unwrap_or_else(|_| Err(ProtocolError::new(ErrorCode::RoomClosed, "the room was closed")))
    }

    /// Whether a room could be made with these options.
    ///
    /// # Errors
    /// [`ErrorCode::BadOptions`].
    pub fn check_options(&self, name: &RoomName, options: &RoomOptions) -> Result<(), ProtocolError> {
        Room::new(self.0.config, name.clone(), StoredRoom::default(), [0; 32]).check_options(options)
    }

    /// The live meetings, in no order.
    pub fn live(&self) -> Vec<(RoomKey, RoomName)> {
        self.0.live().by_name.iter().map(|(name, room)| (room.key, name.clone())).collect()
    }

    /// Takes what the media plane tells to the meetings it is about, until it ends.
    pub async fn route_media(self, mut events: mpsc::Receiver<MediaEvent>) {
        while let Some(event) = events.recv().await {
            let (key, input) = actor::media_input(event);
            let meeting = self.0.live().by_key.get(&key).cloned();
            // Never waits: one meeting that is stuck must not hold up the others.
            if meeting.is_some_and(|meeting| meeting.try_send(input).is_err()) {
                metrics::counter!(MEDIA_EVENTS_LOST).increment(1);
            }
        }
    }

    /// Tells everybody that the server stops, and waits until all meetings have ended. No meeting is
    /// opened any more.
    pub async fn stop(&self, retry_after: Duration) {
        self.0.stopping.store(true, Ordering::Release);
        let links: Vec<_> = self.0.live().by_name.values().map(|room| room.link.clone()).collect();
        for link in links {
            let _ = link.send(ToRoom::Stop { retry_after }).await;
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A meeting's task takes itself out; the next one who comes starts another.
    fn remove(&self, name: &RoomName, key: RoomKey) {
        let mut live = self.live();
        live.by_key.remove(&key);
        if live.by_name.get(name).is_some_and(|room| room.key == key) {
            live.by_name.remove(name);
        }
    }
}

fn try_later(why: &str) -> ProtocolError {
    ProtocolError { retry_after_ms: Some(5_000), ..ProtocolError::new(ErrorCode::TooManyRequests, why) }
}

#[cfg(test)]
mod tests;
