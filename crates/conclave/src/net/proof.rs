//! When a connection that carries media has proved that its peer knows a secret: seen from what the
//! media plane answers, because nobody knows it earlier.

use conclave_media::StreamKind;

const STUN_HEADER: usize = 20;
const STUN_MAGIC: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// The class bits of a message type (RFC 8489, section 5), and their value in a success response.
const CLASS: u16 = 0x0110;
const SUCCESS: u16 = 0x0100;
/// The two most significant bits of STUN messages are zero (RFC 8489, section 5).
const NOT_STUN: u16 = 0xC000;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
/// The length that RFC 4571 puts before each packet.
const FRAME: usize = 2;

/// Whether these bytes, whole packets for the peer, hold a success response that is signed: with the
/// key of a TURN user, or with the password of an ICE session. A refusal is not signed with a key
/// that the peer would know, and an answer to a plain Binding request not at all.
pub(super) fn is_given(kind: StreamKind, packets: &[u8]) -> bool {
    let mut rest = packets;
    while let Some((packet, behind)) = split(kind, rest) {
        if is_signed_success(packet) {
            return true;
        }
        rest = behind;
    }
    false
}

/// The first packet and what is behind it.
fn split(kind: StreamKind, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = |at: usize| {
        let field = bytes.get(at..at + 2)?;
        Some(usize::from(u16::from_be_bytes([field[0], field[1]])))
    };
    match kind {
        StreamKind::IceTcp => bytes[FRAME.min(bytes.len())..].split_at_checked(length(0)?),
        // Messages are as long as they say; ChannelData comes only after an allocation.
        StreamKind::Turn { .. } => bytes.split_at_checked(STUN_HEADER + length(2)?),
    }
}

fn is_signed_success(packet: &[u8]) -> bool {
    let Some((header, mut attributes)) = packet.split_at_checked(STUN_HEADER) else { return false };
    let kind = u16::from_be_bytes([header[0], header[1]]);
    if kind & NOT_STUN != 0 || kind & CLASS != SUCCESS || header[4..8] != STUN_MAGIC {
        return false;
    }
    while let Some((&[a, b, c, d], rest)) = attributes.split_first_chunk() {
        if matches!(u16::from_be_bytes([a, b]), MESSAGE_INTEGRITY | MESSAGE_INTEGRITY_SHA256) {
            return true;
        }
        let length = usize::from(u16::from_be_bytes([c, d])).next_multiple_of(4);
        let Some(next) = rest.get(length..) else { return false };
        attributes = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const TURN: StreamKind = StreamKind::Turn { tls: true };
    const ALLOCATED: u16 = 0x0103;
    const BOUND: u16 = 0x0101;
    const UNAUTHORIZED: u16 = 0x0113;

    fn message(kind: u16, attributes: &[u16]) -> Vec<u8> {
        let mut body = Vec::new();
        for attribute in attributes {
            body.extend(attribute.to_be_bytes());
            body.extend([0, 5, 1, 2, 3, 4, 5, 0, 0, 0]);
        }
        let mut message = kind.to_be_bytes().to_vec();
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(STUN_MAGIC);
        message.extend([7; 12]);
        message.extend(body);
        message
    }

    fn framed(packet: &[u8]) -> Vec<u8> {
        [&(packet.len() as u16).to_be_bytes(), packet].concat()
    }

    #[test]
    fn a_signed_success_is_a_proof_wherever_it_stands() {
        let proof = message(ALLOCATED, &[0x0016, MESSAGE_INTEGRITY]);
        let refusal = message(UNAUTHORIZED, &[0x0009, 0x0015]);
        assert!(is_given(TURN, &proof));
        assert!(is_given(TURN, &[refusal.clone(), proof.clone()].concat()));
        assert!(is_given(StreamKind::IceTcp, &framed(&message(BOUND, &[0x0020, MESSAGE_INTEGRITY_SHA256]))));
        let checks = [framed(&refusal), framed(&message(BOUND, &[MESSAGE_INTEGRITY]))].concat();
        assert!(is_given(StreamKind::IceTcp, &checks));
    }

    #[test]
    fn refusals_unsigned_answers_and_anything_else_are_none() {
        for packet in [
            message(UNAUTHORIZED, &[0x0009]),
            message(0x0113, &[MESSAGE_INTEGRITY]),
            message(BOUND, &[0x0020]),
            message(0x0001, &[MESSAGE_INTEGRITY]),
            message(0x4103, &[MESSAGE_INTEGRITY]),
            vec![],
            vec![1, 3, 0],
            vec![1; 40],
        ] {
            assert!(!is_given(TURN, &packet), "{packet:02x?}");
            assert!(!is_given(StreamKind::IceTcp, &framed(&packet)), "{packet:02x?}");
        }
        let whole = message(ALLOCATED, &[0x0016, MESSAGE_INTEGRITY]);
        for length in 0..whole.len() {
            assert!(!is_given(TURN, &whole[..length]), "cut to {length}");
        }
    }
}
