//! The real program in this process, and clients that speak to it as browsers do.

#![allow(dead_code, reason = "each test program uses a part")]

pub mod stream;
pub mod tls;
pub mod turn;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use conclave::{Config, Server};
use conclave_proto::{Event, Joined, ProtocolError, Reply, ServerMessage};
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Longer than anything here takes, shorter than anybody's patience.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A server on a free port with a data folder of its own.
pub struct TestServer {
    server: Option<Server>,
    pub data: TempDir,
    pub address: SocketAddr,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let data = tempfile::tempdir().expect("folder");
        let mut config = Config::for_tests(data.path().to_owned());
        change(&mut config);
        let server = Server::start(config).await.expect("starts");
        Self { address: server.address(), server: Some(server), data }
    }

    /// Stops, and starts again with the same data.
    pub async fn restart(&mut self) {
        self.stop().await;
        let server = Server::start(Config::for_tests(self.data.path().to_owned())).await.expect("starts again");
        self.address = server.address();
        self.server = Some(server);
    }

    pub async fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            timeout(PATIENCE, server.stop()).await.expect("stops in time");
        }
    }

    pub fn admin_token(&self) -> String {
        std::fs::read_to_string(self.data.path().join("admin-token")).expect("made at start").trim().to_owned()
    }

    pub async fn admin(&self, method: &str, path: &str, body: Value) -> Answer {
        self.http(method, path, &[("authorization", &format!("Bearer {}", self.admin_token()))], body).await
    }

    /// `Value::Null`: no body.
    pub async fn http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw_http(method, path, headers, body).await
    }

    pub async fn raw_http(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let json = [("content-type", "application/json")];
        let json = if body.is_empty() { &[][..] } else { &json };
        self.send(method, path, &[headers, json].concat(), body).await
    }

    /// As it is.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let mut request = axum::http::Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(axum::body::Bytes::from(body))).expect("request");
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        let response = timeout(PATIENCE, client.request(request)).await.expect("in time").expect("answered");
        let (parts, body) = response.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.expect("in time").expect("whole").to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.to_vec() }
    }

    /// A token for a room, as a header's value.
    pub async fn token(&self, grants: Value) -> String {
        let minted = self.admin("POST", "/api/v1/tokens", grants).await;
        format!("Bearer {}", minted.json()["token"].as_str().expect("a token"))
    }

    pub async fn connect(&self) -> Client {
        Client::connect(self.address, &[]).await.expect("connects")
    }

    /// Connected and in the room.
    pub async fn join(&self, room: &str, name: &str) -> (Client, Joined) {
        self.join_with(room, name, json!({})).await
    }

    pub async fn join_with(&self, room: &str, name: &str, more: Value) -> (Client, Joined) {
        let mut client = self.connect().await;
        let joined = client.join(room, name, more).await.expect("let in");
        (client, joined)
    }
}

pub struct Answer {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON expected: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }

    /// The code of a uniform error.
    pub fn error(&self) -> String {
        self.json()["code"].as_str().unwrap_or_else(|| panic!("an error expected: {}", self.text())).to_owned()
    }
}

/// How a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Closed {
    With(u16),
    Without,
}

/// A WebSocket that keeps what it received until somebody asks for it.
pub struct Client {
    pub socket: WebSocketStream<TcpStream>,
    next: u32,
    events: VecDeque<(u32, Event)>,
    replies: Vec<(u32, Result<Reply, ProtocolError>)>,
    /// Errors that belong to no request.
    pub complaints: Vec<ProtocolError>,
    pub closed: Option<Closed>,
}

