//! Parity on the pictures that a client receives, which the engine does not know: what an offer takes, and the answer that
//! says so.

use conclave_rtp::{Parity, PayloadType, Ssrc};
use conclave_sfu::{Codec, SlotId};

use super::agreed::{Agreed, AgreedSlot};
use super::feedback::{is_in_use, sections};

/// FlexFEC as Chromium speaks it (draft-ietf-payload-flexible-fec-scheme-03).
const FLEXFEC: &str = "flexfec-03/90000";
/// RFC 2198, RFC 5109.
const RED: &str = "red/90000";
const ULPFEC: &str = "ulpfec/90000";
/// Between a source and that of its parity.
const APART: u32 = 0x0fec_0fec;

/// Notes in what was agreed on which slots take parity, and says so in the answer.
///
/// FlexFEC is taken first: it has a source of its own, so that it works with every codec and what is lost of it leaves no gap
/// among the pictures. Who does not know it, but ULPFEC inside RED, gets that.
pub(super) fn agree(offer: &str, answer: &str, agreed: &mut Agreed) -> String {
    let mut text = String::with_capacity(answer.len() + 4_096);
    for section in sections(answer) {
        let slot = agreed.slots.iter().position(|slot| is_of(section, &slot.mid));
        let slot = slot.filter(|_| section.starts_with("m=video ") && is_in_use(section));
        let offered = slot.and_then(|slot| {
            let offered = sections(offer).find(|offered| is_of(offered, &agreed.slots[slot].mid))?;
            Some((slot, offered, parity(offered, slot, &agreed.slots)?))
        });
        match offered {
            Some((slot, offered, parity)) => {
                write(&mut text, section, offered, agreed.slots[slot].ssrc, parity);
                agreed.slots[slot].parity = Some(parity);
            }
            None => text.push_str(section),
        }
    }
    text
}

/// Which parity is taken of what a section offers.
fn parity(offered: &str, place: usize, slots: &[AgreedSlot]) -> Option<Parity> {
    let slot = slots.get(place).filter(|slot| matches!(slot.id, SlotId::Video(_)))?;
    let codec = |codec| slot.formats.payload_type(codec).and_then(PayloadType::new);
    if let Some(payload_type) = payload_type(offered, FLEXFEC) {
        let is_taken = |ssrc: u32| slots.iter().any(|slot| slot.ssrc == ssrc || slot.rtx == Some(ssrc));
        let ssrc = slot.ssrc ^ APART;
        // One in some millions has none then.
        return (!is_taken(ssrc)).then_some(Parity::Flexfec { ssrc: Ssrc(ssrc), payload_type });
    }
    let (vp8, vp9) = (codec(Codec::Vp8), codec(Codec::Vp9));
    Some(Parity::Ulpfec { red: payload_type(offered, RED)?, payload_type: payload_type(offered, ULPFEC)?, vp8, vp9 })
}

/// The section of the answer, with parity.
fn write(text: &mut String, section: &str, offered: &str, media: u32, parity: Parity) {
    let (formats, repair) = match parity {
        Parity::Flexfec { ssrc, payload_type } => (vec![payload_type], Some(ssrc.0)),
        Parity::Ulpfec { red, payload_type, .. } => (vec![red, payload_type], None),
    };
    let own = format!("a=ssrc:{media} ");
    for (index, line) in section.lines().enumerate() {
        text.push_str(line);
        if index == 0 {
            formats.iter().for_each(|format| text.push_str(&format!(" {}", format.get())));
        }
        text.push_str("\r\n");
        // The source of parity is whose the media's is.
        if let (Some(repair), Some(attribute)) = (repair, line.strip_prefix(&own)) {
            text.push_str(&format!("a=ssrc:{repair} {attribute}\r\n"));
        }
    }
    if let Some(repair) = repair {
        // RFC 5956, section 4.3.
        text.push_str(&format!("a=ssrc-group:FEC-FR {media} {repair}\r\n"));
    }
    for format in formats {
        let number = format.get();
        let is_wanted = |line: &&str| {
            ["a=rtpmap:", "a=fmtp:"].iter().any(|name| of_format(line, name, number).is_some())
                || (of_format(line, "a=rtcp-fb:", number) == Some("transport-cc")
                    && section.lines().any(|line| line.ends_with(" transport-cc")))
        };
        for line in offered.lines().filter(is_wanted) {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
}

/// Under which number a section offers an encoding.
fn payload_type(section: &str, encoding: &str) -> Option<PayloadType> {
    let maps = section.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '));
    let (number, _) = maps.into_iter().find(|(_, named)| named.trim_end().eq_ignore_ascii_case(encoding))?;
    let is_listed = section.lines().next()?.split(' ').skip(3).any(|format| format == number);
    number.parse().ok().and_then(PayloadType::new).filter(|_| is_listed)
}

/// What an attribute says of a format.
fn of_format<'a>(line: &'a str, name: &str, number: u8) -> Option<&'a str> {
    let (format, value) = line.strip_prefix(name)?.split_once(' ')?;
    (format.parse() == Ok(number)).then_some(value)
}

