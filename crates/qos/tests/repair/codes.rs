//! Codes side by side, without requests: which frames are there when three have been sent.

use std::collections::BTreeMap;

use conclave_qos::fec::erasure::{Decoder, Encoder};

use super::Channel;

const PACKETS: u64 = 10;
/// A frame may wait for the two behind it: with 30 a second, 67 ms.
const WINDOW: u64 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Parity of each frame over itself.
    Frame,
    /// Parity over three frames, behind the third.
    Group,
    /// Parity behind each frame over the latest three: a streaming code.
    Streaming,
}

/// Share of the frames that no code at all could save: more of the frame is lost than all parity brings that is sent
/// before it is too late, even if everything else were known. `window`: frames, its own included.
pub fn bound(parity: f64, window: usize, (loss, burst): (f64, f64), frames: u64, seed: u64) -> f64 {
    let mut channel = Channel::new(loss, burst, seed);
    let mut waiting: Vec<(u64, u64)> = Vec::new();
    let (mut owed, mut lost) = (0.0, 0);
    for _ in 0..frames {
        let missing = (0..PACKETS).filter(|_| channel.loses()).count() as u64;
        waiting.push((missing, 0));
        owed += parity;
        while owed >= 1.0 {
            owed -= 1.0;
            let arrived = u64::from(!channel.loses());
            waiting.iter_mut().for_each(|(_, parity)| *parity += arrived);
        }
        if waiting.len() == window {
            let (missing, parity) = waiting.remove(0);
            lost += u64::from(missing > parity);
        }
    }
    lost as f64 / frames as f64
}

/// Share of the frames that are lost with so many parity packets a frame.
pub fn run(code: Code, parity: f64, (loss, burst): (f64, f64), frames: u64, seed: u64) -> f64 {
    let mut channel = Channel::new(loss, burst, seed);
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let mut present: BTreeMap<u64, u64> = BTreeMap::new();
    let (mut owed, mut lost, mut out) = (0.0, 0, Vec::new());
    for frame in 0..frames {
        let first = frame * PACKETS;
        for sequence in first..first + PACKETS {
            let content = sequence.to_be_bytes();
            encoder.push(&content).expect("short");
            if !channel.loses() {
                *present.entry(frame).or_default() += 1;
                decoder.handle_source(sequence as u32, &content).expect("short");
            }
        }
        owed += parity;
        let (from, is_due) = match code {
            Code::Frame => (frame, true),
            Code::Group => (frame + 1 - WINDOW.min(frame + 1), frame % WINDOW == WINDOW - 1),
            Code::Streaming => (frame.saturating_sub(WINDOW - 1), true),
        };
        while is_due && owed >= 1.0 {
            owed -= 1.0;
            let count = ((frame + 1 - from) * PACKETS) as u8;
            encoder.write_parity((from * PACKETS) as u32, count, &mut out).expect("kept");
            if !channel.loses() {
                decoder.handle_parity(&out).expect("whole");
            }
        }
        while let Some(made) = decoder.poll_recovered() {
            *present.entry(u64::from(made.sequence) / PACKETS).or_default() += 1;
        }
        if frame >= WINDOW {
            lost += u64::from(present.remove(&(frame - WINDOW + 1)).unwrap_or(0) < PACKETS);
        }
    }
    lost as f64 / (frames - WINDOW) as f64
}
