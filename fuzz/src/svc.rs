use conclave_sfu::Codec;

use crate::bytes::Bytes;
use crate::payload::Line;
use crate::scalable::{Decoder, Encoder, Prediction, Sent};

/// The most pictures of one input: longer ones teach nothing and cost time.
const PICTURES: usize = 300;

/// A stream with several layers whose packets are lost, late and repeated as the input says, to a tile
/// that grows and shrinks. No number is used twice and no part of a frame sent twice; returns how many
/// packets were forwarded.
///
/// # Panics
/// If one is.
pub fn svc_rewrite(data: &[u8]) -> usize {
    let mut bytes = Bytes(data);
    let Some(kind) = bytes.u8() else { return 0 };
    let codec = if kind & 1 == 0 { Codec::Vp9 } else { Codec::Av1 };
    let prediction = if kind & 2 == 0 { Prediction::KeyPictures } else { Prediction::Always };
    let mut encoder = Encoder::new(codec, prediction);
    encoder.flexible = kind & 4 != 0;
    let (mut line, mut decoder) = (Line::new(), Decoder::default());
    let mut late: Vec<Sent> = Vec::new();
    for _ in 0..PICTURES {
        let Some(what) = bytes.u8() else { break };
        encoder.key_wanted |= line.take_keyframe_request() || what & 0x80 != 0;
        if what & 0x40 != 0 {
            encoder.layers = what % 3 + 1;
        }
        if what & 0x20 != 0 {
            line.show([90, 180, 360, 720][usize::from(what & 3)]);
        }
        line.pass_picture_time();
        for packet in encoder.picture() {
            match bytes.u8().unwrap_or(0) {
                0..=7 => {}
                8..=31 => late.push(packet),
                32..=39 => {
                    deliver(&mut line, &mut decoder, codec, &packet);
                    late.push(packet);
                }
                _ => deliver(&mut line, &mut decoder, codec, &packet),
            }
        }
        if what & 0x10 != 0 {
            late.drain(..).for_each(|packet| deliver(&mut line, &mut decoder, codec, &packet));
        }
    }
    decoder.received.len()
}

fn deliver(line: &mut Line, decoder: &mut Decoder, codec: Codec, packet: &Sent) {
    line.deliver(codec, packet, |forward, payload| decoder.receive(forward, payload));
}
