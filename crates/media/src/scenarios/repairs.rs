//! What a client makes again of what was lost, from FlexFEC.

use std::collections::BTreeMap;

use conclave_qos::fec::{ParityDecoder, flexfec};
use conclave_rtp::Header;

use super::publisher::{VP8, extensions};

/// The payload type that [`offer`] takes.
const FLEXFEC: u8 = 49;

/// A description whose pictures may come with parity.
pub(super) fn offer(sdp: &str) -> String {
    let mut text = String::new();
    for line in sdp.lines() {
        let is_video = line.starts_with("m=video ");
        text.push_str(line);
        text.push_str(if is_video { " 49\r\n" } else { "\r\n" });
        if line.starts_with("a=rtpmap:96 ") {
            text.push_str("a=rtpmap:49 flexfec-03/90000\r\na=fmtp:49 repair-window=10000000\r\n");
        }
    }
    text
}

/// One decoder for each stream of pictures.
#[derive(Default)]
pub(super) struct Repairs {
    decoders: BTreeMap<u32, ParityDecoder>,
    /// Packets of parity that came.
    pub(super) came: u64,
    /// Packets that were made again.
    pub(super) made: u64,
}

impl Repairs {
    /// Takes a packet that has come. Returns those that could be made again, without header extensions: their
    /// transport-wide numbers did not arrive.
    pub(super) fn take(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let Ok(header) = Header::parse(packet) else { return Vec::new() };
        let Ok(payload) = header.payload_of(packet) else { return Vec::new() };
        let ssrc = match header.payload_type.get() {
            FLEXFEC => {
                let repair = flexfec::parse(flexfec::Format::Draft03, payload).expect("sound");
                self.came += 1;
                let ssrc = repair.ssrc.expect("named");
                let decoder = self.decoders.entry(ssrc).or_insert_with(|| ParityDecoder::new(ssrc));
                decoder.handle_repair(&repair).expect("of the stream");
                ssrc
            }
            VP8 => {
                let mut covered = packet.to_vec();
                if let Some(number) = extensions().transport_sequence.and_then(|id| header.extensions.get(id)) {
                    let at = number.as_ptr() as usize - packet.as_ptr() as usize;
                    covered[at..at + number.len()].fill(0);
                }
                let ssrc = header.ssrc.0;
                let decoder = self.decoders.entry(ssrc).or_insert_with(|| ParityDecoder::new(ssrc));
                decoder.handle_source(&covered).expect("of the stream");
                ssrc
            }
            _ => return Vec::new(),
        };
        let Some(decoder) = self.decoders.get_mut(&ssrc) else { return Vec::new() };
        let made: Vec<_> = std::iter::from_fn(|| decoder.poll_recovered()).map(|packet| bare(&packet)).collect();
        self.made += made.len() as u64;
        made
    }
}

fn bare(packet: &[u8]) -> Vec<u8> {
    let header = Header::parse(packet).expect("as it was sent");
    let payload = header.payload_of(packet).expect("as it was sent");
    let mut bare = packet[..12].to_vec();
    // Without X.
    bare[0] &= 0xef;
    bare.extend_from_slice(payload);
    bare
}