impl Client {
    /// The status when the server refuses.
    pub async fn connect(address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).await.expect("the port is open");
        Self::over_with(stream, address, headers).await
    }

    /// Over a connection that is there already.
    pub async fn over(stream: TcpStream, address: SocketAddr) -> Self {
        Self::over_with(stream, address, &[]).await.expect("upgrades")
    }

    /// Over a connection that is there already; the status when the server refuses.
    pub async fn over_with(stream: TcpStream, address: SocketAddr, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/api/v1/signal").into_client_request().expect("request");
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(name.parse::<axum::http::HeaderName>().expect("name"), value.parse().expect("value"));
        }
        match timeout(PATIENCE, client_async(request, stream)).await.expect("in time") {
            Ok((socket, _)) => Ok(Self::new(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    fn new(socket: WebSocketStream<TcpStream>) -> Self {
        Self { socket, next: 0, events: VecDeque::new(), replies: Vec::new(), complaints: Vec::new(), closed: None }
    }

    pub async fn join(&mut self, room: &str, name: &str, more: Value) -> Result<Joined, ProtocolError> {
        let mut body = json!({ "version": 1, "room": room, "name": name, "key": format!("key-of-{}", name.to_lowercase().replace(' ', "-")) });
        for (field, value) in more.as_object().expect("object") {
            body[field] = value.clone();
        }
        match self.request("join", body).await? {
            Reply::Joined(joined) => Ok(*joined),
            other => panic!("joined expected: {other:?}"),
        }
    }

    pub async fn resume(
        &mut self,
        room: &str,
        joined: &Joined,
        token: &str,
        last_seq: u32,
    ) -> Result<Reply, ProtocolError> {
        let body = json!({
            "version": 1, "room": room, "participant": joined.participant, "token": token, "lastSeq": last_seq,
        });
        self.request("resume", body).await
    }

    /// Sends a message and waits for its answer.
    pub async fn request(&mut self, kind: &str, body: Value) -> Result<Reply, ProtocolError> {
        let id = self.post(kind, body).await;
        self.answer(id).await
    }

    /// Sends a message; says under which id.
    pub async fn post(&mut self, kind: &str, body: Value) -> u32 {
        self.next += 1;
        let text = json!({ "id": self.next, "type": kind, "body": body }).to_string();
        // A server that has closed the connection is found out by reading.
        let _ = self.socket.send(Message::text(text)).await;
        self.next
    }

    pub async fn send_raw(&mut self, message: Message) {
        let _ = self.socket.send(message).await;
    }

    pub async fn answer(&mut self, id: u32) -> Result<Reply, ProtocolError> {
        loop {
            if let Some(at) = self.replies.iter().position(|(of, _)| *of == id) {
                return self.replies.remove(at).1;
            }
            assert!(self.receive().await, "closed ({:?}) before the answer to {id}", self.closed);
        }
    }

    /// The next event with its number.
    pub async fn event(&mut self) -> (u32, Event) {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            assert!(self.receive().await, "closed ({:?}) before the event", self.closed);
        }
    }

    /// The first event that this wants; what came before is dropped.
    pub async fn event_that<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let (_, event) = self.event().await;
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    pub async fn chat(&mut self) -> String {
        self.event_that(|event| match event {
            Event::Chat { message } => Some(message.text.as_str().to_owned()),
            _ => None,
        })
        .await
    }

    /// An error that belongs to no request or to this one.
    pub async fn complaint(&mut self) -> ProtocolError {
        while self.complaints.is_empty() {
            assert!(self.receive().await, "closed ({:?}) before the complaint", self.closed);
        }
        self.complaints.remove(0)
    }

    /// Waits until the connection is closed.
    pub async fn close_code(&mut self) -> Closed {
        while self.receive().await {}
        self.closed.take().unwrap_or(Closed::Without)
    }

    /// Says goodbye as a page does that is closed.
    pub async fn leave(mut self) {
        let frame = CloseFrame { code: CloseCode::Away, reason: "".into() };
        let _ = self.socket.close(Some(frame)).await;
    }

    /// Whether something came; otherwise the connection is closed.
    async fn receive(&mut self) -> bool {
        match timeout(PATIENCE, self.socket.next()).await.expect("something in time") {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text).expect("a message of the protocol") {
                ServerMessage::Reply { id, reply } => self.replies.push((id, Ok(*reply))),
                ServerMessage::Error { id: Some(id), error } => self.replies.push((id, Err(error))),
                ServerMessage::Error { id: None, error } => self.complaints.push(error),
                ServerMessage::Event { seq, event } => self.events.push_back((seq, event)),
            },
            Some(Ok(Message::Close(frame))) => {
                self.closed = Some(frame.map_or(Closed::Without, |frame| Closed::With(frame.code.into())));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return false,
        }
        true
    }
}
