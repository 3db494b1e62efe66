//! Conclave's own signalling (docs/protocol.md): a bot is a whole participant.

mod guest;

use std::net::IpAddr;
use std::sync::Arc;

use conclave_proto::{
    ClientFrame, ClientMessage, CodecPreference, DisplayName, Event, Generation, Join, LegNumber, MediaState, Mid,
    ParticipantId, ParticipantKey, PathReport, PathState, Reply, RoomName, RoomOptions, Sdp, Secret, ServerMessage,
    SfuOffer, SourceKind, SourceMids, TopologyChoice, VideoCodec as ProtoCodec, View, ViewItem,
};
use conclave_qos::Time;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::http::Bearer;
use super::site::{Site, Stream, Trust};
use super::{Joined, SignalError, in_time, prepare};
use crate::media::VideoCodec;
use crate::peer::{BotConfig, Sends};
use crate::sdp::Kind;
use crate::swarm::{BotId, Swarm, Until};

/// A room of a server. What is called for first makes it.
pub struct ConclaveRoom {
    /// The server, path `/`.
    pub site: Site,
    /// Which certificates are taken.
    pub trust: Trust,
    /// Let in with this, where the server asks for it.
    pub bearer: Option<Bearer>,
    /// Where bots' sockets are bound.
    pub address: IpAddr,
    /// The room.
    pub room: String,
    /// Most participants.
    pub capacity: u32,
    /// Who sends pictures: those who watch, watch these.
    pub stage: watch::Sender<Vec<ParticipantId>>,
}

/// One who comes in.
#[derive(Clone, Debug)]
pub struct Person {
    /// Names it among the others of the run.
    pub number: usize,
    /// The camera, if it sends pictures, and its codec in any case.
    pub camera: Option<Sends>,
    /// Codec of the room.
    pub codec: VideoCodec,
    /// How much it speaks, 0 to 1; `None`: it has no microphone.
    pub talkative: Option<f64>,
    /// Whether it hears the others.
    pub hears: bool,
    /// Pictures that it watches, 0 to 25.
    pub tiles: usize,
    /// Size of such a picture on its screen.
    pub tile_size: (u16, u16),
    /// All that does not come from the protocol.
    pub seed: u64,
    /// As in [`BotConfig`].
    pub stamps: Option<u32>,
    /// As in [`BotConfig`].
    pub sampled: bool,
    /// As in [`BotConfig`].
    pub sink: bool,
}

const LEG: LegNumber = LegNumber(1);
const AUDIO_SLOTS: usize = 3;

pub use guest::{Guest, Seen};

type Socket = WebSocketStream<Box<dyn Stream>>;

impl ConclaveRoom {
    /// Lets somebody in.
    ///
    /// # Errors
    /// If the server refuses, or cannot be reached.
    pub async fn join(&self, swarm: &Arc<Swarm>, person: Person) -> Result<Joined, SignalError> {
        let Entered { clicked, answered, bot, mut connection, me, generation } = self.enter(swarm, &person).await?;
        if person.camera.is_some() {
            self.stage.send_modify(|stage| stage.push(me.clone()));
        }
        let member = Member { swarm: swarm.clone(), bot, me, generation, person, next: NEXT_MESSAGE };
        let stage = self.stage.subscribe();
        let task = tokio::spawn(async move {
            // A connection that breaks ends the bot: that is seen in the report, as whatever else a server does wrong.
            if member.run(&mut connection, stage).await.is_err() {
                let _ = connection.close(None).await;
            }
        });
        Ok(Joined::new(bot, clicked, answered, Some(task.abort_handle())))
    }

    async fn enter(&self, swarm: &Swarm, person: &Person) -> Result<Entered, SignalError> {
        let clicked = swarm.now();
        let (mut bot, socket) = prepare(swarm, self.address, person.bot())?;
        let join = self.message(person, bot.offer())?;
        let (connection, joined) = in_time(async {
            let mut connection = self.connect().await?;
            send(&mut connection, 1, ClientMessage::Join(Box::new(join))).await?;
            loop {
                match receive(&mut connection).await? {
                    ServerMessage::Reply { reply, .. } => match *reply {
                        Reply::Joined(joined) => return Ok((connection, joined)),
                        _ => return Err(SignalError::Unknown("another reply than joined".to_owned())),
                    },
                    ServerMessage::Error { error, .. } => {
                        return Err(SignalError::Refused(error.message));
                    }
                    ServerMessage::Event { .. } => {}
                }
            }
        })
        .await?;
        let answered = swarm.now();
        let Some(answer) = joined.answer else {
            return Err(SignalError::Unknown("the room's media does not go through the server".to_owned()));
        };
        bot.accept_answer(answer.sdp.as_str())?;
        let generation = joined.room.topology.generation;
        let bot = swarm.add(bot, socket);
        Ok(Entered { clicked, answered, bot, connection, me: joined.participant, generation })
    }

