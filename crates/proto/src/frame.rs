use serde::Deserialize;

use crate::client::{ClientFrame, ClientMessage};
use crate::error::{ErrorCode, ProtocolError};

/// A message from a client that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFailure {
    /// The request's, if at least that could be read.
    pub id: Option<u32>,
    /// Why.
    pub error: ProtocolError,
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    id: Option<u32>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

/// Reads one message from a client. Unknown fields are ignored.
///
/// # Errors
/// What is wrong with it, for its sender: [`ErrorCode::Malformed`], [`ErrorCode::UnknownMessage`],
/// or the code of the value that was refused.
pub fn parse_client_frame(text: &str) -> Result<ClientFrame, ParseFailure> {
    let head: Head = serde_json::from_str(text).map_err(|error| ParseFailure {
        id: None,
        error: ProtocolError::new(ErrorCode::Malformed, format!("not a message: {}", place(&error))),
    })?;
    let failure = |code, message: String| ParseFailure { id: head.id, error: ProtocolError::new(code, message) };
    if head.id.is_none() {
        return Err(failure(ErrorCode::Malformed, "a message has a numeric \"id\"".into()));
    }
    let Some(kind) = &head.kind else {
        return Err(failure(ErrorCode::Malformed, "a message has a \"type\"".into()));
    };
    if !ClientMessage::KINDS.contains(&kind.as_str()) {
        return Err(failure(ErrorCode::UnknownMessage, "no such message".into()));
    }
    serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        let refused = said.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let code = refused.and_then(|(code, _)| serde_json::from_value(code.into()).ok());
        match (code, refused) {
            (Some(code), Some((_, message))) => {
                let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
                failure(code, message.trim().to_owned())
            }
            // serde's own sentences quote the input, which may hold personal data: only the place is told.
            _ => failure(ErrorCode::Malformed, format!("not a valid message: {}", place(&error))),
        }
    })
}

fn place(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

impl ClientMessage {
    /// Every value of `type`.
    pub const KINDS: [&'static str; 19] = [
        "join",
        "resume",
        "leave",
        "ping",
        "get-ice-servers",
        "get-participants",
        "set-media",
        "set-name",
        "set-hand",
        "react",
        "chat",
        "report-network",
        "set-options",
        "end-room",
        "signal",
        "offer-sfu",
        "close-sfu",
        "set-view",
        "report-path",
    ];

    /// The value of `type`, for logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Join(_) => "join",
            Self::Resume(_) => "resume",
            Self::Leave {} => "leave",
            Self::Ping {} => "ping",
            Self::GetIceServers {} => "get-ice-servers",
            Self::GetParticipants { .. } => "get-participants",
            Self::SetMedia { .. } => "set-media",
            Self::SetName { .. } => "set-name",
            Self::SetHand { .. } => "set-hand",
            Self::React { .. } => "react",
            Self::Chat { .. } => "chat",
            Self::ReportNetwork { .. } => "report-network",
            Self::SetOptions { .. } => "set-options",
            Self::EndRoom {} => "end-room",
            Self::Signal { .. } => "signal",
            Self::OfferSfu(_) => "offer-sfu",
            Self::CloseSfu { .. } => "close-sfu",
            Self::SetView { .. } => "set-view",
            Self::ReportPath(_) => "report-path",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ChatText;

    fn code(text: &str) -> (Option<u32>, ErrorCode) {
        let failure = parse_client_frame(text).expect_err("refused");
        (failure.id, failure.error.code)
    }

    #[test]
    fn reads_a_message_and_ignores_unknown_fields() {
        let frame = parse_client_frame(r#"{"id":1,"type":"chat","new":1,"body":{"key":"k","text":"hi","later":[]}}"#)
            .expect("valid");
        assert_eq!(frame.message.kind(), "chat");
        let ClientMessage::Chat { text, .. } = frame.message else { panic!("chat expected") };
        assert_eq!(text, ChatText::parse("hi").expect("valid"));
    }

    #[test]
    fn every_kind_is_known_to_the_parser() {
        for kind in ClientMessage::KINDS {
            let text = format!(r#"{{"id":1,"type":"{kind}","body":{{}}}}"#);
            if let Err(failure) = parse_client_frame(&text) {
                assert_ne!(failure.error.code, ErrorCode::UnknownMessage, "{kind}");
                assert!(!failure.error.message.contains("variant"), "{kind}: {}", failure.error.message);
            }
        }
    }

    #[test]
    fn says_what_is_wrong_to_the_one_who_sent_it() {
        assert_eq!(code("{"), (None, ErrorCode::Malformed));
        assert_eq!(code(r#"{"type":"ping"}"#), (None, ErrorCode::Malformed));
        assert_eq!(code(r#"{"id":3,"type":"dance","body":{}}"#), (Some(3), ErrorCode::UnknownMessage));
        assert_eq!(code(r#"{"id":3,"type":"chat","body":{"key":"k","text":""}}"#), (Some(3), ErrorCode::BadChat));
        assert_eq!(code(r#"{"id":3,"type":"set-name","body":{"name":""}}"#), (Some(3), ErrorCode::BadName));
        assert_eq!(code(r#"{"id":4,"type":"set-hand","body":{"raised":"yes"}}"#), (Some(4), ErrorCode::Malformed));
        let many = "m=audio 9 X 0\\r\\n".repeat(100);
        let offer = format!(
            r#"{{"id":5,"type":"offer-sfu","body":{{"leg":1,"sdp":"{many}","sources":{{"microphone":"0","camera":"1","screen":"2","screenAudio":"3"}},"audioSlots":[],"videoSlots":[],"decodes":[]}}}}"#
        );
        assert_eq!(code(&offer), (Some(5), ErrorCode::TooManySections));
    }

    #[test]
    fn a_candidate_is_one_line_and_its_fragment_is_short() {
        let signal = |candidate: &str, ufrag: &str| {
            format!(
                r#"{{"id":6,"type":"signal","body":{{"to":"p","generation":1,"signal":{{"kind":"candidate","candidate":"{candidate}","mid":"0","ufrag":"{ufrag}"}}}}}}"#
            )
        };
        assert!(parse_client_frame(&signal("", "abcd")).is_ok());
        assert_eq!(code(&signal("a\\r\\na=b", "abcd")), (Some(6), ErrorCode::BadSdp));
        assert_eq!(code(&signal(&"a".repeat(1_025), "abcd")), (Some(6), ErrorCode::BadSdp));
        assert_eq!(code(&signal("a", &"x".repeat(257))), (Some(6), ErrorCode::BadSdp));
    }

    #[test]
    fn an_error_never_quotes_what_was_sent() {
        let failure =
            parse_client_frame(r#"{"id":4,"type":"set-hand","body":{"raised":"Ada Lovelace"}}"#).expect_err("refused");
        assert!(!failure.error.message.contains("Ada"), "{}", failure.error.message);
    }
}
