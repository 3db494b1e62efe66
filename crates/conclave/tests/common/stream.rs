//! WHIP and WHEP as clients ask for them.

use serde_json::json;

use super::{Answer, TestServer};

pub const SDP: (&str, &str) = ("content-type", "application/sdp");
pub const FRAGMENT: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");

/// FFmpeg's, of sound and a picture; it never connects.
pub const PUBLISH: &str = include_str!("../../../media/tests/fixtures/ffmpeg.sdp");
/// aiortc's, of sound and a picture both ways.
pub const PLAY: &str = include_str!("../../../media/tests/fixtures/aiortc-publish.sdp");

pub const TRICKLE: &str =
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";

/// A fragment that brings new credentials.
pub fn restart(ufrag: &str) -> String {
    format!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:0123456789012345678901\r\n{TRICKLE}")
}

/// A session, and what is needed to speak of it.
pub struct Session {
    pub answer: Answer,
    pub path: String,
    pub tag: String,
    pub token: String,
}

impl TestServer {
    /// A token that may publish into the room.
    pub async fn publisher(&self, room: &str) -> String {
        self.token(json!({ "room": room })).await
    }

    pub async fn publish(&self, room: &str) -> Session {
        let token = self.publisher(room).await;
        let path = format!("/whip/{room}");
        let answer = self.send("POST", &path, &[SDP, ("authorization", &token)], PUBLISH.into()).await;
        Session::new(answer, token)
    }

    pub async fn play(&self, room: &str, query: &str) -> Session {
        let answer = self.send("POST", &format!("/whep/{room}{query}"), &[SDP], PLAY.into()).await;
        Session::new(answer, String::new())
    }

    /// Asks something of a session, as whoever made it.
    pub async fn ask(&self, session: &Session, method: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut headers = headers.to_vec();
        if !session.token.is_empty() {
            headers.push(("authorization", &session.token));
        }
        self.send(method, &session.path, &headers, body.into()).await
    }
}

impl Session {
    fn new(answer: Answer, token: String) -> Self {
        assert_eq!(answer.status, 201, "{}", answer.text());
        let (path, tag) = (answer.header("location").to_owned(), answer.header("etag").to_owned());
        Self { answer, path, tag, token }
    }
}