    async fn connect(&self) -> Result<Socket, SignalError> {
        let site = self.site.join("/api/v1/signal").map_err(|error| SignalError::Unknown(error.to_string()))?;
        let request = site.web_socket().into_client_request();
        let request = request.map_err(|error| SignalError::Unknown(error.to_string()))?;
        let (socket, _) = client_async(request, site.connect(self.trust).await?).await.map_err(broken)?;
        Ok(socket)
    }

    fn message(&self, person: &Person, sdp: String) -> Result<Join, SignalError> {
        let bad = |what: &'static str| move |_| SignalError::Unknown(format!("{what} that the protocol does not take"));
        let name = format!("bot {}", person.number);
        let key = format!("load-{:016x}-{}", person.seed, person.number);
        let codec = match person.codec {
            VideoCodec::H264 => CodecPreference::H264,
            VideoCodec::Vp8 => CodecPreference::Vp8,
        };
        let options =
            RoomOptions { topology: TopologyChoice::Sfu, capacity: self.capacity, codec, ..RoomOptions::default() };
        let offer =
            person.offer(Sdp::parse(sdp).map_err(|_| SignalError::Unknown("the offer is too long".to_owned()))?)?;
        Ok(Join {
            version: 1,
            room: RoomName::parse(&self.room).map_err(bad("a room name"))?,
            name: DisplayName::parse(&name).map_err(bad("a name"))?,
            key: ParticipantKey::parse(&key).map_err(bad("a key"))?,
            takeover: false,
            host_token: None,
            access_token: self
                .bearer
                .as_ref()
                .map(|bearer| Secret::parse(bearer.reveal()))
                .transpose()
                .map_err(bad("a token"))?,
            options: Some(options),
            media: MediaState {
                microphone: person.talkative.is_some(),
                camera: person.camera.is_some(),
                ..MediaState::default()
            },
            offer: Some(offer),
        })
    }
}

impl Person {
    /// Four sources and the slots, as the page offers them.
    fn bot(&self) -> BotConfig {
        let video = Kind::Video(self.codec);
        let nothing = |mid: &str, kind| Sends::Nothing { mid: mid.to_owned(), kind };
        let microphone = match self.talkative {
            Some(talkative) => Sends::Microphone { mid: "0".to_owned(), talkative },
            None => nothing("0", Kind::Audio),
        };
        let camera = self.camera.clone().unwrap_or_else(|| nothing("1", video));
        let audio = self.audio_slots().map(|mid| (mid, Kind::Audio));
        let pictures = self.video_slots().map(|mid| (mid, video));
        BotConfig {
            seed: self.seed,
            stamps: self.stamps,
            sends: vec![microphone, camera, nothing("2", video), nothing("3", Kind::Audio)],
            receives: audio.chain(pictures).collect(),
            sampled: self.sampled,
            sink: self.sink,
        }
    }

    fn audio_slots(&self) -> impl Iterator<Item = String> {
        let slots = if self.hears { AUDIO_SLOTS } else { 0 };
        (4..4 + slots).map(|mid| mid.to_string())
    }

    fn video_slots(&self) -> impl Iterator<Item = String> {
        (0..self.tiles).map(|slot| (4 + AUDIO_SLOTS + slot).to_string())
    }

