//! Session description fragments, `application/trickle-ice-sdpfrag` (RFC 8840 section 9).

use std::fmt;

/// Largest fragment, in bytes. A restart with every candidate of a machine with many networks takes
/// about 4 KiB.
pub const FRAGMENT_BYTES: usize = 16 * 1024;
/// Most candidates in one fragment.
const CANDIDATES: usize = 128;

/// ICE credentials of one side (RFC 8839 section 5.4). Printed as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    ufrag: String,
    password: String,
}

impl IceCredentials {
    /// `None` unless both are of the length and alphabet that the standard wants.
    pub fn new(ufrag: &str, password: &str) -> Option<Self> {
        let sound = |text: &str, least: usize| {
            (least..=256).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
        };
        (sound(ufrag, 4) && sound(password, 22))
            .then(|| Self { ufrag: ufrag.to_owned(), password: password.to_owned() })
    }

    /// The user name fragment.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// The password.
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IceCredentials(***)")
    }
}

/// What a fragment says, as far as the server can use it: it sends no checks (ICE-lite), so candidates
/// are only counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The client's user name fragment; absent where it is not said.
    pub ufrag: Option<String>,
    /// The client's credentials, if it names both.
    pub credentials: Option<IceCredentials>,
    /// How many candidates it brings.
    pub candidates: usize,
    /// There will be no more candidates.
    pub end_of_candidates: bool,
}

/// Why something is not a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// More bytes or candidates than are taken.
    #[error("a fragment has at most 16 KiB and 128 candidates")]
    TooLarge,
    /// A line that no fragment has.
    #[error("not an SDP fragment (RFC 8840 section 9)")]
    Malformed,
    /// Credentials of the wrong form, or more than one pair: all media is in one bundle.
    #[error("the ICE credentials (a=ice-ufrag, a=ice-pwd) are not usable")]
    Credentials,
}

impl Fragment {
    /// Reads a fragment.
    ///
    /// # Errors
    /// [`FragmentError`], the sender's fault.
    pub fn parse(text: &str) -> Result<Self, FragmentError> {
        if text.len() > FRAGMENT_BYTES {
            return Err(FragmentError::TooLarge);
        }
        let (mut ufrag, mut password) = (None, None);
        let (mut candidates, mut end_of_candidates, mut lines) = (0, false, 0);
        for line in text.lines().filter(|line| !line.is_empty()) {
            lines += 1;
            if line.chars().any(char::is_control) {
                return Err(FragmentError::Malformed);
            }
            let Some(attribute) = line.strip_prefix("a=") else {
                // Pseudo media lines say which section the attributes after them are of.
                if line.strip_prefix("m=").is_some_and(|media| media.split(' ').count() >= 4) {
                    continue;
                }
                return Err(FragmentError::Malformed);
            };
            let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
            match name {
                "ice-ufrag" => once(&mut ufrag, value)?,
                "ice-pwd" => once(&mut password, value)?,
                "candidate" if !value.is_empty() => candidates += 1,
                "candidate" => return Err(FragmentError::Malformed),
                "end-of-candidates" => end_of_candidates = true,
                // Unknown attributes are ignored, as in any description.
                _ => {}
            }
        }
        if lines == 0 {
            return Err(FragmentError::Malformed);
        }
        if candidates > CANDIDATES {
            return Err(FragmentError::TooLarge);
        }
        let credentials = match (ufrag, password) {
            (Some(ufrag), Some(password)) => {
                Some(IceCredentials::new(ufrag, password).ok_or(FragmentError::Credentials)?)
            }
            // Trickling clients may name only what tells the ICE session (RFC 8840 section 4.4).
            (_, None) => None,
            (None, Some(_)) => return Err(FragmentError::Credentials),
        };
        Ok(Self { ufrag: ufrag.map(str::to_owned), credentials, candidates, end_of_candidates })
    }
}

/// Every section repeats the bundle's value.
fn once<'a>(known: &mut Option<&'a str>, value: &'a str) -> Result<(), FragmentError> {
    match known {
        Some(known) if *known != value => Err(FragmentError::Credentials),
        _ => {
            *known = Some(value);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 9725 section 4.3.2.
    const TRICKLE: &str = "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n\
        a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
        a=candidate:3471623853 1 udp 2122194687 198.51.100.2 61765 typ host generation 0 ufrag EsAw network-id 2\r\n\
        a=end-of-candidates\r\n";

    #[test]
    fn the_standards_example_is_read() {
        let fragment = Fragment::parse(TRICKLE).expect("valid");
        assert_eq!((fragment.candidates, fragment.end_of_candidates), (2, true));
        let credentials = fragment.credentials.expect("both are there");
        assert_eq!((credentials.ufrag(), credentials.password()), ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1"));
        assert!(!format!("{credentials:?}").contains("P2u"));
    }

    #[test]
    fn lines_end_as_they_like_and_sections_may_repeat_the_credentials() {
        let twice = format!("{TRICKLE}m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=ice-ufrag:EsAw\n");
        assert_eq!(Fragment::parse(&twice.replace("\r\n", "\n")), Fragment::parse(TRICKLE));
    }

    #[test]
    fn what_is_no_fragment_is_refused() {
        use FragmentError::{Credentials, Malformed, TooLarge};
        for (text, error) in [
            ("", Malformed),
            ("\r\n", Malformed),
            ("v=0\r\n", Malformed),
            ("hello", Malformed),
            ("a=candidate:\r\n", Malformed),
            ("a=mid:0\u{7}\r\n", Malformed),
            ("m=audio\r\n", Malformed),
            ("a=ice-ufrag:abc\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", Credentials),
            ("a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n", Credentials),
            ("a=ice-ufrag:ab cd\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", Credentials),
            ("a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n", Credentials),
            ("a=ice-ufrag:abcd\r\na=ice-ufrag:efgh\r\n", Credentials),
            (&"a=candidate:x\r\n".repeat(129), TooLarge),
            (&"a=x\r\n".repeat(4_000), TooLarge),
        ] {
            assert_eq!(Fragment::parse(text), Err(error), "{text:.60}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(a=|m=|ice-ufrag:|ice-pwd:|candidate:|[ -~]{0,9}|\r\n|\\PC){0,40}") {
            let _ = Fragment::parse(&text);
        }
    }
}
