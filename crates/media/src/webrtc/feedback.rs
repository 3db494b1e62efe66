//! Reports by source (RFC 8888), which the engine does not know: whether an offer asks for them, and the answer that says so.

/// For all payload types, as the RFC demands (section 6).
const BY_SOURCE: &str = "a=rtcp-fb:* ack ccfb";

/// Whether arrivals are to be reported by source in both directions.
///
/// So it is where every media section in use asks for it and none for transport-wide feedback, which is taken first: that is
/// what browsers offer, with or without the other, and have by far the most experience with. Both at once would tell
/// everything twice.
pub(super) fn is_by_source(offer: &str) -> bool {
    let mut sections = sections(offer).filter(|section| is_media(section) && is_in_use(section)).peekable();
    sections.peek().is_some()
        && sections.all(|section| asks_for_reports_by_source(section) && !asks_for_transport_wide(section))
}

/// As the RFC demands, or for each payload type, as Chromium does.
fn asks_for_reports_by_source(section: &str) -> bool {
    let asks = |of: &str| {
        section
            .lines()
            .any(|line| line.strip_prefix("a=rtcp-fb:").and_then(|line| line.split_once(' ')) == Some((of, "ack ccfb")))
    };
    let mut payload_types = section.lines().next().unwrap_or_default().split(' ').skip(3).peekable();
    asks("*") || payload_types.peek().is_some() && payload_types.all(asks)
}

/// The engine's answer with reports by source in every media section in use.
pub(super) fn by_source(answer: &str) -> String {
    let mut text = String::with_capacity(answer.len() + 512);
    for section in sections(answer) {
        text.push_str(section);
        if is_media(section) && is_in_use(section) {
            text.push_str(BY_SOURCE);
            text.push_str("\r\n");
        }
    }
    text
}

/// The sections of a description, each with its media line; what comes before the first is one, too.
pub(super) fn sections(sdp: &str) -> impl Iterator<Item = &str> {
    let mut rest = sdp;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find("\nm=").map_or(rest.len(), |newline| newline + 1);
        let (section, behind) = rest.split_at(end);
        rest = behind;
        Some(section)
    })
}

fn is_media(section: &str) -> bool {
    section.starts_with("m=audio ") || section.starts_with("m=video ")
}

/// A section with port 0 is rejected, unless it is bundled with another (RFC 9143 section 6).
pub(super) fn is_in_use(section: &str) -> bool {
    let port = section.split(' ').nth(1);
    port != Some("0") || section.lines().any(|line| line == "a=bundle-only")
}

fn asks_for_transport_wide(section: &str) -> bool {
    section.lines().any(|line| line.starts_with("a=rtcp-fb:") && line.ends_with(" transport-cc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "v=0\r\ns=-\r\n";
    const SOUND: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=rtcp-fb:* ack ccfb\r\n";
    const PICTURE: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-fb:* ack ccfb\r\na=rtcp-fb:96 nack\r\n";

    #[test]
    fn an_offer_asks_for_reports_by_source_if_all_its_sections_do() {
        let silent = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtcp-fb:96 nack\r\n";
        let rejected = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=inactive\r\n";
        let bundled = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\n";
        let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n";
        let table = [
            (vec![HEAD, SOUND, PICTURE], true),
            (vec![HEAD, SOUND, rejected, data], true),
            (vec![HEAD, SOUND, silent], false),
            (vec![HEAD, SOUND, bundled], false),
            (vec![HEAD, data], false),
            (vec![HEAD], false),
            (vec![""], false),
        ];
        for (parts, is_wanted) in table {
            assert_eq!(is_by_source(&parts.concat()), is_wanted, "{parts:?}");
        }
    }

    #[test]
    fn transport_wide_feedback_is_taken_first() {
        let both = format!("{HEAD}{SOUND}{PICTURE}a=rtcp-fb:96 transport-cc\r\n");
        assert!(!is_by_source(&both));
    }

    #[test]
    fn asking_for_each_payload_type_is_asking_for_all_and_for_some_of_them_it_is_not() {
        let section = |named: &[u8]| {
            let asks: String = named.iter().map(|of| format!("a=rtcp-fb:{of} ack ccfb\r\n")).collect();
            format!("{HEAD}m=video 9 UDP/TLS/RTP/SAVPF 96 97 102\r\n{asks}a=rtcp-fb:96 nack\r\n")
        };
        assert!(is_by_source(&section(&[96, 97, 102])));
        assert!(!is_by_source(&section(&[96, 97])));
        assert!(!is_by_source(&section(&[])));
        assert!(!is_by_source(&section(&[9, 10, 96])));
    }

    #[test]
    fn an_answer_says_so_in_each_section_in_use_and_stays_as_it_was() {
        let answer = format!("{HEAD}m=audio 9 RTP 1\r\na=mid:0\r\nm=video 0 RTP 2\r\nm=video 9 RTP 3\r\na=mid:2\r\n");
        let expected = format!(
            "{HEAD}m=audio 9 RTP 1\r\na=mid:0\r\n{BY_SOURCE}\r\nm=video 0 RTP 2\r\nm=video 9 RTP 3\r\na=mid:2\r\n{BY_SOURCE}\r\n"
        );
        assert_eq!(by_source(&answer), expected);
        assert_eq!(by_source(""), "");
    }
}
