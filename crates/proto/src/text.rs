//! Names, texts and identifiers: checked once, when they are parsed.

use std::fmt;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::error::ErrorCode;
use crate::limits;

/// Why a value was refused. Its `Display` starts with the [`ErrorCode`] in brackets, which is how
/// the code survives serde's string errors (see [`crate::parse_client_frame`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    code: ErrorCode,
    message: &'static str,
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = serde_json::to_value(self.code).unwrap_or_default();
        write!(f, "[{}] {}", code.as_str().unwrap_or_default(), self.message)
    }
}

impl std::error::Error for InvalidValue {}

impl InvalidValue {
    /// For programs.
    pub fn code(&self) -> ErrorCode {
        self.code
    }
    /// For developers.
    pub fn message(&self) -> &'static str {
        self.message
    }
}

/// Characters that change the direction or look of the text around them, or are not text.
fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}'
        | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
        || c.is_control()
}

/// Invisible on its own: a name of nothing but these is no name.
fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{3164}' | '\u{115F}' | '\u{1160}' | '\u{00AD}' | '\u{2800}'
        )
}

macro_rules! checked_text {
    ($(#[$doc:meta])* $name:ident, $code:ident, $message:literal, $max_bytes:expr, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[ts(type = "string")]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// Checks and normalises a text from outside.
            ///
            /// # Errors
            #[doc = concat!("[`ErrorCode::", stringify!($code), "`]: ", $message, ".")]
            pub fn parse(text: &str) -> Result<Self, InvalidValue> {
                const REFUSED: InvalidValue = InvalidValue { code: ErrorCode::$code, message: $message };
                if text.len() > $max_bytes {
                    return Err(REFUSED);
                }
                let parse: fn(&str) -> Option<String> = $parse;
                parse(text).map(Self).ok_or(REFUSED)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;
            fn try_from(text: String) -> Result<Self, InvalidValue> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
    };
}

macro_rules! printed_as_is {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

macro_rules! never_printed {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(***)"))
            }
        }
    )*};
}

checked_text!(
    /// What a person is called: 1 to 64 visible characters, direction controls removed, runs of
    /// white space joined.
    DisplayName, BadName, "a name has 1 to 64 visible characters", limits::NAME_CHARS * 16,
    |text| {
        let kept: String = text.chars().filter(|c| !is_unsafe(*c) || c.is_whitespace()).collect();
        let joined = kept.split_whitespace().collect::<Vec<_>>().join(" ");
        let count = joined.chars().count();
        (count > 0 && count <= limits::NAME_CHARS && !joined.chars().all(is_blank)).then_some(joined)
    }
);

checked_text!(
    /// The name of a room as it stands in the URL: 1 to 64 letters or digits of any script, `-` and
    /// `_`, in lower case.
    RoomName, BadRoomName, "a room name has 1 to 64 letters, digits, '-' or '_'", limits::ROOM_NAME_CHARS * 8,
    |text| {
        let lower = text.to_lowercase();
        let count = lower.chars().count();
        let allowed = lower.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
        (count > 0 && count <= limits::ROOM_NAME_CHARS && allowed).then_some(lower)
    }
);

checked_text!(
    /// A chat message: 1 to 4,000 characters, line breaks kept, controls removed.
    ChatText, BadChat, "a message has 1 to 4,000 visible characters", limits::CHAT_CHARS * 8,
    |text| {
        let kept: String = text.replace("\r\n", "\n").chars().filter(|c| *c == '\n' || *c == '\t' || !is_unsafe(*c)).collect();
        let trimmed = kept.trim();
        let count = trimmed.chars().count();
        (count > 0 && count <= limits::CHAT_CHARS && !trimmed.chars().all(is_blank)).then(|| trimmed.to_owned())
    }
);

/// An identifier or secret: 1 to 128 URL-safe characters.
fn token_text(text: &str) -> Option<String> {
    let ok =
        (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    ok.then(|| text.to_owned())
}

checked_text!(
    /// One participant's one session in a room. Chosen by the server; public inside the room.
    ParticipantId, Malformed, "an identifier has 1 to 128 URL-safe characters", 128, token_text
);
checked_text!(
    /// A chat message's identifier. Chosen by the server.
    MessageId, Malformed, "an identifier has 1 to 128 URL-safe characters", 128, token_text
);
checked_text!(
    /// Chosen by the client for each message it sends, so that sending it again is harmless.
    ChatKey, Malformed, "a key has 1 to 128 URL-safe characters", 128, token_text
);
checked_text!(
    /// Chosen at random by a browser for one person in one room and kept there; lets the server see
    /// that a second page is the same person. Secret: it allows taking the session over.
    ParticipantKey, Malformed, "a key has 1 to 128 URL-safe characters", 128, token_text
);
checked_text!(
    /// A token (host, access, resume). Never printed.
    Secret, Unauthorized, "a token has 1 to 2,048 printable characters", 2_048,
    |text| (!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned())
);

printed_as_is!(ParticipantId, MessageId);
never_printed!(DisplayName, RoomName, ChatText, ChatKey, ParticipantKey, Secret);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_loses_direction_controls_and_extra_space() {
        let name = DisplayName::parse("  Ada\u{202E} \n Lovelace ").expect("valid");
        assert_eq!(name.as_str(), "Ada Lovelace");
    }

    #[test]
    fn an_invisible_or_oversized_name_is_refused() {
        assert!(DisplayName::parse("\u{200B}\u{2060}").is_err());
        assert!(DisplayName::parse("").is_err());
        assert!(DisplayName::parse(&"a".repeat(65)).is_err());
        assert!(DisplayName::parse(&"中".repeat(64)).is_ok());
    }

    #[test]
    fn a_room_name_is_lower_case_and_any_script() {
        assert_eq!(RoomName::parse("Weekly-会议_1").expect("valid").as_str(), "weekly-会议_1");
        for bad in ["", "a b", "a/b", "../x", "a\u{202E}b", "a%20"] {
            assert!(RoomName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn chat_keeps_line_breaks_and_markup_as_text() {
        let text = ChatText::parse("<b>hi</b>\r\nthere\u{0007}").expect("valid");
        assert_eq!(text.as_str(), "<b>hi</b>\nthere");
        assert!(ChatText::parse(&"x".repeat(4_001)).is_err());
    }

    #[test]
    fn names_and_secrets_are_never_printed() {
        let printed =
            format!("{:?} {:?}", DisplayName::parse("Grace").expect("valid"), Secret::parse("s3cret").expect("valid"));
        assert!(!printed.contains("Grace") && !printed.contains("s3cret"), "{printed}");
    }
}
