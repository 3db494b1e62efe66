//! The WebSocket at `/api/v1/check`.

use std::sync::Arc;
use std::time::Duration;

use conclave_proto::{CheckReply, CheckRequest, IceConfig};
use futures_util::{SinkExt, StreamExt};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::link::Stream;
use super::measured::{PageFailure, Socket, SocketFailure};
use super::{page, target::Target};

/// For the upgrade, and for each message.
const ANSWER: Duration = Duration::from_secs(5);
/// Pings, one after the other.
const PINGS: u32 = 10;
/// For all of them together.
const ALL_PINGS: Duration = Duration::from_secs(8);

/// An open check. What the server gave out lives as long as this.
pub(super) struct CheckSocket {
    socket: WebSocketStream<Box<dyn Stream>>,
    pub(super) ice: IceConfig,
    pub(super) announced: Vec<String>,
}

impl CheckSocket {
    pub(super) async fn open(target: &Target, tls: &Arc<ClientConfig>) -> Result<Self, SocketFailure> {
        let (stream, _) = page::connect(target, tls).await.map_err(|failure| match failure {
            PageFailure::NoAnswer => SocketFailure::NoAnswer,
            other => SocketFailure::Other(format!("{other:?}")),
        })?;
        let scheme = if target.is_tls { "wss" } else { "ws" };
        let request = format!("{scheme}://{}/api/v1/check", target.authority()).into_client_request();
        let request = request.map_err(|error| SocketFailure::Other(error.to_string()))?;
        let socket = match timeout(ANSWER, client_async(request, stream)).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(Error::Http(response))) => return Err(SocketFailure::Status(response.status().as_u16())),
            Ok(Err(error)) => return Err(SocketFailure::Other(error.to_string())),
            Err(_) => return Err(SocketFailure::NoAnswer),
        };
        let mut check = Self { socket, ice: IceConfig::default(), announced: Vec::new() };
        match check.hear().await? {
            CheckReply::Welcome { ice, announced, .. } => Ok(Self { ice, announced, ..check }),
            CheckReply::Refused { error } => Err(SocketFailure::Refused(error.message)),
            _ => Err(SocketFailure::Other("the server's first message is no welcome".into())),
        }
    }

    /// The median round trip of some pings.
    pub(super) async fn measure(&mut self) -> Result<Socket, SocketFailure> {
        timeout(ALL_PINGS, self.ping()).await.unwrap_or(Err(SocketFailure::NoAnswer))
    }

    async fn ping(&mut self) -> Result<Socket, SocketFailure> {
        let mut round_trips = Vec::new();
        for number in 1..=PINGS {
            let started = Instant::now();
            let text = serde_json::to_string(&CheckRequest::Ping { number });
            let text = text.map_err(|error| SocketFailure::Other(error.to_string()))?;
            let sent = self.socket.send(Message::text(text)).await;
            sent.map_err(|error| SocketFailure::Other(error.to_string()))?;
            match self.hear().await? {
                CheckReply::Pong { number: answered } if answered == number => round_trips.push(started.elapsed()),
                _ => return Err(SocketFailure::Other("a ping was not answered with its pong".into())),
            }
        }
        Ok(Socket { round_trip: super::measure::median(&mut round_trips) })
    }

    async fn hear(&mut self) -> Result<CheckReply, SocketFailure> {
        let heard = async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return serde_json::from_str(&text)
                            .map_err(|_| SocketFailure::Other("the server's message is not of the protocol".into()));
                    }
                    Some(Ok(Message::Close(_))) | None => {
                        return Err(SocketFailure::Other("the server closed the connection".into()));
                    }
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(SocketFailure::Other(error.to_string())),
                }
            }
        };
        timeout(ANSWER, heard).await.unwrap_or(Err(SocketFailure::NoAnswer))
    }

    /// Says goodbye, so that the server gives back at once what it gave out.
    pub(super) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(1), self.socket.close(None)).await;
    }
}