fn is_of(section: &str, mid: &str) -> bool {
    section.lines().any(|line| line.strip_prefix("a=mid:") == Some(mid))
}

#[cfg(test)]
mod tests {
    use super::super::agreed::Formats;
    use super::*;

    const ANSWER: &str = "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\n\
                          a=rtcp-fb:96 transport-cc\r\na=ssrc:5 cname:x\r\na=ssrc:6 cname:x\r\na=ssrc-group:FID 5 6\r\n";
    const FLEX: &str = "a=rtpmap:49 flexfec-03/90000\r\na=rtcp-fb:49 goog-remb\r\na=rtcp-fb:49 transport-cc\r\n\
                        a=fmtp:49 repair-window=10000000\r\n";
    const OLD: &str = "a=rtpmap:118 red/90000\r\na=rtpmap:120 ulpfec/90000\r\n";

    fn offer(formats: &str, lines: &str) -> String {
        format!("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97 {formats}\r\na=mid:0\r\na=rtpmap:96 VP8/90000\r\n{lines}")
    }

    fn agreed(id: SlotId) -> Agreed {
        let formats = Formats { codecs: vec![(Codec::Vp8, 96, Some(97))], ..Formats::default() };
        let slot = AgreedSlot { mid: "0".into(), id, formats, ssrc: 5, rtx: Some(6), parity: None };
        Agreed { slots: vec![slot], ..Agreed::default() }
    }

    fn number(number: u8) -> PayloadType {
        PayloadType::new(number).expect("below 128")
    }

    #[test]
    fn flexfec_is_taken_first_and_gets_a_source_of_its_own() {
        let mut agreed = agreed(SlotId::Video(0));
        let answer = agree(&offer("118 120 49", &format!("{OLD}{FLEX}")), ANSWER, &mut agreed);
        let ssrc = 5 ^ APART;
        assert_eq!(agreed.slots[0].parity, Some(Parity::Flexfec { ssrc: Ssrc(ssrc), payload_type: number(49) }));
        let expected = ANSWER
            .replace("96 97", "96 97 49")
            .replace("a=ssrc:5 cname:x\r\n", &format!("a=ssrc:5 cname:x\r\na=ssrc:{ssrc} cname:x\r\n"))
            + &format!("a=ssrc-group:FEC-FR 5 {ssrc}\r\n")
            + &FLEX.replace("a=rtcp-fb:49 goog-remb\r\n", "");
        assert_eq!(answer, expected);
    }

    #[test]
    fn ulpfec_is_taken_where_it_comes_with_red() {
        let mut slot = agreed(SlotId::Video(0));
        let answer = agree(&offer("118 120", OLD), ANSWER, &mut slot);
        let parity = Parity::Ulpfec { red: number(118), payload_type: number(120), vp8: Some(number(96)), vp9: None };
        assert_eq!(slot.slots[0].parity, Some(parity));
        assert_eq!(answer, ANSWER.replace("96 97", "96 97 118 120") + OLD);
        for lines in ["a=rtpmap:118 red/90000\r\n", "a=rtpmap:120 ulpfec/90000\r\n", ""] {
            let mut slot = agreed(SlotId::Video(0));
            assert_eq!(agree(&offer("118 120", lines), ANSWER, &mut slot), ANSWER);
            assert_eq!(slot.slots[0].parity, None);
        }
    }

    #[test]
    fn what_is_not_offered_in_the_media_line_or_is_no_number_is_not_taken() {
        for (formats, lines) in
            [("", FLEX.to_owned()), ("300", FLEX.replace("49", "300")), ("x", FLEX.replace("49", "x"))]
        {
            let mut slot = agreed(SlotId::Video(0));
            assert_eq!(agree(&offer(formats, &lines), ANSWER, &mut slot), ANSWER, "{lines}");
        }
    }

    #[test]
    fn rejected_sections_and_those_in_which_the_client_sends_stay_as_they_are() {
        let mut none = Agreed::default();
        let offer = offer("49", FLEX);
        assert_eq!(agree(&offer, ANSWER, &mut none), ANSWER);
        let rejected = ANSWER.replace("m=video 9", "m=video 0");
        assert_eq!(agree(&offer, &rejected, &mut agreed(SlotId::Video(0))), rejected);
        assert_eq!(agree("", ANSWER, &mut agreed(SlotId::Video(0))), ANSWER);
    }
}
