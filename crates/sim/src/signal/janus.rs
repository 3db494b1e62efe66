//! Janus's videoroom over its WebSocket API: one connection for each bot, as its pages do.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::site::{Site, Stream, Trust};
use super::{Joined, SignalError, in_time, prepare};
use crate::media::VideoCodec;
use crate::peer::BotConfig;
use crate::swarm::Swarm;

/// A room of the plugin.
#[derive(Clone, Debug)]
pub struct JanusRoom {
    /// The server's WebSocket.
    pub site: Site,
    /// Which certificates are taken.
    pub trust: Trust,
    /// Where bots' sockets are bound.
    pub address: IpAddr,
    /// The room's number.
    pub room: u64,
}

/// What a publisher is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed(u64);

/// Between signs of life; Janus ends a session after 60 s without one.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const PLUGIN: &str = "janus.plugin.videoroom";

impl JanusRoom {
    /// Makes the room.
    ///
    /// # Errors
    /// If Janus refuses, or cannot be reached.
    pub async fn create(&self, publishers: usize, codec: VideoCodec) -> Result<(), SignalError> {
        in_time(async {
            let mut session = Session::begin(self).await?;
            let codec = match codec {
                VideoCodec::H264 => "h264",
                VideoCodec::Vp8 => "vp8",
            };
            let body = json!({
                "request": "create", "room": self.room, "publishers": publishers, "bitrate": 0, "audiocodec": "opus",
                "videocodec": codec, "h264_profile": "42e01f", "transport_wide_cc_ext": true, "audiolevel_ext": true,
                "audiolevel_event": false, "notify_joining": false,
            });
            session.ask(body, None).await.map(drop)
        })
        .await
    }

    /// Publishes what a bot sends.
    ///
    /// # Errors
    /// If Janus refuses, or cannot be reached.
    pub async fn publish(&self, swarm: &Swarm, config: BotConfig) -> Result<(Joined, Feed), SignalError> {
        let clicked = swarm.now();
        let (mut bot, socket) = prepare(swarm, self.address, config)?;
        let offer = json!({ "type": "offer", "sdp": bot.offer() });
        let (session, feed, answer) = in_time(async {
            let mut session = Session::begin(self).await?;
            let body =
                json!({ "request": "joinandconfigure", "ptype": "publisher", "room": self.room, "display": "load" });
            let event = session.ask(body, Some(offer)).await?;
            let feed = event["plugindata"]["data"]["id"].as_u64().ok_or_else(|| unknown(&event))?;
            let answer = event["jsep"]["sdp"].as_str().ok_or_else(|| unknown(&event))?.to_owned();
            Ok((session, Feed(feed), answer))
        })
        .await?;
        let answered = swarm.now();
        bot.accept_answer(&answer)?;
        let bot = swarm.add(bot, socket);
        let task = tokio::spawn(session.keep());
        Ok((Joined::new(bot, clicked, answered, Some(task.abort_handle())), feed))
    }

    /// Watches and hears publishers, all on one connection.
    ///
    /// # Errors
    /// If Janus refuses, or cannot be reached.
    pub async fn subscribe(&self, swarm: &Swarm, config: BotConfig, feeds: &[Feed]) -> Result<Joined, SignalError> {
        let clicked = swarm.now();
        let (mut bot, socket) = prepare(swarm, self.address, config)?;
        let (session, answered) = in_time(async {
            let mut session = Session::begin(self).await?;
            let streams: Vec<_> = feeds.iter().map(|feed| json!({ "feed": feed.0 })).collect();
            let body = json!({ "request": "join", "ptype": "subscriber", "room": self.room, "streams": streams });
            let event = session.ask(body, None).await?;
            let offer = event["jsep"]["sdp"].as_str().ok_or_else(|| unknown(&event))?;
            let answer = json!({ "type": "answer", "sdp": bot.answer(offer)? });
            session.ask(json!({ "request": "start", "room": self.room }), Some(answer)).await?;
            Ok((session, swarm.now()))
        })
        .await?;
        let bot = swarm.add(bot, socket);
        let task = tokio::spawn(session.keep());
        Ok(Joined::new(bot, clicked, answered, Some(task.abort_handle())))
    }
}

/// A session with one handle of the plugin.
struct Session {
    socket: WebSocketStream<Box<dyn Stream>>,
    session: u64,
    handle: u64,
    next: u64,
}

impl Session {
    async fn begin(room: &JanusRoom) -> Result<Self, SignalError> {
        let request = room.site.web_socket().into_client_request();
        let mut request = request.map_err(|error| SignalError::Unknown(error.to_string()))?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("janus-protocol"));
        let stream = room.site.connect(room.trust).await?;
        let connected = client_async(request, stream).await;
        let (socket, _) = connected.map_err(|error| SignalError::Unknown(error.to_string()))?;
        let mut session = Self { socket, session: 0, handle: 0, next: 0 };
        let made = session.request(json!({ "janus": "create" })).await?;
        session.session = made["data"]["id"].as_u64().ok_or_else(|| unknown(&made))?;
        let made = session.request(json!({ "janus": "attach", "plugin": PLUGIN })).await?;
        session.handle = made["data"]["id"].as_u64().ok_or_else(|| unknown(&made))?;
        Ok(session)
    }

    /// Asks the plugin something.
    async fn ask(&mut self, body: Value, jsep: Option<Value>) -> Result<Value, SignalError> {
        let mut message = json!({ "janus": "message", "body": body });
        if let Some(jsep) = jsep {
            message["jsep"] = jsep;
        }
        let answer = self.request(message).await?;
        match answer["plugindata"]["data"]["error"].as_str() {
            Some(error) => Err(SignalError::Refused(error.to_owned())),
            None => Ok(answer),
        }
    }

    /// Sends a request and waits for what belongs to it; what else comes is of no interest.
    async fn request(&mut self, mut message: Value) -> Result<Value, SignalError> {
        self.next += 1;
        let transaction = self.next.to_string();
        message["transaction"] = json!(transaction);
        if self.session != 0 {
            message["session_id"] = json!(self.session);
        }
        if self.handle != 0 {
            message["handle_id"] = json!(self.handle);
        }
        self.socket.send(Message::text(message.to_string())).await.map_err(broken)?;
        loop {
            let answer = match self.socket.next().await {
                Some(Ok(Message::Text(text))) => serde_json::from_str::<Value>(&text),
                Some(Ok(_)) => continue,
                Some(Err(error)) => return Err(broken(error)),
                None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            };
            let answer = answer.map_err(|error| SignalError::Unknown(error.to_string()))?;
            match answer["janus"].as_str() {
                // The answer proper follows.
                Some("ack") => {}
                _ if answer["transaction"] != json!(transaction) => {}
                Some("error") => {
                    return Err(SignalError::Refused(answer["error"]["reason"].as_str().unwrap_or("error").to_owned()));
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Shows that it is still there until nobody needs it.
    async fn keep(mut self) {
        let mut interval = tokio::time::interval(KEEP_ALIVE);
        loop {
            tokio::select! {
                message = self.socket.next() => match message {
                    Some(Ok(_)) => {}
                    _ => return,
                },
                _ = interval.tick() => {
                    self.next += 1;
                    let alive = json!({ "janus": "keepalive", "session_id": self.session, "transaction": self.next.to_string() });
                    if self.socket.send(Message::text(alive.to_string())).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn unknown(answer: &Value) -> SignalError {
    SignalError::Unknown(format!("a Janus answer of type {}", answer["janus"]))
}

fn broken(error: tokio_tungstenite::tungstenite::Error) -> SignalError {
    SignalError::Unknown(error.to_string())
}