    fn offer(&self, sdp: Sdp) -> Result<SfuOffer, SignalError> {
        let mid = |mid: String| Mid::try_from(mid).map_err(|error| SignalError::Unknown(error.to_owned()));
        Ok(SfuOffer {
            leg: LEG,
            sdp,
            sources: SourceMids {
                microphone: mid("0".to_owned())?,
                camera: mid("1".to_owned())?,
                screen: mid("2".to_owned())?,
                screen_audio: mid("3".to_owned())?,
            },
            audio_slots: self.audio_slots().map(mid).collect::<Result<_, _>>()?,
            video_slots: self.video_slots().map(mid).collect::<Result<_, _>>()?,
            decodes: vec![ProtoCodec::Vp8, ProtoCodec::H264],
        })
    }
}

/// The id of a client's first message after the join.
const NEXT_MESSAGE: u32 = 2;

/// Somebody who has just come in.
struct Entered {
    clicked: Time,
    answered: Time,
    bot: BotId,
    connection: Socket,
    me: ParticipantId,
    generation: Generation,
}

/// A participant after it has come in.
struct Member {
    swarm: Arc<Swarm>,
    bot: BotId,
    me: ParticipantId,
    generation: Generation,
    person: Person,
    next: u32,
}

impl Member {
    async fn run(
        mut self,
        socket: &mut Socket,
        mut stage: watch::Receiver<Vec<ParticipantId>>,
    ) -> Result<(), SignalError> {
        // Cloned, so that nobody who comes to the stage waits for this connection.
        let shown = stage.borrow_and_update().clone();
        self.view(socket, &shown).await?;
        let swarm = self.swarm.clone();
        let connected = swarm.watch(self.bot, Until::Connected, super::PATIENCE);
        tokio::pin!(connected);
        let mut reported = false;
        loop {
            tokio::select! {
                message = receive(socket) => self.handle(message?),
                Ok(()) = stage.changed() => {
                    let shown = stage.borrow_and_update().clone();
                    self.view(socket, &shown).await?;
                }
                report = &mut connected, if !reported => {
                    reported = true;
                    let state = if report.is_some_and(|report| report.connected.is_some()) { PathState::Ready } else { PathState::Failed };
                    let report = PathReport { generation: self.generation, state, peer: None };
                    self.send(socket, ClientMessage::ReportPath(report)).await?;
                }
            }
        }
    }

    fn handle(&mut self, message: ServerMessage) {
        let ServerMessage::Event { event, .. } = message else { return };
        match event {
            Event::PublishWished { wish } if wish.source == SourceKind::Camera => {
                self.swarm.set_wanted_layers(self.bot, wish.layers.to_vec());
            }
            Event::TopologyChanged { state } => self.generation = state.generation,
            _ => {}
        }
    }

    /// Watches those on the stage, each bot beginning with another one, so that they do not all watch the same.
    async fn view(&mut self, socket: &mut Socket, stage: &[ParticipantId]) -> Result<(), SignalError> {
        if self.person.tiles == 0 {
            return Ok(());
        }
        let start = if stage.len() > self.person.tiles { self.person.number % stage.len() } else { 0 };
        let others = stage.iter().cycle().skip(start).take(stage.len()).filter(|id| **id != self.me);
        let (width, height) = self.person.tile_size;
        let items = others.take(self.person.tiles).map(|participant| ViewItem {
            participant: participant.clone(),
            source: SourceKind::Camera,
            width,
            height,
            priority: 1,
        });
        let view = View { items: items.collect() };
        self.send(socket, ClientMessage::SetView { leg: LEG, view }).await
    }

    async fn send(&mut self, socket: &mut Socket, message: ClientMessage) -> Result<(), SignalError> {
        let id = self.next;
        self.next += 1;
        send(socket, id, message).await
    }
}

async fn send(socket: &mut Socket, id: u32, message: ClientMessage) -> Result<(), SignalError> {
    let text = serde_json::to_string(&ClientFrame { id, message });
    let text = text.map_err(|error| SignalError::Unknown(error.to_string()))?;
    socket.send(Message::text(text)).await.map_err(broken)
}

async fn receive(socket: &mut Socket) -> Result<ServerMessage, SignalError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_err(|error| SignalError::Unknown(error.to_string()));
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                return Err(SignalError::Refused(format!("closed with {code}")));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(broken(error)),
            None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
        }
    }
}

fn broken(error: tokio_tungstenite::tungstenite::Error) -> SignalError {
    match error {
        tokio_tungstenite::tungstenite::Error::Io(error) => error.into(),
        other => SignalError::Unknown(other.to_string()),
    }
}
