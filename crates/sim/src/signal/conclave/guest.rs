//! A participant who is led from outside while it is in: what it watches, what it sends, when it goes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_proto::{
    ClientMessage, Event, Generation, MediaState, ParticipantId, PathReport, PathState, ServerMessage, SourceKind,
    View, ViewItem,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{ConclaveRoom, Entered, LEG, NEXT_MESSAGE, Person, Socket, receive, send};
use crate::signal::{PATIENCE, SignalError};
use crate::swarm::{BotId, Swarm, Until};

/// A participant. Whoever drops it without [`Guest::leave`] lets it vanish: its connection breaks.
pub struct Guest {
    bot: BotId,
    participant: ParticipantId,
    tile_size: (u16, u16),
    orders: mpsc::UnboundedSender<ClientMessage>,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
    swarm: Arc<Swarm>,
}

/// What a guest was told.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Those whose pictures the server holds back, because its estimate says that they do not fit.
    pub paused: Vec<ParticipantId>,
    /// What should not have happened, in words without personal data.
    pub troubles: Vec<String>,
    /// The connection has ended.
    pub ended: bool,
}

impl ConclaveRoom {
    /// Lets somebody in who is led by the caller.
    ///
    /// # Errors
    /// If the server refuses, or cannot be reached.
    pub async fn invite(&self, swarm: &Arc<Swarm>, person: &Person) -> Result<Guest, SignalError> {
        let Entered { bot, connection, me, generation, .. } = self.enter(swarm, person).await?;
        let (orders, ordered) = mpsc::unbounded_channel();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let led = Led { swarm: swarm.clone(), bot, generation, seen: seen.clone(), next: NEXT_MESSAGE };
        let task = tokio::spawn(led.run(connection, ordered));
        let tile_size = person.tile_size;
        Ok(Guest { bot, participant: me, tile_size, orders, seen, task, swarm: swarm.clone() })
    }
}

impl Guest {
    /// Its bot.
    pub fn bot(&self) -> BotId {
        self.bot
    }

    /// Who it is.
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// What it was told so far; goes on growing.
    pub fn seen(&self) -> Arc<Mutex<Seen>> {
        self.seen.clone()
    }

    /// Shows these cameras, and no others.
    pub fn show(&self, participants: &[ParticipantId]) {
        let (width, height) = self.tile_size;
        let item = |participant: &ParticipantId| ViewItem {
            participant: participant.clone(),
            source: SourceKind::Camera,
            width,
            height,
            priority: 1,
        };
        let view = View { items: participants.iter().map(item).collect() };
        self.order(ClientMessage::SetView { leg: LEG, view });
    }

    /// Switches microphone and camera.
    pub fn send(&self, microphone: bool, camera: bool) {
        self.swarm.set_sending(self.bot, microphone, camera);
        let media = MediaState { microphone, camera, ..MediaState::default() };
        self.order(ClientMessage::SetMedia { media });
    }

    /// Leaves as one who clicks on it: says so, and the server ends the connection.
    ///
    /// # Errors
    /// If the server does not end it in time.
    pub async fn leave(mut self) -> Result<(), SignalError> {
        self.order(ClientMessage::Leave {});
        let ended = tokio::time::timeout(PATIENCE, &mut self.task).await;
        ended.map(drop).map_err(|_| SignalError::Late)
    }

    fn order(&self, message: ClientMessage) {
        // A connection that has ended is seen by whoever looks.
        let _ = self.orders.send(message);
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.task.abort();
        self.swarm.remove(self.bot);
    }
}

/// The guest's side of the connection.
struct Led {
    swarm: Arc<Swarm>,
    bot: BotId,
    generation: Generation,
    seen: Arc<Mutex<Seen>>,
    next: u32,
}

impl Led {
    async fn run(mut self, mut socket: Socket, mut orders: mpsc::UnboundedReceiver<ClientMessage>) {
        let swarm = self.swarm.clone();
        let connected = swarm.watch(self.bot, Until::Connected, PATIENCE);
        tokio::pin!(connected);
        let (mut reported, mut leaves) = (false, false);
        let ended = loop {
            let message = tokio::select! {
                message = receive(&mut socket) => match message {
                    Ok(message) => {
                        self.handle(message);
                        continue;
                    }
                    Err(error) => break error,
                },
                Some(order) = orders.recv() => {
                    leaves |= matches!(order, ClientMessage::Leave {});
                    order
                }
                report = &mut connected, if !reported => {
                    reported = true;
                    let is_there = report.is_some_and(|report| report.connected.is_some());
                    let state = if is_there { PathState::Ready } else { PathState::Failed };
                    ClientMessage::ReportPath(PathReport { generation: self.generation, state, peer: None })
                }
            };
            let id = self.next;
            self.next += 1;
            if let Err(error) = send(&mut socket, id, message).await {
                break error;
            }
        };
        let mut seen = lock(&self.seen);
        seen.ended = true;
        if !leaves {
            seen.troubles.push(format!("the connection ended: {ended}"));
        }
    }

    fn handle(&mut self, message: ServerMessage) {
        let mut seen = lock(&self.seen);
        match message {
            ServerMessage::Event { event, .. } => match event {
                Event::PublishWished { wish } if wish.source == SourceKind::Camera => {
                    self.swarm.set_wanted_layers(self.bot, wish.layers.to_vec());
                }
                Event::TopologyChanged { state } => self.generation = state.generation,
                Event::SlotsChanged { slots } => {
                    let paused = slots.video.into_iter().filter(|slot| slot.paused);
                    seen.paused = paused.map(|slot| slot.participant).collect();
                }
                Event::LegFailed { .. } => seen.troubles.push("the server gave the leg up".to_owned()),
                _ => {}
            },
            ServerMessage::Error { error, .. } => seen.troubles.push(format!("the server refused: {}", error.message)),
            ServerMessage::Reply { .. } => {}
        }
    }
}

/// What was seen is whole after each change.
fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
